"""A data set is whole when both splits have all the files that their names count."""

import pytest
from demo.shards import is_whole


def split(name, count):
    return [f"{name}-{shard:05d}-of-{count:05d}" for shard in range(count)]


WHOLE = [*split("train", 4), *split("validation", 2)]
SETS = {
    "both splits": (WHOLE, True),
    "files of other names do not matter": ([*WHOLE, ".train-00000-of-00004.partial", "a"], True),
    "an empty folder": ([], False),
    "cut between two files of a split": (WHOLE[:-1], False),
    "cut between the splits": (WHOLE[:4], False),
    "a split without its first file": (WHOLE[1:], False),
    "two sets in one folder": ([*WHOLE, *split("train", 8)], False),
    "a file that is only half-written": ([*WHOLE[:-1], f".{WHOLE[-1]}.partial"], False),
}


@pytest.mark.parametrize("names, want", SETS.values(), ids=SETS)
def test_is_whole(names, want):
    assert is_whole(names) is want
