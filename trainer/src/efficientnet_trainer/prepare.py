"""Write scikit-learn's digits as a TFRecord data set: real images for a first run.

1,797 scans of 8x8 pixels in ten classes come with the package, so a cluster without a
network can train, evaluate and tell a right result (about 0.98) from a wrong one.
"""

import argparse
import io
import os
from typing import Any, List, Sequence, Tuple

from efficientnet_trainer.errors import ConfigError

TRAIN_IMAGES = 1437
SPLIT_SEED = 0
NUM_CLASSES = 10
JPEG_QUALITY = 95
_BRIGHTEST = 16.0
"""The scans' brightest value."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``digits --out DIR`` and its options."""
    parser.add_argument("dataset", choices=["digits"], help="scikit-learn's handwritten digits")
    parser.add_argument("--out", required=True, metavar="DIR", help="where the files go")
    parser.add_argument("--size", type=int, default=32, help="side of the images, pixels")
    parser.add_argument("--format", choices=["jpeg", "png"], default="jpeg", help="encoding")
    parser.add_argument("--train_shards", type=int, default=4, help="training files")
    parser.add_argument("--validation_shards", type=int, default=2, help="validation files")


def run(args: argparse.Namespace) -> int:
    """Write the data set and print the flags that train on it.

    Raises:
        ConfigError: an option is out of range, or a library is missing.
    """
    for name, low, high in (
        ("size", 8, 512),
        ("train_shards", 1, TRAIN_IMAGES),
        ("validation_shards", 1, 360),
    ):
        if not low <= getattr(args, name) <= high:
            raise ConfigError(f"--{name} is {getattr(args, name)}; use {low} to {high}")
    images, labels = _load_digits(args.size)
    os.makedirs(args.out, exist_ok=True)
    _refuse_other_sets(args)
    encoded = [_encode(image, args.format) for image in images]
    split = TRAIN_IMAGES
    _write_split(args, "train", args.train_shards, encoded[:split], labels[:split])
    _write_split(args, "validation", args.validation_shards, encoded[split:], labels[split:])
    counts = (split, len(labels) - split)
    print(f"{args.out}: {counts[0]} training and {counts[1]} validation images, labels 1..10")
    print(
        f"train with: --data_dir={args.out} --num_train_images={counts[0]} "
        f"--num_eval_images={counts[1]} --num_label_classes={NUM_CLASSES} "
        f"--input_image_size={args.size} --crop_and_flip=false"
    )
    return 0


def _refuse_other_sets(args: argparse.Namespace) -> None:
    """Refuse to add a second set of files, which the input could not tell from the first."""
    ours = {_file_name("train", shard, args.train_shards) for shard in range(args.train_shards)}
    ours |= {
        _file_name("validation", shard, args.validation_shards)
        for shard in range(args.validation_shards)
    }
    for name in sorted(os.listdir(args.out)):
        if name.startswith(("train-", "validation-")) and name not in ours:
            raise ConfigError(
                f"--out {args.out} already has {name} of another set; "
                f"remove it or choose another directory"
            )


def _file_name(split: str, shard: int, num_shards: int) -> str:
    return f"{split}-{shard:05d}-of-{num_shards:05d}"


def _load_digits(size: int) -> Tuple[List[Any], List[int]]:
    """Return RGB images at a size and labels 1 .. 10, in an order fixed by a seed."""
    try:
        import numpy as np
        from PIL import Image
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ConfigError(
            f"prepare digits needs {error.name}; install scikit-learn and pillow"
        ) from None
    digits = load_digits()
    order = np.random.RandomState(SPLIT_SEED).permutation(len(digits.target))
    images = []
    for index in order:
        pixels = np.uint8(np.round(digits.images[index] * (255.0 / _BRIGHTEST)))
        images.append(Image.fromarray(pixels).resize((size, size), Image.BICUBIC).convert("RGB"))
    return images, [int(digits.target[index]) + 1 for index in order]


def _encode(image: Any, image_format: str) -> bytes:
    buffer = io.BytesIO()
    options = {"quality": JPEG_QUALITY} if image_format == "jpeg" else {}
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def _write_split(
    args: argparse.Namespace,
    split: str,
    num_shards: int,
    encoded: Sequence[bytes],
    labels: Sequence[int],
) -> None:
    """Deal the images out to the files of a split; a file is there whole or not at all."""
    import tensorflow.compat.v1 as tf

    for shard in range(num_shards):
        name = _file_name(split, shard, num_shards)
        # The dot keeps a file that was left half-written out of the data set.
        partial = os.path.join(args.out, f".{name}.partial")
        with tf.io.TFRecordWriter(partial) as writer:
            for index in range(shard, len(labels), num_shards):
                filename = f"{split}-{index:05d}.{args.format}"
                example = _build_example(encoded[index], labels[index], filename, args)
                # A feature map has no order of its own; the same data give the same bytes.
                writer.write(example.SerializeToString(deterministic=True))
        os.replace(partial, os.path.join(args.out, name))


def _build_example(encoded: bytes, label: int, filename: str, args: argparse.Namespace) -> Any:
    """Build a tf.train.Example with TF-Slim's keys."""
    import tensorflow.compat.v1 as tf

    def integer(value: int) -> Any:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))

    def text(value: bytes) -> Any:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    return tf.train.Example(
        features=tf.train.Features(
            feature={
                "image/encoded": text(encoded),
                "image/format": text(args.format.upper().encode()),
                "image/filename": text(filename.encode()),
                "image/height": integer(args.size),
                "image/width": integer(args.size),
                "image/channels": integer(3),
                "image/colorspace": text(b"RGB"),
                "image/class/label": integer(label),
                "image/class/text": text(str(label - 1).encode()),
            }
        )
    )
