import collections
import re

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer import records
from efficientnet_trainer.errors import DataError
from efficientnet_trainer.input import explain_input_error, make_input_fn
from efficientnet_trainer.shares import plan_share
from efficientnet_trainer.termination import TransientError


def read_all(input_fn):
    """Return the batches of a finite data set as (images, labels)."""
    with tf.Graph().as_default(), tf.Session() as session:
        batch = tf.data.make_one_shot_iterator(input_fn()).get_next()
        batches = []
        while True:
            try:
                batches.append(session.run(batch))
            except tf.errors.OutOfRangeError:
                return batches


def number_records(sizes):
    """Give every record of files of these sizes a label of its own, from 1."""
    labels = iter(range(1, sum(sizes) + 1))
    return [[next(labels) for _ in range(size)] for size in sizes]


SHARES = {
    # records in each file, ranks
    "one file, one rank": ([5], 1),
    "one file, three ranks": ([7], 3),
    "a file for each": ([3, 3, 3, 3], 4),
    "two files for each": ([3, 1, 2, 4], 2),
    "fewer files than ranks": ([4, 5], 3),
    "files that do not divide": ([4, 5, 6], 2),
    "as many records as ranks": ([1, 1], 2),
    "eight ranks on four uneven files": ([9, 1, 7, 3], 8),
}


@pytest.mark.parametrize("sizes, ranks", SHARES.values(), ids=SHARES)
def test_shares_are_disjoint_and_complete(sizes, ranks, write_split, make_config):
    write_split("validation", number_records(sizes))
    config = make_config(eval_batch_size=2)
    seen = collections.Counter()
    for rank in range(ranks):
        for _, labels in read_all(make_input_fn(config, False, ranks, rank)):
            seen.update(labels.tolist())
    assert seen == {label: 1 for label in range(sum(sizes))}


@pytest.mark.parametrize("sizes, ranks", SHARES.values(), ids=SHARES)
def test_training_ranks_go_on_for_ever_in_their_own_share(
    sizes, ranks, write_split, make_config, take
):
    directory = write_split("train", number_records(sizes))
    config = make_config(train_batch_size=4)
    paths = records.find_files(str(directory), "train")
    seen = []
    for rank in range(ranks):
        share = plan_share(paths, ranks, rank)
        # Three times the share and what the shuffle may hold back.
        batches = take(make_input_fn(config, True, ranks, rank), share.num_records)
        assert {len(batch) for batch in batches} == {4}
        seen.append(set(np.concatenate(batches).tolist()))
    assert set.union(*seen) == set(range(sum(sizes)))
    assert sum(len(labels) for labels in seen) == sum(sizes)


PLANS = {
    # files, ranks, files that rank 1 opens, ways in which their records are dealt out
    "files divide": (8, 4, 2, 1),
    "files do not divide": (9, 4, 9, 4),
    "many files need not divide": (65, 4, 16, 1),
    "fewer files than ranks": (2, 4, 2, 4),
}


@pytest.mark.parametrize("files, ranks, opened, num_shards", PLANS.values(), ids=PLANS)
def test_files_are_dealt_out_where_that_is_even(files, ranks, opened, num_shards, write_split):
    directory = write_split("train", number_records([2] * files))
    share = plan_share(records.find_files(str(directory), "train"), ranks, 1)
    assert (len(share.paths), share.num_shards) == (opened, num_shards)


BATCHES = {"larger than the set": (100, [7]), "odd": (3, [3, 3, 1]), "one": (1, [1] * 7)}


@pytest.mark.parametrize("batch_size, want", BATCHES.values(), ids=BATCHES)
def test_evaluation_keeps_the_last_batch_and_the_order(batch_size, want, write_split, make_config):
    write_split("validation", [[1, 2, 3, 4, 5, 6, 7]])
    batches = read_all(make_input_fn(make_config(eval_batch_size=batch_size), False, 1, 0))
    assert [len(labels) for _, labels in batches] == want
    assert np.concatenate([labels for _, labels in batches]).tolist() == list(range(7))


def test_batches_have_their_shapes_and_types(write_split, make_config):
    write_split("train", [[1, 2, 3]])
    dataset = make_input_fn(make_config(train_batch_size=4), True, 1, 0)()
    assert tf.data.get_output_types(dataset) == (tf.float32, tf.int32)
    images, labels = tf.data.get_output_shapes(dataset)
    assert (images.as_list(), labels.as_list()) == ([4, 8, 8, 3], [4])


def test_a_seed_gives_the_same_order_again(write_split, make_config, take):
    write_split("train", number_records([20, 20]))
    orders = [
        np.concatenate(
            take(make_input_fn(make_config(train_batch_size=4, random_seed=seed), True, 1, 0), 10)
        ).tolist()
        for seed in (1, 1, 2)
    ]
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]
    assert orders[0] != sorted(orders[0])


def take_batches(input_fn, count):
    with tf.Graph().as_default(), tf.Session() as session:
        batch = tf.data.make_one_shot_iterator(input_fn()).get_next()
        return [session.run(batch) for _ in range(count)]


def test_a_seed_gives_the_same_batches_again(
    write_split, make_config, build_example, encode_image
):
    random = np.random.RandomState(0)
    images = [encode_image(random.randint(0, 256, (20, 30, 3))) for _ in range(40)]
    write_split("train", [[build_example(n + 1, each) for n, each in enumerate(images)]])
    flags = {"train_batch_size": 8, "crop_and_flip": True, "autoaugment_name": "v0"}
    runs = [
        take_batches(
            make_input_fn(make_config(random_seed=seed, mixup_alpha=0.2, **flags), True, 2, rank),
            6,
        )
        for seed, rank in ((1, 0), (1, 0), (2, 0), (1, 1))
    ]
    # More images than threads are under way, whose order is chance.
    for (images, labels), (again, labels_again) in zip(runs[0], runs[1]):
        np.testing.assert_array_equal(images, again)
        np.testing.assert_array_equal(labels["class"], labels_again["class"])
        np.testing.assert_array_equal(labels["weight"], labels_again["weight"])
    for other in runs[2:]:
        assert not np.array_equal(runs[0][0][1]["weight"], other[0][1]["weight"])


def test_gradients_accumulate_over_parts_of_a_batch(write_split, make_config, take):
    write_split("train", [[1, 2, 3]])
    config = make_config(train_batch_size=12, gradient_accumulation_steps=3)
    assert {len(labels) for labels in take(make_input_fn(config, True, 1, 0), 5)} == {4}


def test_a_background_class_takes_labels_as_they_are(write_split, make_config):
    write_split("validation", [[0, 1000]])
    config = make_config(num_label_classes=1001)
    ((_, labels),) = read_all(make_input_fn(config, False, 1, 0))
    assert labels.tolist() == [0, 1000]


AT_ONCE = {
    # files of labels or serialized records, message
    "a label above": (
        [[11, 1]],
        "train-00000-of-00001: record 0 at byte 0: label 11 is out of range",
    ),
    "a label below": (
        [[0, 10]],
        r"label 0 is out of range; --num_label_classes is 10, so .* 1\.\.10",
    ),
    "in the second file": ([[1], [99]], "train-00001-of-00002: record 0 at byte 0: label 99"),
    "no Example": ([[b"\xff\xfe\xfd"]], r"record 0 at byte 0: no tf\.train\.Example"),
    "an empty file": ([[1], []], "train-00001-of-00002: the file is empty"),
}


@pytest.mark.parametrize("files, message", AT_ONCE.values(), ids=AT_ONCE)
def test_bad_data_are_found_before_training(files, message, write_split, make_config):
    write_split("train", files)
    with pytest.raises(DataError, match=message):
        make_input_fn(make_config(num_label_classes=10), True, 1, 0)


def test_missing_keys_are_found_before_training(write_split, make_config, build_example):
    write_split("train", [[build_example(None)], [build_example(1)]])
    with pytest.raises(DataError, match=r"record 0 at byte 0: image/class/label is missing"):
        make_input_fn(make_config(), True, 1, 0)
    write_split("train", [[build_example(1)], [build_example(1, image=None)]])
    with pytest.raises(DataError, match=r"00001-of-00002: record 0 .* image/encoded is missing"):
        make_input_fn(make_config(), True, 1, 0)


def test_a_share_without_a_good_image_is_refused(write_split, make_config, build_example):
    write_split("train", [[build_example(1, image=b"none")] * 3])
    with pytest.raises(DataError, match=r"record 0 at byte 0: no readable JPEG or PNG"):
        make_input_fn(make_config(), True, 1, 0)
    with pytest.raises(DataError, match=r"none of the 3 records of this rank is good"):
        make_input_fn(make_config(max_bad_records=5), True, 1, 0)


def test_more_ranks_than_records_are_refused(write_split, make_config):
    write_split("train", [[1, 2], [3]])
    with pytest.raises(DataError, match="has 3 records in 2 files, fewer than the 4 ranks"):
        make_input_fn(make_config(), True, 4, 0)


def explain_failure(config, is_training=False):
    """Read a data set to the record that fails and return what the trainer says of it."""
    input_fn = make_input_fn(config, is_training, 1, 0)
    with pytest.raises(tf.errors.OpError) as caught:
        read_all(input_fn)
    return explain_input_error(caught.value, config)


LATER = {
    "a label above": (
        [[1, 2], [3, 4, 11]],
        r"^validation-00001-of-00002: record 2 at byte \d+: label 11 is out of range; "
        r"--num_label_classes is 10, so labels are 1\.\.10; fix the record, raise",
    ),
    "a label below": ([[1, 2, 0]], r"record 2 at byte \d+: label 0 is out of range"),
    "a negative label": ([[1, -7]], r"record 1 at byte \d+: label -7 is out of range"),
    "no Example, in bytes that are no UTF-8": (
        [[1, b"\xff\xfe\xfd", 2]],
        r"record 1 at byte \d+: no tf\.train\.Example",
    ),
    "an empty record": ([[1, b"", 2]], r"record 1 at byte \d+: image/class/label is missing"),
    "the last of all": ([[1, 2], [3, b"\xff"]], r"00001-of-00002: record 1 at byte \d+: no tf"),
}


@pytest.mark.parametrize("files, message", LATER.values(), ids=LATER)
def test_a_later_record_is_named_as_it_streams(files, message, write_split, make_config):
    write_split("validation", files)
    config = make_config(num_label_classes=10, label_offset=1, eval_batch_size=1)
    error = explain_failure(config)
    assert isinstance(error, DataError)
    assert re.search(message, str(error)), error


def test_records_that_ranks_share_keep_their_number(write_split, make_config, take):
    write_split("train", [[1, 2, 3], [4, 5, 6, 99]])
    config = make_config(num_label_classes=10, train_batch_size=1, label_offset=1)
    input_fn = make_input_fn(config, True, 3, 0)
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        take(input_fn, 20)
    error = explain_input_error(caught.value, config)
    assert "train-00001-of-00002: record 3 at byte" in str(error)
    assert "label 99" in str(error)


def test_an_image_that_is_none_is_named(write_split, make_config, build_example):
    write_split("validation", [[build_example(1), build_example(2, image=bytes(range(200, 256)))]])
    found = str(explain_failure(make_config()))
    assert re.search(r"^validation-\S+: record 1 at byte \d+: no readable JPEG or PNG", found)


def test_damaged_data_are_named(write_split, make_config, damage):
    damage(write_split("validation", [[1, 2, 3]]) / "validation-00000-of-00001")
    found = str(explain_failure(make_config()))
    assert re.search(r"^validation-00000-of-00001: record 2 at byte \d+: its data do not m", found)


def test_a_file_that_goes_away_is_named(write_split, make_config, tmp_path):
    write_split("validation", [[1, 2], [3]])
    config = make_config(label_offset=1)
    input_fn = make_input_fn(config, False, 1, 0)
    (tmp_path / "validation-00001-of-00002").unlink()
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        read_all(input_fn)
    found = explain_input_error(caught.value, config)
    assert str(found).startswith("validation-00001-of-00002: cannot be read (No such file")


def test_a_file_that_was_away_is_no_bad_data(write_split, make_config, tmp_path):
    write_split("validation", [[1, 2], [3]])
    config = make_config(label_offset=1)
    input_fn = make_input_fn(config, False, 1, 0)
    path = tmp_path / "validation-00001-of-00002"
    path.rename(tmp_path / "elsewhere")
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        read_all(input_fn)
    (tmp_path / "elsewhere").rename(path)
    found = explain_input_error(caught.value, config)
    assert isinstance(found, TransientError)
    assert "could not be read, and now it can" in str(found)


def count_skips(config, passes=1):
    """Read a split to its end, perhaps again, and return its labels and what was left out."""
    told = []
    input_fn = make_input_fn(config, False, 1, 0, told.append)
    for _ in range(passes):
        batches = read_all(input_fn)
    return [int(label) for _, labels in batches for label in labels], told


def test_bad_records_are_left_out_up_to_the_limit(write_split, make_config, build_example):
    bad = build_example(4, image=b"none")
    write_split("validation", [[1, 2, bad, 3], [4, b"\xff\xff", 99, 5]])
    config = make_config(num_label_classes=10, max_bad_records=3, label_offset=1)
    labels, told = count_skips(config, passes=2)
    assert sorted(labels) == [0, 1, 2, 3, 4]
    assert told == [1, 2, 3], "each counts once, in however many passes"
    config = make_config(num_label_classes=10, max_bad_records=2, label_offset=1)
    found = str(explain_failure(config))
    assert re.search(r"^validation-0000\d-of-00002: record [12] at byte \d+: ", found)
    assert "3 bad records so far, --max_bad_records is 2" in found


def test_what_a_broken_checksum_hides_is_counted(write_split, make_config, damage):
    # TensorFlow's reader gives a file up at the first one.
    path = write_split("validation", [[1, 2, 3, 4, 5, 6, 7]]) / "validation-00000-of-00001"
    damage(path, path.stat().st_size // 7 * 2 - 10)
    labels, told = count_skips(make_config(max_bad_records=6, label_offset=1))
    assert labels == [0]
    assert told[-1] == 6


def test_training_goes_on_over_bad_records(write_split, make_config, build_example, take):
    bad = build_example(4, image=b"none")
    write_split("train", [[1, 2, bad, 3], [4, b"\xff\xff", 99, 5]])
    told = []
    config = make_config(
        num_label_classes=10, max_bad_records=3, label_offset=1, train_batch_size=4
    )
    labels = np.concatenate(take(make_input_fn(config, True, 1, 0, told.append), 10))
    assert set(labels.tolist()) == {0, 1, 2, 3, 4}
    assert told == [1, 2, 3]


def test_other_errors_are_not_blamed_on_the_data(write_split, make_config):
    write_split("train", [[1]])
    for error in (
        tf.errors.InvalidArgumentError(None, None, "Incompatible shapes: [1] vs. [2]"),
        tf.errors.UnavailableError(None, None, "Socket closed"),
        RuntimeError("assertion failed"),
    ):
        assert explain_input_error(error, make_config()) is None
