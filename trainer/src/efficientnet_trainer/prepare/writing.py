"""What all prepared data sets have in common: file names, records, names of classes, index."""

import os
from typing import Any, Dict, Iterable, List, Sequence

from efficientnet_trainer.dataset_index import DatasetIndex, FileSummary
from efficientnet_trainer.errors import ConfigError
from efficientnet_trainer.records import TRAIN, VALIDATION

LABELS_NAME = "labels.txt"
JPEG_QUALITY = 95


def shard_name(split: str, shard: int, num_shards: int) -> str:
    """Return the name that TF-Slim gives a shard."""
    return f"{split}-{shard:05d}-of-{num_shards:05d}"


def shard_names(split: str, num_shards: int) -> List[str]:
    """Return the names of all shards of a split."""
    return [shard_name(split, shard, num_shards) for shard in range(num_shards)]


def refuse_other_sets(out: str, ours: Iterable[str]) -> None:
    """Refuse to add a second set of files, which the input could not tell from the first.

    Raises:
        ConfigError: the directory has a file of a split that is not one of ``ours``.
    """
    own = set(ours)
    for name in sorted(os.listdir(out)):
        if name.startswith((TRAIN + "-", VALIDATION + "-")) and name not in own:
            raise ConfigError(
                f"--out {out} already has {name} of another set; "
                f"remove it or choose another directory"
            )


def write_labels(out: str, class_names: Sequence[str]) -> None:
    """Write ``label:name`` lines as TF-Slim does, labels from 1."""
    with open(os.path.join(out, LABELS_NAME), "w", encoding="utf-8") as stream:
        for label, name in enumerate(class_names, 1):
            stream.write(f"{label}:{name}\n")


def summarize(path: str, labels: Sequence[int]) -> FileSummary:
    """Describe a finished file by what was written into it."""
    found = os.stat(path)
    return FileSummary(
        size_bytes=found.st_size,
        changed_at=int(found.st_mtime),
        records=len(labels),
        label_low=min(labels, default=None),
        label_high=max(labels, default=None),
    )


def write_index(out: str, files: Dict[str, FileSummary]) -> None:
    """Write the index of a finished set."""
    DatasetIndex(files=files).write(out)


def build_example(
    encoded: bytes,
    image_format: str,
    height: int,
    width: int,
    label: int,
    text: str,
    filename: str,
) -> bytes:
    """Return a serialized tf.train.Example with TF-Slim's keys.

    A feature map has no order of its own; here the same data give the same bytes.
    """
    import tensorflow.compat.v1 as tf

    def integer(value: int) -> Any:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))

    def words(value: bytes) -> Any:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    features = {
        "image/encoded": words(encoded),
        "image/format": words(image_format.encode()),
        "image/filename": words(filename.encode(errors="surrogateescape")),
        "image/height": integer(height),
        "image/width": integer(width),
        "image/channels": integer(3),
        "image/colorspace": words(b"RGB"),
        "image/class/label": integer(label),
        "image/class/text": words(text.encode(errors="surrogateescape")),
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return bytes(example.SerializeToString(deterministic=True))
