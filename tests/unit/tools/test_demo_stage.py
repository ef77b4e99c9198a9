"""What the demo leaves is found, or it is said how to get it."""

import pytest
from demo.stage import DemoError, find_cluster


def test_a_cluster_that_was_never_made_is_named_with_the_way_out():
    words = "cluster never-made: is not there; 'make demo NAME=never-made' sets it up"
    with pytest.raises(DemoError, match=f"^{words}$"):
        find_cluster("never-made")
