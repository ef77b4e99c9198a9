import json
import logging
import os

import numpy as np
import pytest
from efficientnet_trainer import records
from efficientnet_trainer.cli import main
from efficientnet_trainer.dataset_index import INDEX_NAME, DatasetIndex
from efficientnet_trainer.errors import DataError
from efficientnet_trainer.input import make_input_fn
from efficientnet_trainer.inspect import judge_labels
from efficientnet_trainer.labels import Evidence, choose_labels, infer_offset
from efficientnet_trainer.shares import plan_share


@pytest.fixture
def inspect(capsys, tmp_path):
    """Run ``inspect`` in this process; return its exit code and its JSON."""

    def run(*words):
        code = main(["inspect", str(tmp_path), "--json", "--processes", "1", *words])
        return code, json.loads(capsys.readouterr().out or "null")

    return run


def test_a_sound_set_is_described(inspect, write_split, build_example, encode_image, tmp_path):
    wide = encode_image(np.zeros((10, 30, 3)))
    write_split("train", [[1, 2, build_example(3, wide)], [2]])
    write_split("validation", [[3, 1]])
    code, report = inspect()
    assert code == 0
    assert report["labels_begin_at"] == 1
    assert "1-based; train with --label_offset=1 --num_label_classes=3" in report["labels"]
    train = report["splits"]["train"]
    assert (train["shards"], train["images"], train["classes"], train["labels"]) == (
        2,
        4,
        3,
        [1, 3],
    )
    assert (train["height"], train["width"]) == ([8, 8, 10], [8, 8, 30])
    assert report["splits"]["validation"]["images"] == 2
    assert (report["broken"], report["faults"]) == ([], [])
    assert (tmp_path / INDEX_NAME).exists()


def test_everything_broken_is_named(inspect, write_split, build_example, tmp_path, capsys):
    bad = build_example(2, image=b"none")
    path = write_split("train", [[1, bad, 3, b"\xff\xfe", build_example(None), 4]]) / (
        "train-00000-of-00001"
    )
    frames = list(records.walk_frames(str(path)))
    data = bytearray(path.read_bytes())
    data[frames[2].offset + 20] ^= 1
    path.write_bytes(bytes(data))
    write_split("validation", [[1]])
    cut = tmp_path / "validation-00000-of-00001"
    cut.write_bytes(cut.read_bytes()[:-1])
    code, report = inspect()
    assert code == 3
    assert [(each["record"], each["offset"]) for each in report["broken"]] == [
        (number, frames[number].offset) for number in (1, 2, 3, 4)
    ]
    reasons = [each["reason"] for each in report["broken"]]
    for reason, want in zip(
        reasons, ("no readable JPEG", "checksum", "no tf.train", "is missing")
    ):
        assert want in reason
    assert report["faults"][0].startswith(
        "validation-00000-of-00001: record 0 at byte 0 is cut off"
    )
    assert report["splits"]["train"]["images"] == 2
    main(["inspect", str(tmp_path), "--processes", "1"])
    shown = capsys.readouterr().out
    assert f"broken: train-00000-of-00001: record 1 at byte {frames[1].offset}: no read" in shown
    assert "fault: validation-00000-of-00001: record 0" in shown


def test_records_alone_are_quicker_and_trust_the_images(inspect, write_split, build_example):
    write_split("train", [[1, build_example(2, image=b"none")]])
    code, report = inspect("--check", "records")
    assert code == 0
    assert report["splits"]["train"]["height"] is None


JUDGED = {
    "from 1": ({1: 5, 2: 5, 3: 1}, 1, "1-based; train with --label_offset=1"),
    "from 0": (
        {0: 5, 2: 1},
        0,
        "0-based, 1 of them without an image; train with --label_offset=0",
    ),
    "neither": ({2: 5, 9: 5}, None, "cannot be told whether the first class is 0 or 1"),
    "negative": ({-1: 5, 9: 5}, None, "negative"),
    "nothing": ({}, None, "no label could be read"),
}


@pytest.mark.parametrize("counts, first, says", JUDGED.values(), ids=JUDGED)
def test_where_labels_begin_is_told_or_left_open(counts, first, says):
    found = judge_labels(counts)
    assert found[0] == first
    assert says in found[1]


INFERRED = {
    "a zero": (Evidence(0, 5, False), 0),
    "as many as there are classes": (Evidence(3, 10, False), 1),
    "both: one of them is wrong": (Evidence(0, 10, False), 1),
    "all labels from 1": (Evidence(1, 8, True), 1),
    "some labels from 1": (Evidence(1, 8, False), None),
    "nothing seen": (None, None),
}


@pytest.mark.parametrize("evidence, want", INFERRED.values(), ids=INFERRED)
def test_the_trainer_infers_where_labels_begin(evidence, want):
    assert infer_offset(evidence, 10) == want


OFFSETS = {
    "zeros in another file": ([[3], [0]], {}, 0, False),
    "the highest of labels from 1": ([[3, 10]], {}, 1, False),
    "open": ([[3, 4]], {}, 1, True),
    "by flag": ([[0, 4]], {"label_offset": 1}, 1, False),
    "a background class": ([[3, 4]], {"num_label_classes": 1001}, 0, False),
}


@pytest.mark.parametrize("files, flags, want, warns", OFFSETS.values(), ids=OFFSETS)
def test_labels_are_never_guessed_in_silence(
    files, flags, want, warns, write_split, make_config, caplog
):
    write_split("train", files)
    config = make_config(**{"num_label_classes": 10, **flags})
    with caplog.at_level(logging.WARNING, logger="tensorflow"):
        assert choose_labels(config).offset == want
    assert ("from 0 and from 1 both allow" in caplog.text) == warns


def test_an_index_settles_what_a_sample_leaves_open(inspect, write_split, make_config, caplog):
    write_split("train", [[1, 2]])
    write_split("validation", [[2]])
    inspect()
    with caplog.at_level(logging.WARNING, logger="tensorflow"):
        assert choose_labels(make_config(num_label_classes=10)).offset == 1
    assert caplog.text == ""


def test_an_index_spares_the_walk_until_a_file_changes(inspect, write_split, tmp_path):
    path = write_split("train", [[1, 2, 3]]) / "train-00000-of-00001"
    inspect()
    before = path.stat()
    # Frames that a walk would refuse, in a file of the same size and time.
    path.write_bytes(bytes(before.st_size))
    os.utime(str(path), ns=(before.st_atime_ns, before.st_mtime_ns))
    assert plan_share([str(path)], 1, 0).counts == (3,)
    os.utime(str(path), (1, 1))
    with pytest.raises(DataError, match="record 0 at byte 0 is corrupt"):
        plan_share([str(path)], 1, 0)


def test_known_broken_records_end_a_run_before_it_begins(
    inspect, write_split, make_config, build_example
):
    write_split("train", [[1, build_example(2, image=b"none"), 3]])
    write_split("validation", [[1]])
    inspect()
    with pytest.raises(
        DataError, match=r"train-00000-of-00001: record 1 at byte \d+: no readable"
    ):
        make_input_fn(make_config(), True, 1, 0)
    make_input_fn(make_config(max_bad_records=1), True, 1, 0)


UNREADABLE = {
    "no JSON": b"{",
    "another version": b'{"version": 2}',
    "other words": b'{"files": 3}',
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
def test_an_index_that_says_nothing_is_walked_past(content, write_split, tmp_path):
    path = write_split("train", [[1, 2]]) / "train-00000-of-00001"
    (tmp_path / INDEX_NAME).write_bytes(content)
    assert DatasetIndex.load(str(tmp_path)).files == {}
    assert plan_share([str(path)], 1, 0).counts == (2,)


def test_a_folder_without_records_is_refused(inspect, tmp_path, capsys):
    assert main(["inspect", str(tmp_path)]) == 3
    assert "has no file train-* or validation-*" in capsys.readouterr().err
