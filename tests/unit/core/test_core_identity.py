"""Names of children: legal at every length, and never the same for two of them."""

import re

from efficientnet_operator.api.spec import EfficientNetJobSpec
from efficientnet_operator.core.identity import (
    JobRef,
    config_map_name,
    pod_group_name,
    pod_name,
)
from hypothesis import example, given
from hypothesis import strategies as st

LONGEST = 40
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""RFC 1123: a pod's name is its host name, too."""
# Few letters and many digits and dashes: names that end like those of children.
NAMES = st.from_regex(rf"[ab]([0-9ab-]{{0,{LONGEST - 2}}}[0-9ab])?", fullmatch=True)
ATTEMPTS = st.integers(1, 20) | st.integers(1, 10**9)
INDICES = st.integers(0, 20) | st.integers(0, 8191)
CHILDREN = st.tuples(NAMES, ATTEMPTS, INDICES)
LAST = ("a" * LONGEST, 10**9, 8191)


def job(name):
    return JobRef("default", name, f"uid-of-{name}")


@given(child=CHILDREN)
@example(child=LAST)
def test_every_name_is_legal(child):
    name, attempt, index = child
    for made in (
        pod_name(job(name), attempt, index),
        config_map_name(job(name), attempt),
        pod_group_name(job(name), attempt),
    ):
        assert LABEL.fullmatch(made), made


@given(one=CHILDREN, other=CHILDREN)
@example(one=("a", 1, 2), other=("a-1", 2, 3))
@example(one=("a-1", 1, 1), other=("a", 11, 1))
@example(one=("a", 1, 11), other=("a", 11, 1))
def test_no_two_children_of_a_kind_share_a_name(one, other):
    same = pod_name(job(one[0]), *one[1:]) == pod_name(job(other[0]), *other[1:])
    assert same == (one == other)
    for of_attempt in (config_map_name, pod_group_name):
        same = of_attempt(job(one[0]), one[1]) == of_attempt(job(other[0]), other[1])
        assert same == (one[:2] == other[:2])


def test_the_largest_job_has_the_largest_index():
    npus = EfficientNetJobSpec.model_json_schema()["properties"]["npus"]
    assert npus["maximum"] - 1 == LAST[2]
