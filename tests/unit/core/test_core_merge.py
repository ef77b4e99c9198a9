"""A partial pod merges into a pod as Kubernetes would merge it."""

from copy import deepcopy

import pytest
from efficientnet_operator.core.merge import merge
from hypothesis import given
from hypothesis import strategies as st

MERGES = {
    "objects merge by field": ({"a": {"x": 1, "y": 2}}, {"a": {"y": 3}}, {"a": {"x": 1, "y": 3}}),
    "containers merge by name": (
        {"containers": [{"name": "trainer", "image": "i", "args": ["a"]}]},
        {"containers": [{"name": "trainer", "image": "j"}, {"name": "side"}]},
        {
            "containers": [
                {"name": "trainer", "image": "j", "args": ["a"]},
                {"name": "side"},
            ]
        },
    ),
    "mounts merge by path": (
        {"volumeMounts": [{"mountPath": "/tmp", "name": "tmp"}]},
        {
            "volumeMounts": [
                {"mountPath": "/tmp", "name": "fast"},
                {"mountPath": "/d", "name": "d"},
            ]
        },
        {
            "volumeMounts": [
                {"mountPath": "/tmp", "name": "fast"},
                {"mountPath": "/d", "name": "d"},
            ]
        },
    ),
    "a volume's other source replaces ours": (
        {"volumes": [{"name": "tmp", "emptyDir": {}}]},
        {"volumes": [{"name": "tmp", "hostPath": {"path": "/x"}}]},
        {"volumes": [{"name": "tmp", "hostPath": {"path": "/x"}}]},
    ),
    "a volume's same source merges": (
        {"volumes": [{"name": "shm", "emptyDir": {"medium": "Memory"}}]},
        {"volumes": [{"name": "shm", "emptyDir": {"sizeLimit": "8Gi"}}]},
        {"volumes": [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "8Gi"}}]},
    ),
    "a variable's value replaces its source": (
        {"env": [{"name": "POD_IP", "valueFrom": {"fieldRef": {}}}, {"name": "A", "value": "1"}]},
        {"env": [{"name": "POD_IP", "value": "10.0.0.1"}]},
        {"env": [{"name": "POD_IP", "value": "10.0.0.1"}, {"name": "A", "value": "1"}]},
    ),
    "arguments are replaced": ({"args": ["a"]}, {"args": ["b"]}, {"args": ["b"]}),
    "tolerations are added once": (
        {"tolerations": [{"key": "a"}]},
        {"tolerations": [{"key": "b"}, {"key": "a"}]},
        {"tolerations": [{"key": "a"}, {"key": "b"}]},
    ),
    "another type wins": ({"a": {"x": 1}}, {"a": "text"}, {"a": "text"}),
    "null wins": ({"a": {"x": 1}}, {"a": None}, {"a": None}),
    "what is no container is left for the API server to refuse": (
        {"containers": [{"name": "trainer"}]},
        {"containers": ["side", None]},
        {"containers": [{"name": "trainer"}, "side", None]},
    ),
    "an item beside one that is no object": (
        {"containers": ["side"]},
        {"containers": [{"name": "trainer"}]},
        {"containers": ["side", {"name": "trainer"}]},
    ),
}


@pytest.mark.parametrize("base, overlay, want", MERGES.values(), ids=MERGES)
def test_merge(base, overlay, want):
    before = deepcopy((base, overlay))
    assert merge(base, overlay) == want
    assert (base, overlay) == before


TREES = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "containers", "volumes", "env", "args", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=15,
)
OBJECTS = st.dictionaries(st.sampled_from(["containers", "volumes", "x", "args"]), TREES)


@given(base=OBJECTS, overlay=OBJECTS)
def test_merge_takes_any_json_and_merging_nothing_changes_nothing(base, overlay):
    assert merge(base, {}) == base
    assert merge({}, overlay) == overlay
    assert set(merge(base, overlay)) == set(base) | set(overlay)
