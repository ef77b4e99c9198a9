"""What the demo tells its user to type."""

import pytest
from demo.story import make

COMMANDS = {
    "the usual cluster needs no mention": ("dev", "make cluster-down"),
    "another cluster is named": ("mine", "make cluster-down NAME=mine"),
}


@pytest.mark.parametrize("cluster, want", COMMANDS.values(), ids=COMMANDS)
def test_make(cluster, want):
    assert make("cluster-down", cluster) == want
