"""What a gang loses under its feet: a node, a chip; and what an older attempt leaves there."""

from dataclasses import replace
from datetime import timedelta

import pytest
from core_builders import (
    T0,
    Cluster,
    a_job,
    a_running_job,
    devices_annotation,
    fail,
    failed,
    succeeded,
)
from efficientnet_operator.core.chip_health import ChipFault, ChipReport
from efficientnet_operator.core.nodes import NodeLoss

WORDS = "NodeStatusUnknown: Kubelet stopped posting node status."
DEAD = ChipFault(1, False, "SeparateNPU", "80E01801")


def lost(for_s=60.0):
    return NodeLoss(for_s, T0, WORDS)


def report(*faults, after_s=0.0):
    return ChipReport(faults, T0 + timedelta(seconds=after_s))


def test_a_node_that_is_lost_for_a_minute_replaces_the_gang_uncharged():
    cluster = a_running_job(backoffLimit=0)
    cluster.lost_nodes = {"node-1": lost()}
    plan = cluster.turn()
    assert (cluster.status["attempt"], cluster.status["chargedRestarts"]) == (2, 0)
    assert cluster.status["failure"] == {
        "rank": 2,
        "npu": "0",
        "pod": "b0-1-2",
        "node": "node-1",
        "attempt": 1,
        "reason": "NodeLost",
        "message": f"node node-1 is not Ready since 2026-01-01T12:00:00Z ({WORDS}), "
        "and with it b0-1-3",
    }
    assert cluster.message("Restarting").startswith(
        "attempt 2 follows: rank 2 (pod b0-1-2 on node-1): NodeLost: node node-1 is not Ready"
    )
    assert [(e.type, e.reason) for e in plan.events] == [("Warning", "NodeLost")]


def test_the_mates_of_a_lost_node_hang_and_get_a_short_grace():
    cluster = a_running_job()
    cluster.lost_nodes = {"node-1": lost()}
    assert {d.grace_s for d in cluster.turn().deletes} == {5}
    cluster.change("b0-1-0", deleting=False)
    assert [(d.name, d.grace_s) for d in cluster.turn().deletes] == [("b0-1-0", 5)]


def test_a_node_that_is_silent_for_less_is_looked_at_when_the_minute_is_over():
    cluster = a_running_job()
    cluster.lost_nodes = {"node-1": lost(12.5)}
    plan = cluster.turn()
    assert (plan.status, plan.deletes, plan.requeue_s) == (None, (), 47.5)


def test_a_node_that_comes_back_in_time_is_forgotten():
    cluster = a_running_job()
    cluster.lost_nodes = {"node-1": lost(59.9)}
    cluster.turn()
    cluster.lost_nodes = {}
    assert cluster.turn().requeue_s is None
    assert cluster.status["attempt"] == 1


UNTOUCHED = {
    "another node is lost": lambda cluster: cluster.lost_nodes.update({"node-9": lost()}),
    "its ranks are done": lambda cluster: (
        cluster.lost_nodes.update({"node-1": lost()}),
        cluster.pods.update({n: succeeded(cluster.pods[n]) for n in ("b0-1-2", "b0-1-3")}),
    ),
    "another host's chip is dead": lambda cluster: cluster.chip_reports.update(
        {"node-9": report(DEAD)}
    ),
    "a chip that nobody holds is dead": lambda cluster: cluster.chip_reports.update(
        {"node-1": report(replace(DEAD, device_id=5))}
    ),
}


@pytest.mark.parametrize("happen", UNTOUCHED.values(), ids=UNTOUCHED)
def test_what_does_not_concern_the_job_leaves_it_alone(happen):
    cluster = a_running_job()
    happen(cluster)
    cluster.turn()
    assert cluster.status["attempt"] == 1


def test_a_cpu_job_loses_nodes_too_but_has_no_chips():
    cluster = Cluster(a_job(2, accelerator="CPU"))
    cluster.run()
    cluster.chip_reports = {"node-0": report(DEAD)}
    cluster.turn()
    assert cluster.status["attempt"] == 1
    cluster.lost_nodes = {"node-0": NodeLoss(60, gone=True)}
    cluster.turn()
    assert cluster.status["failure"]["message"].startswith("node node-0 does not exist any more")
    assert "npu" not in cluster.status["failure"]


def test_a_lost_node_explains_the_failure_of_a_mate():
    cluster = a_running_job(backoffLimit=0)
    cluster.pods["b0-1-0"] = failed(cluster.pods["b0-1-0"], 75)
    cluster.lost_nodes = {"node-1": lost()}
    cluster.turn()
    assert cluster.status["failure"]["reason"] == "NodeLost"
    assert cluster.condition("Failed") is None


def test_bad_data_is_the_diagnosis_on_a_lost_node_too():
    cluster = a_running_job()
    cluster.pods["b0-1-0"] = failed(cluster.pods["b0-1-0"], 3)
    cluster.lost_nodes = {"node-1": lost()}
    cluster.turn()
    assert cluster.condition("Failed") == ("True", "BadData")


def test_a_rule_of_the_job_decides_about_a_lost_node():
    rules = [{"action": "FailJob", "onReasons": ["NodeLost"]}]
    cluster = a_running_job(failurePolicy={"rules": rules})
    cluster.lost_nodes = {"node-1": lost()}
    cluster.turn()
    assert cluster.condition("Failed") == ("True", "FailurePolicy")


def test_a_suspended_job_does_not_restart_for_a_node():
    cluster = a_running_job()
    cluster.job["spec"]["runPolicy"] = {"suspend": True}
    cluster.lost_nodes = {"node-1": lost()}
    cluster.settle()
    assert cluster.status["attempt"] == 1


def test_a_resumed_job_does_not_wait_for_pods_that_a_lost_node_keeps():
    cluster = a_running_job()
    cluster.job["spec"]["runPolicy"] = {"suspend": True}
    cluster.settle()
    del cluster.pods["b0-1-0"], cluster.pods["b0-1-1"]
    cluster.job["spec"]["runPolicy"] = {"suspend": False}
    cluster.turn()
    assert cluster.condition("Created") == ("False", "WaitingForPods")
    cluster.lost_nodes = {"node-1": lost()}
    cluster.turn()
    assert len(cluster.turn().pods) == 4
    assert cluster.status["attempt"] == 2


def run_elsewhere(cluster):
    """Bring the next attempt up on other nodes, as taints would."""
    assert len(cluster.turn().pods) == 4
    for index in range(4):
        cluster.change(f"b0-2-{index}", node=f"node-{2 + index // 2}")
    cluster.run()


class TestOlderAttempts:
    """Pods of an older attempt hold the next one up, but not for ever."""

    @pytest.fixture
    def cluster(self):
        """A failed attempt of which two pods stay, on node-1."""
        cluster = a_running_job()
        fail(cluster, "b0-1-2", 1)
        del cluster.pods["b0-1-0"], cluster.pods["b0-1-1"]
        return cluster

    def test_they_are_waited_for_while_their_node_is_well(self, cluster):
        assert cluster.turn().pods == ()
        assert cluster.condition("Created") == ("False", "WaitingForPods")

    def test_they_are_waited_for_until_the_minute_is_over(self, cluster):
        cluster.lost_nodes = {"node-1": lost(57.0)}
        plan = cluster.turn()
        assert (plan.pods, plan.requeue_s) == ((), 3.0)

    @pytest.mark.parametrize("loss", [lost(), NodeLoss(60, gone=True)], ids=["silent", "gone"])
    def test_then_the_next_attempt_begins(self, cluster, loss):
        cluster.lost_nodes = {"node-1": loss}
        run_elsewhere(cluster)
        assert cluster.status["phase"] == "Running"
        assert {"b0-1-2", "b0-1-3"} < set(cluster.pods)

    def test_each_pod_is_judged_by_its_own_node(self, cluster):
        cluster.change("b0-1-3", node="node-7")
        cluster.lost_nodes = {"node-1": lost()}
        assert cluster.turn().pods == ()
        assert "b0-1-3" in cluster.message("Created")

    def test_one_that_was_not_told_to_go_is_told_first(self, cluster):
        cluster.change("b0-1-3", deleting=False)
        cluster.lost_nodes = {"node-1": lost()}
        plan = cluster.turn()
        assert ([d.name for d in plan.deletes], plan.pods) == (["b0-1-3"], ())
        assert len(cluster.turn().pods) == 4

    def test_a_node_that_comes_back_does_not_stop_the_attempt_that_runs(self, cluster):
        cluster.lost_nodes = {"node-1": lost()}
        run_elsewhere(cluster)
        cluster.lost_nodes = {}
        plan = cluster.turn()
        assert (plan.status, plan.deletes) == (None, ())
        assert cluster.condition("Created") == ("True", "PodsCreated")

    def test_a_predecessors_pods_have_the_same_names_and_are_waited_for(self):
        cluster = Cluster(a_job(2))
        cluster.run()
        gone = {n: replace(p, deleting=True) for n, p in cluster.pods.items()}
        heir = Cluster(a_job(2, metadata={"uid": "heir"}), pods=gone)
        heir.lost_nodes = {"node-0": lost(), "node-1": lost()}
        assert heir.turn().pods == ()


def test_a_dead_chip_replaces_the_gang_uncharged():
    cluster = a_running_job(backoffLimit=0)
    cluster.chip_reports = {"node-1": report(replace(DEAD, device_id=7), DEAD)}
    plan = cluster.turn()
    assert (cluster.status["attempt"], cluster.status["chargedRestarts"]) == (2, 0)
    assert cluster.status["failure"] == {
        "rank": 3,
        "npu": "1",
        "pod": "b0-1-3",
        "node": "node-1",
        "attempt": 1,
        "reason": "ChipUnhealthy",
        "message": "NPU 1: the device plugin reports the chip as unhealthy, level SeparateNPU, "
        "fault code 80E01801",
    }
    assert {d.grace_s for d in plan.deletes} == {5}


def test_of_a_pod_with_several_chips_the_rank_of_the_dead_one_is_named():
    cluster = Cluster(a_job(4, npusPerPod=2, scheduling={"npusPerHost": 2}))
    cluster.settle()
    for index, host in enumerate(("10.0.0.1", "10.0.0.2")):
        chips = [(chip, f"192.168.{chip}.{index}") for chip in (0, 1)]
        found = {"annotations": devices_annotation(host, *chips), "node": f"node-{index}"}
        cluster.change(f"b0-1-{index}", host_ip=host, pod_ip=f"10.1.0.{index}", **found)
    cluster.settle()
    cluster.chip_reports = {"node-1": report(DEAD)}
    cluster.turn()
    failure = cluster.status["failure"]
    assert (failure["rank"], failure["npu"], failure["pod"]) == (3, "1", "b0-1-1")


def on_its_dead_chip_again():
    cluster = a_running_job()
    cluster.chip_reports = {"node-1": report(DEAD)}
    cluster.turn()
    cluster.collect()
    cluster.settle()
    cluster.bind()
    return cluster


OTHERS = {
    "another chip": {"npu": "0"},
    "a chip of another node": {"node": "node-0"},
    "a loss of another kind": {"reason": "NodeLost"},
    "an earlier attempt": {"attempt": 0},
}


@pytest.mark.parametrize("other", [{}, *OTHERS.values()], ids=["the same", *OTHERS])
def test_only_the_chip_that_ended_the_last_attempt_is_said_to_be_given_out_again(other):
    cluster = on_its_dead_chip_again()
    cluster.status["failure"] |= other
    cluster.turn()
    message = cluster.status["failure"]["message"]
    assert message.startswith("NPU 1: the device plugin reports the chip as unhealthy")
    assert ("attempt 1 ended for the same chip" in message) == (not other)


def test_a_dead_chip_is_given_back_before_there_is_a_table():
    cluster = Cluster(a_job(4, scheduling={"npusPerHost": 2}))
    cluster.settle()
    cluster.bind()
    cluster.change("b0-1-0", annotations={})
    cluster.chip_reports = {"node-1": report(DEAD)}
    cluster.turn()
    failure = cluster.status["failure"]
    assert (failure["reason"], failure["pod"], failure["npu"]) == ("ChipUnhealthy", "b0-1-3", "1")
    assert "rank" not in failure


def test_a_pod_that_has_no_chip_yet_loses_none():
    cluster = Cluster(a_job(4, scheduling={"npusPerHost": 2}))
    cluster.settle()
    cluster.bind()
    cluster.change("b0-1-3", annotations={})
    cluster.chip_reports = {"node-1": report(DEAD)}
    cluster.turn()
    assert cluster.status["attempt"] == 1


def test_a_chips_network_matters_to_a_job_on_several_hosts_alone():
    fault = replace(DEAD, network=True)
    alone = Cluster(a_job(2, scheduling={"npusPerHost": 2}))
    alone.run()
    alone.chip_reports = {"node-0": report(fault)}
    alone.turn()
    assert alone.status["attempt"] == 1
    cluster = a_running_job()
    cluster.chip_reports = {"node-1": report(fault)}
    cluster.turn()
    assert cluster.status["attempt"] == 2


def test_a_report_from_before_the_pod_was_bound_waits_for_the_next():
    cluster = a_running_job()
    cluster.change("b0-1-3", bound_since=T0)
    cluster.chip_reports = {"node-1": report(DEAD, after_s=-1)}
    assert cluster.turn().requeue_s == 5
    assert cluster.status["attempt"] == 1
    cluster.chip_reports = {"node-1": report(DEAD)}
    cluster.turn()
    assert cluster.status["attempt"] == 2


def test_a_report_without_a_time_is_believed():
    cluster = a_running_job()
    cluster.change("b0-1-3", bound_since=T0)
    cluster.chip_reports = {"node-1": ChipReport((DEAD,))}
    cluster.turn()
    assert cluster.status["attempt"] == 2


def test_a_dead_chip_that_the_next_attempt_does_not_hold_is_nothing():
    cluster = a_running_job()
    cluster.chip_reports = {"node-1": report(DEAD)}
    cluster.turn()
    cluster.collect()
    cluster.settle()
    for index in (2, 3):
        cluster.change(f"b0-2-{index}", node="node-8")
    cluster.run()
    assert cluster.status["attempt"] == 2


def test_a_dead_chip_that_is_given_out_again_and_again_is_tried_ever_more_slowly():
    cluster = on_its_dead_chip_again()
    cluster.turn()
    assert cluster.status["attempt"] == 3
    message = cluster.message("Restarting")
    assert "attempt 1 ended for the same chip: it is still given out" in message
    assert "cordon node node-1" in message
    cluster.collect()
    plan = cluster.turn()
    assert (plan.pods, plan.requeue_s) == ((), 10)
    words = "; it starts 10 s later, because earlier ones ended soon, too"
    assert cluster.message("Restarting") == message + words
    cluster.turn(4)
    assert cluster.message("Restarting") == message + words
    assert len(cluster.turn(6).pods) == 4


def test_a_rank_that_crashed_on_a_dead_chip_is_not_charged():
    cluster = a_running_job(backoffLimit=0)
    cluster.pods["b0-1-3"] = failed(cluster.pods["b0-1-3"], 1)
    cluster.turn()
    cluster.chip_reports = {"node-1": report(DEAD)}
    cluster.turn(1)
    assert cluster.condition("Failed") is None
    assert cluster.status["failure"]["reason"] == "ChipUnhealthy"
