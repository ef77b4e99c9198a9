import os
import struct

import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer import records
from efficientnet_trainer.errors import DataError
from efficientnet_trainer.record_reader import RecordReader


@pytest.fixture
def three_records(tmp_path):
    """A sound file of three records of 5, 0 and 300 bytes."""
    path = tmp_path / "train-00000-of-00001"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for data in (b"abcde", b"", b"x" * 300):
            writer.write(data)
    return path


def test_the_checksum_is_castagnolis():
    # The check value of CRC-32C is 0xE3069283; TFRecord rotates it and adds a constant.
    crc = 0xE3069283
    want = (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
    assert records.masked_crc32c(b"123456789") == want


def test_frames_of_a_sound_file(three_records):
    frames = list(records.walk_frames(str(three_records)))
    assert frames == [(0, 0, 5), (1, 21, 0), (2, 37, 300)]
    assert records.count_records(str(three_records)) == 3
    with RecordReader(str(three_records)) as reader:
        assert reader.read(frames[0]) == b"abcde"
        assert reader.read(frames[1]) == b""
        assert reader.read(frames[0]) == b"abcde"
        assert reader.read(frames[2]) == b"x" * 300


def cut(size):
    return lambda data: data[:size]


def flip(position):
    return lambda data: data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


BROKEN = {
    "empty": (cut(0), "train-00000-of-00001: the file is empty"),
    "cut in the first header": (cut(5), "record 0 at byte 0 is cut off in its header"),
    "cut in a later header": (
        cut(40),
        "record 2 at byte 37 is cut off in its header, .* 40 bytes",
    ),
    "cut in the data": (cut(100), "record 2 at byte 37 is cut off: it ends at byte 353, .* 100"),
    "the last byte is missing": (cut(352), "record 2 at byte 37 is cut off: .* the file has 352"),
    "a damaged length": (flip(21), "record 1 at byte 21 is corrupt: its length does not match"),
    "no TFRecord at all": (lambda data: b"hello, world, how are you?", "record 0 .* no TFRecord"),
    "zeros": (lambda data: bytes(64), "record 0 at byte 0 is corrupt"),
}


@pytest.mark.parametrize("damage, message", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_named_with_its_record(damage, message, three_records):
    three_records.write_bytes(damage(three_records.read_bytes()))
    with pytest.raises(DataError, match=message) as caught:
        records.count_records(str(three_records))
    assert str(caught.value).startswith("train-00000-of-00001: ")
    assert caught.value.exit_code == 3


def test_headers_alone_are_read(three_records):
    three_records.write_bytes(flip(60)(three_records.read_bytes()))
    assert records.count_records(str(three_records)) == 3


def test_a_file_that_vanished_is_named(tmp_path):
    with pytest.raises(DataError, match=r"^train-7: cannot be read \(No such file"):
        records.count_records(str(tmp_path / "train-7"))


def test_damaged_data_cost_only_their_record(three_records):
    three_records.write_bytes(flip(13)(three_records.read_bytes()))
    frames = list(records.walk_frames(str(three_records)))
    with RecordReader(str(three_records)) as reader:
        with pytest.raises(DataError, match="00001: record 0 at byte 0: its data do not match"):
            reader.read(frames[0])
        assert reader.read(frames[1]) == b""
        assert reader.read(frames[2]) == b"x" * 300


def test_a_record_whose_file_vanished_is_named(three_records):
    frame = next(records.walk_frames(str(three_records)))
    three_records.unlink()
    with pytest.raises(DataError, match="record 0 at byte 0: cannot be read"):
        RecordReader(str(three_records)).read(frame)


def test_a_huge_length_with_a_right_checksum_is_cut_off(tmp_path):
    path = tmp_path / "train-00000-of-00001"
    length = struct.pack("<Q", 1 << 62)
    path.write_bytes(length + struct.pack("<I", records.masked_crc32c(length)))
    with pytest.raises(DataError, match="record 0 at byte 0 is cut off"):
        records.count_records(str(path))


def touch(folder, *names):
    for name in names:
        (folder / name).write_bytes(b"")


def test_files_are_sorted_and_of_their_split(tmp_path):
    touch(tmp_path, "train-00001-of-00002", "train-00000-of-00002", "validation-00000-of-00001")
    touch(tmp_path, "labels.txt", ".train-00000-of-00002.partial")
    found = records.find_files(str(tmp_path), "train")
    assert [os.path.basename(path) for path in found] == [
        "train-00000-of-00002",
        "train-00001-of-00002",
    ]


MISSING = {
    "nothing there": ([], r"has no file train-\*, it has nothing; TFRecord files are called"),
    "another split only": (["validation-00000-of-00001"], "it has validation-00000-of-00001"),
    "a shard is missing": (
        ["train-00000-of-00003", "train-00002-of-00003"],
        "has 2 of 3 train files, train-00001-of-00003 is missing",
    ),
    "two sets": (
        ["train-00000-of-00001", "train-00000-of-00002", "train-00001-of-00002"],
        "has train sets of 1 and of 2 files; keep one",
    ),
}


@pytest.mark.parametrize("names, message", MISSING.values(), ids=MISSING)
def test_an_incomplete_set_is_refused(names, message, tmp_path):
    touch(tmp_path, *names)
    with pytest.raises(DataError, match=message):
        records.find_files(str(tmp_path), "train")


def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(DataError, match=r"--data_dir .*/nowhere cannot be listed \(No such file"):
        records.find_files(str(tmp_path / "nowhere"), "train")
