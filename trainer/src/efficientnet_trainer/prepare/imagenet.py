"""``prepare imagenet``: ILSVRC2012 as its archives hold it.

Training images lie in a folder for each synset; validation images lie in one folder, and
the development kit's ground truth has a number for each of them in the order of their names.
These numbers are the kit's own: ``meta.mat`` has their synsets.  Records get TF-Slim's
labels, 1 to 1000 by the synsets' names, which the public checkpoints were trained on.
"""

import argparse
import os
from typing import Dict, List, Optional

from efficientnet_trainer.errors import ConfigError
from efficientnet_trainer.prepare.layout import (
    Item,
    Source,
    build_source,
    find_split,
    list_images,
    read_folders,
)
from efficientnet_trainer.prepare.running import add_common_arguments, read_options, write_dataset
from efficientnet_trainer.records import TRAIN, VALIDATION

KIT = os.path.join("ILSVRC2012_devkit_t12", "data")
GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
META = "meta.mat"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``SRC OUT`` and the options."""
    parser.add_argument(
        "source",
        metavar="SRC",
        help="directory with train/SYNSET/*.JPEG and validation/*.JPEG (or val/), the latter "
        "flat or in folders of their synsets",
    )
    add_common_arguments(parser, shards=(1024, 128))
    parser.add_argument(
        "--ground_truth",
        metavar="FILE",
        help="a line for each validation image: its synset, or its number in the development "
        f"kit (default: SRC/{KIT}/{GROUND_TRUTH})",
    )
    parser.add_argument(
        "--meta",
        metavar="FILE",
        help=f"the kit's {META} with the numbers' synsets (default: beside the ground truth)",
    )


def run(args: argparse.Namespace) -> int:
    """Write the data set.

    Raises:
        ConfigError: an option, the layout or the ground truth is at fault.
        DataError: more images are broken than may be.
    """
    options = read_options(args)
    folders = {split: find_split(args.source, split) for split in (TRAIN, VALIDATION)}
    for split, folder in folders.items():
        if folder is None:
            raise ConfigError(
                f"SRC {args.source} has no folder {split}; unpack the {split} archive there"
            )
    source = read_folders(args.source, 0)
    if not source.splits.get(VALIDATION):
        source = _with_flat_validation(args, source, str(folders[VALIDATION]))
    return write_dataset(source, options)


def _with_flat_validation(args: argparse.Namespace, source: Source, folder: str) -> Source:
    """Give the flat validation images their synsets by the ground truth."""
    ignored: List[str] = []
    images = list(list_images(folder, ignored))
    truth_path = args.ground_truth or os.path.join(args.source, KIT, GROUND_TRUTH)
    truth = read_ground_truth(truth_path, args.meta)
    if len(truth) != len(images):
        raise ConfigError(
            f"{truth_path} has {len(truth)} lines, {folder} has {len(images)} images; "
            f"both have 50000 in ILSVRC2012: unpack or copy what is missing"
        )
    items = [
        Item(path, os.path.relpath(path, args.source), synset)
        for path, synset in zip(images, truth)
    ]
    splits = {TRAIN: source.splits[TRAIN], VALIDATION: items}
    images_in_source = set(images)
    others = [path for path in source.ignored if path not in images_in_source]
    return build_source(splits, others)


def read_ground_truth(path: str, meta: Optional[str] = None) -> List[str]:
    """Return the synset of each validation image, in the order of the images' names.

    Args:
        path: a file with a synset or a number of the development kit on each line.
        meta: the kit's meta.mat; None to look beside ``path``.

    Raises:
        ConfigError: a file is missing, or a number is not in the kit.
    """
    try:
        with open(path, encoding="ascii") as stream:
            lines = [line.strip() for line in stream if line.strip()]
    except OSError as error:
        raise ConfigError(
            f"ground truth {path} cannot be read ({error.strerror}); unpack the development kit "
            f"there or name the file with --ground_truth"
        ) from None
    if not all(line.isdigit() for line in lines):
        return lines
    synsets = read_kit(meta or os.path.join(os.path.dirname(path), META))
    unknown = sorted({int(line) for line in lines} - set(synsets))
    if unknown:
        raise ConfigError(f"{path} has the number {unknown[0]}, which is no class of the kit")
    return [synsets[int(line)] for line in lines]


def read_kit(path: str) -> Dict[int, str]:
    """Return the synset of each number of the development kit.

    Raises:
        ConfigError: the file is missing or another one, or scipy is.
    """
    try:
        from scipy.io import loadmat
    except ImportError:
        raise ConfigError(
            f"reading {path} needs scipy; install it, or give --ground_truth synsets"
        ) from None
    try:
        table = loadmat(path, squeeze_me=True)["synsets"]
        return {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in table}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path} is not the development kit's {META} ({error}); name it with --meta, or give "
            f"--ground_truth a file of synsets"
        ) from None
