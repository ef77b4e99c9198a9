"""The pipeline's caches: each pass has every record, and what is kept is still right."""

import os

import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer.input import explain_input_error, make_input_fn

CACHES = {
    "memory": {"cache": "memory"},
    "memory, resized": {"cache": "memory", "cache_images": "resized"},
    "disk": {"cache": "disk"},
    "disk, resized": {"cache": "disk", "cache_images": "resized"},
}


@pytest.mark.parametrize("flags", CACHES.values(), ids=CACHES)
def test_a_cache_gives_every_record_again(flags, write_split, make_config, tmp_path, take):
    write_split("train", [[1, 2, 3], [4, 5]])
    config = make_config(
        train_batch_size=5, label_offset=1, cache_dir=str(tmp_path / "cache"), **flags
    )
    batches = take(make_input_fn(config, True, 1, 0), 4)
    assert [sorted(labels.tolist()) for labels in batches] == [[0, 1, 2, 3, 4]] * 4


def test_a_disk_cache_is_read_instead_of_the_data(
    write_split, make_config, tmp_path, take, damage
):
    path = write_split("train", [[1, 2, 3, 4, 5]]) / "train-00000-of-00001"
    config = make_config(
        train_batch_size=5, label_offset=1, cache="disk", cache_dir=str(tmp_path / "cache")
    )
    input_fn = make_input_fn(config, True, 1, 0)
    take(input_fn, 2)
    damage(path)
    assert sorted(take(make_input_fn(config, True, 1, 0), 1)[0].tolist()) == [0, 1, 2, 3, 4]
    os.utime(str(path), (1, 1))
    with pytest.raises(tf.errors.InvalidArgumentError, match="bad-record"):
        take(make_input_fn(config, True, 1, 0), 1)


def test_a_half_written_cache_is_begun_anew(write_split, make_config, tmp_path, take):
    write_split("train", [list(range(1, 41))])
    config = make_config(
        train_batch_size=1, label_offset=1, cache="disk", cache_dir=str(tmp_path / "cache")
    )
    take(make_input_fn(config, True, 1, 0), 1)
    # What a run leaves that is killed before its first pass is over.
    whole = next((tmp_path / "cache").glob("*.index"))
    lock = whole.with_name(whole.name.replace(".index", "_0.lockfile"))
    whole.unlink()
    lock.touch()
    assert len(take(make_input_fn(config, True, 1, 0), 3)) == 3


def test_bad_images_of_a_resized_cache_are_named(write_split, make_config, build_example, take):
    write_split("train", [[1, 2, build_example(3, image=b"none")]])
    config = make_config(
        train_batch_size=1, label_offset=1, cache="memory", cache_images="resized"
    )
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        take(make_input_fn(config, True, 1, 0), 3)
    assert "record 2 at byte" in str(explain_input_error(caught.value, config)), caught.value
