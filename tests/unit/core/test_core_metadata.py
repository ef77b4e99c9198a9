"""What is kept of any child's metadata."""

import pytest
from efficientnet_operator.core.metadata import find_controller, parse_metadata

EMPTY = {
    "namespace": "",
    "name": "",
    "uid": "",
    "resource_version": "",
    "job_name": "",
    "owner_uid": "",
}
A_JOB = {"kind": "EfficientNetJob", "uid": "u1", "controller": True}
A_BYSTANDER = {"kind": "Node", "uid": "u2"}
FULL = {"namespace": "n", "name": "p", "uid": "u", "resourceVersion": "7"}
LABELS = {"efficientnet.dev/job-name": "b0", "a": "b"}
KEPT = {"namespace": "n", "name": "p", "uid": "u", "resource_version": "7", "job_name": "b0"}

CASES = {
    "nothing at all": ({}, EMPTY),
    "parts that are null": ({"metadata": {"labels": None, "ownerReferences": None}}, EMPTY),
    "everything": (
        {"metadata": {**FULL, "labels": LABELS, "ownerReferences": [A_JOB]}},
        {**KEPT, "owner_uid": "u1"},
    ),
    "an owner that is no controller": (
        {"metadata": {**FULL, "labels": LABELS, "ownerReferences": [A_BYSTANDER]}},
        {**KEPT, "owner_uid": ""},
    ),
}


@pytest.mark.parametrize("document, want", CASES.values(), ids=CASES)
def test_missing_parts_take_their_empty_values(document, want):
    assert parse_metadata(document) == want


def test_the_controller_is_found_among_the_owners():
    document = {"metadata": {"ownerReferences": [A_BYSTANDER, A_JOB]}}
    assert find_controller(document) == A_JOB
