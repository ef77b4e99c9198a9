"""Tell from the names of its files whether a data set in TF-Slim's form is whole.

Pure.  A writer that was killed between two files leaves each of them whole
under its name, and some missing.
"""

import re
from collections.abc import Iterable

SPLITS = ("train", "validation")
_SHARD = re.compile(r"(\w+)-(\d{5})-of-(\d{5})")


def is_whole(names: Iterable[str]) -> bool:
    """Return whether both splits are there with each of the files that their names count."""
    shards = [match.groups() for name in names if (match := _SHARD.fullmatch(name))]
    return all(
        _is_whole_split([(int(shard), int(total)) for of, shard, total in shards if of == split])
        for split in SPLITS
    )


def _is_whole_split(shards: list[tuple[int, int]]) -> bool:
    totals = {total for _, total in shards}
    return len(totals) == 1 and {shard for shard, _ in shards} == set(range(totals.pop()))
