"""Write scikit-learn's digits as a TFRecord data set: real images for a first run.

1,797 scans of 8x8 pixels in ten classes come with the package, so a cluster without a
network can train, evaluate and tell a right result (about 0.98) from a wrong one.
"""

import argparse
import io
import os
from typing import Any, Dict, List, Sequence, Tuple

from efficientnet_trainer.dataset_index import FileSummary
from efficientnet_trainer.errors import ConfigError
from efficientnet_trainer.prepare.writing import (
    JPEG_QUALITY,
    build_example,
    refuse_other_sets,
    shard_names,
    summarize,
    write_index,
    write_labels,
)

TRAIN_IMAGES = 1437
SPLIT_SEED = 0
NUM_CLASSES = 10
_BRIGHTEST = 16.0
"""The scans' brightest value."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--out DIR`` and the other options."""
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
    refuse_other_sets(
        args.out,
        shard_names("train", args.train_shards)
        + shard_names("validation", args.validation_shards),
    )
    encoded = [_encode(image, args.format) for image in images]
    split = TRAIN_IMAGES
    files = _write_split(args, "train", args.train_shards, encoded[:split], labels[:split])
    files.update(
        _write_split(args, "validation", args.validation_shards, encoded[split:], labels[split:])
    )
    write_labels(args.out, [str(digit) for digit in range(NUM_CLASSES)])
    write_index(args.out, files)
    counts = (split, len(labels) - split)
    print(f"{args.out}: {counts[0]} training and {counts[1]} validation images, labels 1..10")
    print(
        f"train with: --data_dir={args.out} --num_train_images={counts[0]} "
        f"--num_eval_images={counts[1]} --num_label_classes={NUM_CLASSES} "
        f"--input_image_size={args.size} --crop_and_flip=false"
    )
    return 0


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
) -> Dict[str, FileSummary]:
    """Deal the images out to the files of a split; a file is there whole or not at all."""
    import tensorflow.compat.v1 as tf

    summaries = {}
    for shard, name in enumerate(shard_names(split, num_shards)):
        # The dot keeps a file that was left half-written out of the data set.
        partial = os.path.join(args.out, f".{name}.partial")
        path = os.path.join(args.out, name)
        with tf.io.TFRecordWriter(partial) as writer:
            for index in range(shard, len(labels), num_shards):
                label = labels[index]
                filename = f"{split}-{index:05d}.{args.format}"
                writer.write(
                    build_example(
                        encoded[index],
                        args.format.upper(),
                        args.size,
                        args.size,
                        label,
                        str(label - 1),
                        filename,
                    )
                )
        os.replace(partial, path)
        summaries[name] = summarize(path, labels[shard::num_shards])
    return summaries
