"""Hundreds of ways in which data are damaged: none ends a run unnamed, none is lost unseen.

Damaged records of all kinds lie between good ones in one set, which is read once: every
record has to come out or be named.  Damaged files are tried one by one, for they end a run.
"""

import collections
import random
import subprocess
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from efficientnet_trainer import records
from efficientnet_trainer.decoding import ImageDecoder
from efficientnet_trainer.errors import DataError
from efficientnet_trainer.examples import LabelRange, check_record
from efficientnet_trainer.guard import BadRecords
from efficientnet_trainer.input import Source, make_input_fn
from efficientnet_trainer.shares import plan_share

CLASSES = 10
LABELS = LabelRange(CLASSES, 1)


def example(encoded, label, image_key="image/encoded", label_key="image/class/label"):
    """Serialize an Example of one or more images and labels."""
    feature = {}
    if encoded is not None:
        values = encoded if isinstance(encoded, list) else [encoded]
        feature[image_key] = tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if label is not None:
        values = label if isinstance(label, list) else [label]
        feature[label_key] = tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def wrong_types():
    floats = tf.train.Feature(float_list=tf.train.FloatList(value=[1.0]))
    text = tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"1"]))
    for image, label in ((text, floats), (text, text), (floats, floats)):
        feature = {"image/encoded": image, "image/class/label": label}
        yield tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def flip_bit(data, chance):
    position = chance.randrange(len(data))
    flipped = data[position] ^ (1 << chance.randrange(8))
    return data[:position] + bytes([flipped]) + data[position + 1 :]


def generate_damage(jpeg, png, gif, bmp):
    """Yield (kind, serialized record, whether it cannot be of use whatever the reader)."""
    chance = random.Random(7)
    for share in np.linspace(0.02, 0.9, 25):
        yield "truncated JPEG", example(jpeg[: int(len(jpeg) * share)], 1), True
        yield "truncated PNG", example(png[: int(len(png) * share)], 1), True
    for image in (
        b"",
        b"\0" * 64,
        b"hello",
        bytes(range(200, 256)),
        b"RIFF\0\0\0\0WEBP",
        b"PK\3\4",
    ):
        yield "no image", example(image, 1), True
    for image in (gif, bmp, jpeg[:3], png[:8], jpeg[2:], jpeg + jpeg[:99], png[:-4]):
        yield "odd image", example(image, 1), False
    for label in (0, CLASSES + 1, -1, 2**40, -(2**40), -(2**63), None, [], [1, 2]):
        yield "wrong label", example(png, label), True
    yield "no image key", example(None, 1), True
    yield "image under another key", example(png, 1, image_key="image"), True
    yield "label under another key", example(png, 1, label_key="label"), True
    yield "two images", example([png, png], 1), True
    yield "nothing in it", example(None, None), True
    yield "empty record", b"", True
    for serialized in wrong_types():
        yield "wrong type", serialized, True
    for length in range(1, 21):
        garbage = bytes(chance.randrange(256) for _ in range(length * 7))
        yield "no Example", garbage, True
    good = example(jpeg, 1)
    for share in np.linspace(0.01, 0.95, 25):
        yield "truncated Example", good[: int(len(good) * share)], True
    for _ in range(50):
        yield "flipped bit in a JPEG's Example", flip_bit(good, chance), False
        yield "flipped bit in a PNG's Example", flip_bit(example(png, 1), chance), False


@pytest.fixture
def damaged(encode_image):
    pixels = np.random.RandomState(0).randint(0, 255, (24, 24, 3))
    images = [encode_image(pixels, name) for name in ("jpeg", "png", "gif", "bmp")]
    return images[1], list(generate_damage(*images))


def test_every_record_comes_out_or_is_named(damaged, write_split, make_config):
    png, cases = damaged
    assert len(cases) >= 200
    good = example(png, CLASSES)
    # A good record before, between and after: losses at the ends are losses, too.
    rows = [good] + [each for _, bad, _ in cases for each in (bad, good)]
    write_split("validation", [rows[: len(rows) // 2], rows[len(rows) // 2 :]])
    # Not into rows of damage: their first record is looked at before.
    config = make_config(
        num_label_classes=CLASSES, max_bad_records=len(cases), eval_batch_size=16, label_offset=1
    )
    paths = records.find_files(config.data_dir, "validation")
    named = {}
    bad_records = BadRecords(len(cases), lambda path, number, _: named.setdefault((path, number)))
    share = plan_share(paths, 1, 0)
    with tf.Session() as session:
        source = Source(config, share, LABELS, bad_records)
        _, labels = tf.data.make_one_shot_iterator(source.evaluate()).get_next()
        seen = collections.Counter()
        while True:
            try:
                seen.update(session.run(labels).tolist())
            except tf.errors.OutOfRangeError:
                break
    assert sum(seen.values()) + bad_records.count == len(rows), "nothing is lost unseen"
    assert bad_records.count == len(named), "each has its name"
    frames = [(path, frame) for path in paths for frame in records.walk_frames(path)]
    decode = ImageDecoder().measure
    for (path, frame), row in zip(frames, rows):
        if (path, frame.number) in named:
            with pytest.raises(
                DataError, match=rf"^validation-\S+: record {frame.number} at byte"
            ):
                check_record(path, frame, LABELS, decode)
            assert row != good
    must_fail = {bad for _, bad, is_hopeless in cases if is_hopeless}
    delivered = [
        row
        for (path, frame), row in zip(frames, rows)
        if (path, frame.number) not in named and row in must_fail
    ]
    assert [kind for kind, bad, _ in cases if bad in delivered] == []


def spoil_file(data, chance):
    """Yield (kind, bytes) of files whose frames are damaged."""
    yield "no byte", b""
    yield "zeros", bytes(len(data))
    yield "text", b"hello, world, how are you?" * 9
    yield "gzip", b"\x1f\x8b\x08" + data
    for size in sorted(chance.sample(range(1, len(data)), 30)):
        yield "cut off", data[:size]
    for position in range(12):
        yield (
            "flipped in a header",
            data[:position] + bytes([data[position] ^ 4]) + data[position + 1 :],
        )


def test_every_damaged_file_is_named(write_split, make_config):
    path = write_split("train", [[1, 2, 3, 10]]) / "train-00000-of-00001"
    whole = path.read_bytes()
    ends = {frame.offset for frame in records.walk_frames(str(path))}
    cases = [
        each for each in spoil_file(whole, random.Random(3)) if len(each[1]) not in ends - {0}
    ]
    assert len(cases) >= 40
    for kind, data in cases:
        path.write_bytes(data)
        with pytest.raises(
            DataError, match=r"^train-00000-of-00001: (record \d|the file is e)"
        ) as at:
            make_input_fn(make_config(num_label_classes=CLASSES), True, 1, 0)
        assert at.value.exit_code == 3, kind


def test_a_run_ends_by_name_at_bytes_that_are_no_text(write_split, make_config, tmp_path):
    # TensorFlow quotes them in its error, and Python's session crashes over that.
    write_split("train", [[1, 2, b"\xff\xfe\xfd", 10]])
    words = ["train", "--mode=train", f"--data_dir={tmp_path}", f"--model_dir={tmp_path / 'out'}"]
    words += ["--num_label_classes=10", "--train_batch_size=2", "--train_steps=9", "--log_steps=1"]
    words += ["--input_image_size=32", "--width_coefficient=0.1", "--depth_coefficient=0.1"]
    done = subprocess.run(
        [sys.executable, "-m", "efficientnet_trainer.cli", *words], capture_output=True, text=False
    )
    last = done.stderr.decode(errors="replace").strip().splitlines()[-1]
    assert done.returncode == 3, last
    assert "train-00000-of-00001: record 2 at byte" in last
    assert "no tf.train.Example" in last
