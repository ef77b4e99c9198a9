"""``prepare imagefolder``: images in a folder for each class, or listed in a CSV file."""

import argparse
import os

from efficientnet_trainer.errors import ConfigError
from efficientnet_trainer.prepare.layout import read_csv, read_folders
from efficientnet_trainer.prepare.running import add_common_arguments, read_options, write_dataset

_LAYOUTS = (
    "SRC/CLASS/*.jpg, or SRC/train/CLASS/*.jpg and SRC/validation/CLASS/*.jpg, or a CSV file "
    "with the columns path, label and perhaps split (train, validation)"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``SRC OUT`` and the options."""
    parser.add_argument("source", metavar="SRC", help=_LAYOUTS)
    add_common_arguments(parser, shards=(16, 4))
    parser.add_argument(
        "--validation_percent",
        type=float,
        default=10.0,
        metavar="PERCENT",
        help="share of each class that validates, where SRC does not say which (default: 10)",
    )


def run(args: argparse.Namespace) -> int:
    """Write the data set.

    Raises:
        ConfigError: an option is out of range, or SRC has no images in classes.
        DataError: more images are broken than may be.
    """
    if not 0 <= args.validation_percent < 100:
        raise ConfigError(
            f"--validation_percent is {args.validation_percent:g}; use 0 to less than 100"
        )
    options = read_options(args)
    if not os.path.exists(args.source):
        raise ConfigError(f"SRC {args.source} does not exist; give {_LAYOUTS}")
    read = read_folders if os.path.isdir(args.source) else read_csv
    return write_dataset(read(args.source, args.validation_percent), options)
