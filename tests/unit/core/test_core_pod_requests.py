"""How much a gang asks for, in Kubernetes' quantities."""

from decimal import Decimal

import pytest
from efficientnet_operator.core.pod_requests import parse_quantity, sum_requests
from hypothesis import given
from hypothesis import strategies as st

QUANTITIES = {
    "1": 1,
    "0.5": Decimal("0.5"),
    ".5": Decimal("0.5"),
    "500m": Decimal("0.5"),
    "2k": 2000,
    "1Ki": 1024,
    "1.5Gi": 1536 * 2**20,
    "1e3": 1000,
    "2E": 2 * 10**18,
    "2E2": 200,
    "-1": -1,
    3: 3,
    "": None,
    "one": None,
    "1 Gi": None,
    "NaN": None,
    "1e999": None,
    None: None,
}


@pytest.mark.parametrize("text, want", QUANTITIES.items(), ids=map(str, QUANTITIES))
def test_a_quantity_is_read(text, want):
    assert parse_quantity(text) == want


def container(restart=None, **resources):
    return {"resources": resources, **({"restartPolicy": restart} if restart else {})}


NPU = "huawei.com/Ascend910"
PODS = {
    "a request counts, else the limit": (
        {"containers": [container(limits={NPU: "8", "cpu": "4"}, requests={"cpu": "1500m"})]},
        {"cpu": "3", NPU: "16"},
    ),
    "containers add up": (
        {"containers": [container(requests={"cpu": "100m"}), container(requests={"cpu": "1m"})]},
        {"cpu": "202m"},
    ),
    "the larger of containers and an init container counts": (
        {
            "containers": [container(requests={"cpu": "1", "memory": "1Gi"})],
            "initContainers": [container(requests={"cpu": "3"}), container(requests={"cpu": "2"})],
        },
        {"cpu": "6", "memory": str(2 * 2**30)},
    ),
    "a sidecar runs beside the containers": (
        {
            "containers": [container(requests={"cpu": "1"})],
            "initContainers": [container("Always", requests={"cpu": "1"})],
        },
        {"cpu": "4"},
    ),
    "a runtime's overhead comes on top": (
        {"containers": [container(requests={"cpu": "1"})], "overhead": {"cpu": "250m"}},
        {"cpu": "2500m"},
    ),
    "nothing asked is nothing said": ({"containers": [{}]}, {}),
    "what cannot be read is left out": (
        {"containers": [container(requests={"cpu": "much"}), 3], "initContainers": "none"},
        {},
    ),
}


@pytest.mark.parametrize("spec, want", PODS.values(), ids=PODS)
def test_two_pods_ask_for(spec, want):
    assert sum_requests({"spec": spec}, 2) == want


@given(st.integers(0, 10**6), st.integers(1, 8192))
def test_no_millis_are_lost_in_the_sum(millis, count):
    pod = {"spec": {"containers": [container(requests={"cpu": f"{millis}m"})]}}
    total = sum_requests(pod, count).get("cpu", "0")
    assert parse_quantity(total) == Decimal(millis * count) / 1000
