"""Who may take a Lease, and what it says afterwards."""

import pytest
from core_builders import T0
from efficientnet_operator.core.conditions import format_time
from efficientnet_operator.core.lease import Sight, build_lease, look, may_take

NOW = format_time(T0)


def a_lease(holder, version="7", duration=10):
    spec = {"holderIdentity": holder, "leaseDurationSeconds": duration, "leaseTransitions": 3,
            "acquireTime": "2025-01-01T00:00:00.000000Z"}  # fmt: skip
    return {"metadata": {"resourceVersion": version}, "spec": spec}


def test_a_version_that_was_seen_keeps_its_time():
    first = look(a_lease("other"), None, 100.0)
    assert first == Sight("7", 100.0)
    assert look(a_lease("other"), first, 109.0) == first
    assert look(a_lease("other", version="8"), first, 109.0) == Sight("8", 109.0)


TAKES = {
    "ours": ("me", 0.0, True),
    "given up": ("", 0.0, True),
    "another's, just seen": ("other", 0.0, False),
    "another's, renewed in time": ("other", 9.9, False),
    "another's, silent for its duration": ("other", 10.0, True),
}


@pytest.mark.parametrize("holder, silent_s, may", TAKES.values(), ids=TAKES)
def test_who_may_take_it(holder, silent_s, may):
    assert may_take(a_lease(holder), "me", Sight("7", 100.0), 100.0 + silent_s) is may


def test_a_holders_own_duration_counts():
    lease = a_lease("other", duration=60)
    assert not may_take(lease, "me", Sight("7", 0.0), 59.0)
    assert may_take({"metadata": {}, "spec": None}, "me", Sight("7", 0.0), 0.0)


def test_a_new_lease():
    lease = build_lease("ns", "n", "me", T0)
    assert lease["metadata"] == {"namespace": "ns", "name": "n"}
    assert lease["spec"] == {
        "holderIdentity": "me",
        "leaseDurationSeconds": 10,
        "acquireTime": NOW,
        "renewTime": NOW,
        "leaseTransitions": 0,
    }


def test_renewal_take_over_and_release():
    renewed = build_lease("ns", "n", "me", T0, a_lease("me"))
    assert renewed["metadata"]["resourceVersion"] == "7"
    assert renewed["spec"]["leaseTransitions"] == 3
    assert renewed["spec"]["acquireTime"] == "2025-01-01T00:00:00.000000Z"
    taken = build_lease("ns", "n", "me", T0, a_lease("other"))
    assert (taken["spec"]["leaseTransitions"], taken["spec"]["acquireTime"]) == (4, NOW)
    given_up = build_lease("ns", "n", "", T0, a_lease("me"))
    assert (given_up["spec"]["holderIdentity"], given_up["spec"]["leaseTransitions"]) == ("", 3)
