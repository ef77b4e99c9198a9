"""``efficientnet-trainer prepare``: write a data set as TFRecords in TF-Slim's form.

``digits`` needs nothing, ``imagefolder`` takes folders or a list of your own images,
``imagenet`` what ILSVRC2012's archives hold.  All leave the same behind: shards, the names
of the classes, and an index that spares the trainer a look at each record.
"""

import argparse
import importlib
import os
from typing import Any

SETS = {
    "digits": "scikit-learn's handwritten digits, for a first run",
    "imagefolder": "images in a folder for each class, or listed in a CSV file",
    "imagenet": "ILSVRC2012: training and validation archives, unpacked",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add a command for each kind of data set."""
    commands = parser.add_subparsers(dest="dataset", metavar="KIND", required=True)
    for name, text in SETS.items():
        command = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        _module(name).add_arguments(command)


def run(args: argparse.Namespace) -> int:
    """Write the data set.

    Raises:
        ConfigError: an option is out of range, or a library is missing.
        DataError: the images are not of use.
    """
    # What TensorFlow says of broken images is said by name.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return int(_module(args.dataset).run(args))


def _module(name: str) -> Any:
    return importlib.import_module("efficientnet_trainer.prepare." + name)
