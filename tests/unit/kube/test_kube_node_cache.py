"""What is known of nodes: what is news, for how long one is lost, and when that is doubtful."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from efficientnet_operator.core.chip_health import parse_chip_report
from efficientnet_operator.core.nodes import LOST_AFTER_S
from efficientnet_operator.kube.node_cache import NodeCache, ReadyCache


def node(name="n1", ready="True", ago_s=0.0, **labels):
    since = datetime.now(UTC) - timedelta(seconds=ago_s)
    condition = {"type": "Ready", "status": ready, "lastTransitionTime": since.isoformat()}
    return {
        "metadata": {"name": name, "labels": labels},
        "status": {"conditions": [condition]},
    }


class Watched:
    """A cache of nodes, of which four are well, and the nodes that it told of."""

    def __init__(self):
        self.told = []
        self.cache = ReadyCache(self.told.append)
        for name in ("a", "b", "c", "d"):
            self.cache.put(node(name))
        self.told.clear()

    def lost_for(self, name):
        loss = self.cache.find_loss(name)
        return loss and loss.for_s


@pytest.fixture
def watched():
    return Watched()


def test_a_heartbeat_is_told_to_nobody(watched):
    watched.cache.put(node("a"))
    watched.cache.put(node("a"))
    assert watched.told == []


CHANGES = {
    "a new node": node("n1"),
    "a label": node("a", rack="r1"),
    "not Ready any more": node("a", "Unknown"),
}


@pytest.mark.parametrize("document", CHANGES.values(), ids=CHANGES)
def test_a_change_is_told_once(watched, document):
    watched.cache.put(document)
    watched.cache.put(document)
    assert watched.told == [document["metadata"]["name"]]


def test_a_node_that_is_well_is_not_lost(watched):
    assert watched.lost_for("a") is None


def test_what_was_seen_to_happen_is_counted_from_there_whatever_the_stamp_says(watched):
    watched.cache.put(node("a", "Unknown", ago_s=3600))
    assert watched.lost_for("a") < LOST_AFTER_S


def test_what_had_happened_before_is_counted_from_the_stamp(watched):
    watched.cache.put(node("n1", "False", ago_s=3600))
    assert 3600 <= watched.lost_for("n1") < 3660


def test_a_stamp_of_the_future_or_none_counts_from_now(watched):
    watched.cache.put(node("n1", "False", ago_s=-3600))
    without = node("n2", "False")
    del without["status"]["conditions"][0]["lastTransitionTime"]
    watched.cache.put(without)
    assert watched.lost_for("n1") < LOST_AFTER_S
    assert watched.lost_for("n2") < LOST_AFTER_S


def test_the_wall_clock_is_compared_only_once(watched):
    watched.cache.put(node("n1", "False", ago_s=10))
    before = watched.lost_for("n1")
    # The same node, seen again with another stamp: the time that was counted stays.
    watched.cache.put(node("n1", "Unknown", ago_s=5000))
    assert watched.lost_for("n1") < before + LOST_AFTER_S


def test_false_and_then_unknown_is_one_loss(watched):
    watched.cache.put(node("n1", "False", ago_s=100))
    watched.cache.put(node("n1", "Unknown", ago_s=0))
    assert watched.lost_for("n1") >= 100


def test_a_node_that_comes_back_starts_anew(watched):
    watched.cache.put(node("n1", "False", ago_s=100))
    watched.cache.put(node("n1"))
    assert watched.lost_for("n1") is None
    watched.cache.put(node("n1", "False", ago_s=100))
    assert watched.lost_for("n1") < LOST_AFTER_S


def test_a_node_that_is_removed_is_gone_from_then_on(watched):
    watched.cache.remove(node("a"))
    loss = watched.cache.find_loss("a")
    assert loss.gone
    assert loss.for_s < LOST_AFTER_S
    assert watched.told == ["a"]
    watched.cache.put(node("a"))
    assert watched.cache.find_loss("a") is None


def test_a_node_that_was_never_seen_is_gone_from_the_first_question_on(watched):
    first = watched.lost_for("x")
    time.sleep(0.01)
    assert first < watched.lost_for("x") < LOST_AFTER_S


def test_a_list_forgets_what_it_does_not_hold(watched):
    watched.cache.keep_only({"a", "b", "c"})
    assert watched.told == ["d"]
    assert watched.cache.find_loss("d").gone


def silence(watched, *names):
    for name in names:
        watched.cache.put(node(name, "Unknown"))


DOUBTS = {
    "one of four": ("a", False),
    "two of four": ("ab", False),
    "three of four": ("abc", True),
    "all": ("abcd", True),
}


@pytest.mark.parametrize("silent, doubt", DOUBTS.values(), ids=DOUBTS)
def test_when_most_nodes_are_silent_the_network_is_to_blame(watched, silent, doubt):
    silence(watched, *silent)
    assert watched.cache.in_doubt == doubt
    assert (watched.cache.find_loss("a") is None) == doubt
    assert doubt == (watched.cache.find_loss("x") is None)


def test_a_single_node_that_is_silent_is_in_doubt():
    cache = ReadyCache(lambda _: None)
    cache.put(node("a", "Unknown"))
    assert cache.in_doubt


def test_the_jobs_of_silent_nodes_are_told_when_the_doubt_is_over(watched):
    silence(watched, *"abc")
    watched.told.clear()
    watched.cache.put(node("c"))
    assert sorted(watched.told) == ["a", "b", "c"]


def test_without_the_right_nothing_is_known_and_nothing_lost(watched):
    silence(watched, "a")
    watched.cache.turn_off("nodes cannot be read (403 Forbidden: no)")
    assert watched.cache.find_loss("a") is None
    assert watched.cache.find_loss("x") is None
    assert watched.cache.get("b") is None


def a_report(updated, *chips):
    devices = {"huawei.com/Ascend910-Unhealthy": ",".join(f"Ascend910-{c}" for c in chips)}
    content = {"DeviceInfo": {"DeviceList": devices, "UpdateTime": updated}}
    metadata = {"name": "mindx-dl-deviceinfo-n1"}
    return {"metadata": metadata, "data": {"DeviceInfoCfg": str(content).replace("'", '"')}}


@pytest.fixture
def chips():
    watched = Watched()
    watched.cache = NodeCache("chip-reports", parse_chip_report, watched.told.append)
    return watched


def test_a_healthy_node_takes_no_place(chips):
    chips.cache.put(a_report(1))
    assert chips.cache.get("n1") is None
    assert chips.told == []


def test_a_report_with_the_same_faults_is_no_news_but_its_time_is_kept(chips):
    chips.cache.put(a_report(100, 3))
    chips.cache.put(a_report(105, 3))
    assert chips.told == ["n1"]
    assert chips.cache.get("n1").updated_at.timestamp() == 105


def test_a_chip_that_is_well_again_is_told(chips):
    chips.cache.put(a_report(100, 3))
    chips.cache.put(a_report(105))
    assert chips.told == ["n1", "n1"]
    assert chips.cache.get("n1") is None


def test_another_config_map_of_the_label_is_left_aside(chips):
    other = a_report(1, 3)
    other["metadata"]["name"] = "mindx-dl-nodeinfo-n1"
    chips.cache.put(other)
    chips.cache.remove(other)
    assert chips.told == []
