"""``train --mode=predict``: the likeliest classes of image files, as lines to read or cut.

A file that is no image is named and the others are still answered.  Class names come from
the data set's folder, where ``prepare`` or TF-Slim's converters leave them.
"""

import os
import sys
from typing import Any, Dict, Iterator, List, Sequence, TextIO, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from efficientnet_trainer.config import TrainerConfig
from efficientnet_trainer.errors import ConfigError, DataError
from efficientnet_trainer.inference import BATCH_SIZE, Network

LABELS_FILE = "labels.txt"
"""A line ``label:name`` for each class; labels as the records have them."""
SUFFIXES = (".jpg", ".jpeg", ".png")


def predict_files(config: TrainerConfig, path: str, output: TextIO = sys.stdout) -> None:
    """Print ``file<TAB>label<TAB>probability[<TAB>name]``, --top_k lines for each image.

    Args:
        config: images, network and data set.
        path: the checkpoint.
        output: where the lines go.

    Raises:
        ConfigError: a file or folder that was named is not there.
        DataError: the checkpoint cannot be used, or files hold no image; the others were
            answered by then.
    """
    files = find_images(config.predict_files)
    names = read_class_names(config.data_dir)
    broken: List[str] = []
    with Network(config, path) as network:
        for batch, pixels in _decoded(network, files, broken):
            probabilities = network.answer(pixels).probabilities
            for name, row in zip(batch, probabilities):
                for label, share in likeliest(row, config.top_k, config.class_offset):
                    known = [names[label]] if label in names else []
                    output.write("\t".join([name, str(label), f"{share:.6f}", *known]) + "\n")
    output.flush()
    if broken:
        raise DataError(
            f"{len(broken)} of {len(files)} files hold no readable JPEG or PNG: "
            f"{', '.join(broken[:5])}; the others are answered above"
        )


def likeliest(probabilities: Any, top_k: int, class_offset: int) -> List[Tuple[int, float]]:
    """Return the likeliest classes as (label, probability), the likeliest first.

    Equal ones come in the order of their labels, so that an answer is the same each time.
    """
    order = np.argsort(-probabilities, kind="stable")[:top_k]
    return [(int(index) + class_offset, float(probabilities[index])) for index in order]


def find_images(places: Sequence[str]) -> List[str]:
    """List the files that are named, and the images of folders by name.

    Raises:
        ConfigError: one is not there, or a folder has no images.
    """
    found: List[str] = []
    for place in places:
        if os.path.isdir(place):
            names = sorted(n for n in os.listdir(place) if n.lower().endswith(SUFFIXES))
            if not names:
                raise ConfigError(f"--predict_files {place} has no file {', '.join(SUFFIXES)}")
            found += [os.path.join(place, name) for name in names]
        elif os.path.exists(place):
            found.append(place)
        else:
            raise ConfigError(f"--predict_files {place} is not there")
    return found


def read_class_names(data_dir: str) -> Dict[int, str]:
    """Return label to name, or nothing where the data set keeps no names.

    Raises:
        DataError: a line of the file has another form.
    """
    path = os.path.join(data_dir, LABELS_FILE)
    if not os.path.exists(path):
        return {}
    names: Dict[int, str] = {}
    with open(path, encoding="utf-8") as stream:
        for number, line in enumerate(stream, start=1):
            label, colon, name = line.rstrip("\n").partition(":")
            if not colon or not label.strip().isdigit():
                raise DataError(f"{path}: line {number} is {line.strip()!r}, not label:name")
            names[int(label)] = name.strip()
    return names


def _decoded(
    network: Network, files: Sequence[str], broken: List[str]
) -> Iterator[Tuple[List[str], Any]]:
    """Yield batches of file names and pixels; what cannot be decoded joins ``broken``."""
    batch: List[str] = []
    pixels: List[Any] = []
    for name in files:
        try:
            with open(name, "rb") as stream:
                pixels.append(network.decode([stream.read()])[0])
            batch.append(name)
        except (OSError, tf.errors.InvalidArgumentError):
            broken.append(name)
        if len(batch) == BATCH_SIZE:
            yield batch, np.stack(pixels)
            batch, pixels = [], []
    if batch:
        yield batch, np.stack(pixels)
