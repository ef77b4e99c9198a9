"""Find the images of a data set and their classes, in folders or in a CSV file.

Reads names only.  The same source gives the same list in the same order, which is what a
run that was killed needs to go on.
"""

import csv
import hashlib
import os
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

from efficientnet_trainer.errors import ConfigError
from efficientnet_trainer.records import TRAIN, VALIDATION

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".bmp")
SPLIT_FOLDERS = {TRAIN: (TRAIN,), VALIDATION: (VALIDATION, "val")}


class Item(NamedTuple):
    """One image."""

    path: str
    name: str
    """Relative to the source, as the record keeps it."""
    class_name: str


class Source(NamedTuple):
    """All images of a data set."""

    splits: Dict[str, List[Item]]
    class_names: List[str]
    """In the order of their labels, which begin at 1."""
    ignored: List[str]
    """Files that are no images by their names."""


def read_folders(source: str, validation_percent: float) -> Source:
    """List SOURCE/CLASS/... , or SOURCE/train/CLASS/... and SOURCE/validation/CLASS/... .

    Args:
        source: the directory.
        validation_percent: share of each class that validates where no folder says which.

    Raises:
        ConfigError: there is nothing to train on, or a class only validates.
    """
    folders = {split: find_split(source, split) for split in SPLIT_FOLDERS}
    ignored: List[str] = []
    train_folder = folders[TRAIN]
    if train_folder is None:
        items = list(_walk_classes(source, source, ignored))
        return build_source(_hold_out(items, validation_percent), ignored)
    splits = {
        split: list(_walk_classes(source, folder, ignored))
        for split, folder in folders.items()
        if folder is not None
    }
    if VALIDATION not in splits:
        splits = _hold_out(splits[TRAIN], validation_percent)
    return build_source(splits, ignored)


def read_csv(source: str, validation_percent: float) -> Source:
    """List the images of a CSV file with the columns path, label and, if wanted, split.

    Args:
        source: the file; paths in it are relative to its directory.
        validation_percent: as for ``read_folders``, where there is no column split.

    Raises:
        ConfigError: a column, a value or all rows are missing.
    """
    folder = os.path.dirname(os.path.abspath(source))
    splits: Dict[str, List[Item]] = {}
    with open(source, newline="", encoding="utf-8-sig") as stream:
        rows = csv.DictReader(stream)
        columns = rows.fieldnames or []
        missing = [name for name in ("path", "label") if name not in columns]
        if missing:
            raise ConfigError(
                f"{source} has the columns {', '.join(columns) or 'none'}; wanted path and "
                f"label, and split if the file says what validates"
            )
        for row in rows:
            split = _split_of(source, rows.line_num, row)
            path = os.path.join(folder, row["path"])
            splits.setdefault(split, []).append(Item(path, row["path"], row["label"]))
    if "split" not in columns:
        splits = _hold_out(splits.get(TRAIN, []), validation_percent)
    return build_source(splits, [])


def build_source(splits: Dict[str, List[Item]], ignored: List[str]) -> Source:
    """Put what was found together and number its classes.

    Raises:
        ConfigError: there is nothing to train on, or a class only validates.
    """
    names = sorted({item.class_name for item in splits.get(TRAIN, [])})
    if len(names) < 2:
        raise ConfigError(
            f"found {len(splits.get(TRAIN, []))} training images in {len(names)} classes "
            f"({', '.join(names) or 'none'}); wanted two classes or more, each a folder of "
            f"images ({' '.join(IMAGE_ENDINGS)})"
        )
    strange = sorted({item.class_name for item in splits.get(VALIDATION, [])} - set(names))
    if strange:
        raise ConfigError(
            f"class {strange[0]} has validation images and no training image; "
            f"add some or take its validation images away"
        )
    found = {split: sorted(items, key=lambda item: item.name) for split, items in splits.items()}
    return Source({split: items for split, items in found.items() if items}, names, ignored)


def find_split(source: str, split: str) -> Optional[str]:
    """Return the folder of a split, or None."""
    for name in SPLIT_FOLDERS[split]:
        folder = os.path.join(source, name)
        if os.path.isdir(folder):
            return folder
    return None


def list_images(folder: str, ignored: List[str]) -> Iterator[str]:
    """Yield the paths of images below a folder, and note what is none."""
    for parent, folders, files in os.walk(folder, followlinks=True):
        folders.sort()
        for name in sorted(files):
            path = os.path.join(parent, name)
            if name.lower().endswith(IMAGE_ENDINGS):
                yield path
            elif not name.startswith("."):
                ignored.append(path)


def _walk_classes(source: str, folder: str, ignored: List[str]) -> Iterator[Item]:
    for class_name in sorted(os.listdir(folder)):
        path = os.path.join(folder, class_name)
        if os.path.isdir(path) and not class_name.startswith("."):
            for image in list_images(path, ignored):
                yield Item(image, os.path.relpath(image, source), class_name)
        elif not class_name.startswith("."):
            ignored.append(path)


def _hold_out(items: List[Item], percent: float) -> Dict[str, List[Item]]:
    """Split each class by a hash of the names, so that an image stays where it was.

    A class with two images or more keeps at least one in either split.
    """
    by_class: Dict[str, List[Item]] = {}
    for item in items:
        by_class.setdefault(item.class_name, []).append(item)
    splits: Dict[str, List[Item]] = {TRAIN: [], VALIDATION: []}
    for members in by_class.values():
        members.sort(key=_hash_of)
        held = round(len(members) * percent / 100)
        held = min(max(held, 1), len(members) - 1) if percent else 0
        splits[VALIDATION] += members[:held]
        splits[TRAIN] += members[held:]
    return splits


def _hash_of(item: Item) -> Tuple[bytes, str]:
    digest = hashlib.sha256(item.name.encode(errors="surrogateescape")).digest()
    return digest, item.name


def _split_of(source: str, line: int, row: Dict[str, str]) -> str:
    if not row["path"] or not row["label"]:
        raise ConfigError(f"{source} line {line}: path or label is empty; fill it in")
    given = row.get("split") or TRAIN
    for split, names in SPLIT_FOLDERS.items():
        if given in names:
            return split
    raise ConfigError(f"{source} line {line}: split is {given}; use train or validation")
