"""An attempt whose table is published: its ranks come up, are nudged, and train."""

from core_builders import Cluster, a_job, is_empty


def two_hosts(**spec):
    return Cluster(a_job(4, scheduling={"npusPerHost": 2}, **spec))


def with_a_table():
    cluster = two_hosts()
    cluster.settle()
    cluster.bind()
    cluster.settle()
    cluster.start()
    return cluster


def test_running_means_that_all_ranks_are_ready():
    cluster = with_a_table()
    cluster.change("b0-1-3", ready=False)
    cluster.turn()
    assert cluster.condition("Running") == ("False", "WaitingForRanks")
    assert "3/4 pods ready; waiting for b0-1-3" in cluster.message("Running")
    assert cluster.status["phase"] == "Starting"
    cluster.change("b0-1-3", ready=True)
    plan = cluster.turn()
    assert cluster.condition("Running") == ("True", "AllRanksReady")
    assert {c["type"]: c["message"] for c in cluster.status["conditions"]} == {
        "Created": "attempt 1: 4 pods",
        "Scheduled": "4 pods",
        "Allocated": "4/4 NPUs allocated",
        "Running": "4 ranks",
    }
    assert plan.poll_progress
    assert [e.reason for e in plan.events] == ["AllRanksReady"]
    cluster.change("b0-1-0", ready=False)  # a probe that failed once is no news
    assert is_empty(cluster.turn())


def test_a_container_that_cannot_start_is_named():
    cluster = two_hosts()
    cluster.settle()
    cluster.bind()
    cluster.change("b0-1-1", waiting="ErrImagePull: 404")
    cluster.settle()
    assert cluster.condition("Running") == ("False", "ContainerWaiting")
    assert cluster.message("Running") == (
        "0/4 pods ready; waiting for b0-1-0, b0-1-1, b0-1-2 and 1 more (b0-1-1: ErrImagePull: 404)"
    )


def nudges(plan):
    return {
        p.name: p.body["metadata"]["annotations"]["efficientnet.dev/nudge"] for p in plan.patches
    }


def test_a_pod_that_runs_unready_is_nudged_again_after_one_and_four_seconds():
    cluster = with_a_table()
    cluster.change("b0-1-2", ready=False)
    cluster.change("b0-1-3", ready=False, started=False)
    assert cluster.turn().requeue_s == 1
    plan = cluster.turn(1)
    assert (nudges(plan), plan.requeue_s) == ({"b0-1-2": "1"}, 3)
    assert nudges(cluster.turn(1)) == {}
    plan = cluster.turn(2)
    assert (nudges(plan), plan.requeue_s) == ({"b0-1-2": "2"}, None)
    assert nudges(cluster.turn(60)) == {}


def test_the_next_nudge_is_never_waited_for_in_no_time():
    cluster = with_a_table()
    cluster.change("b0-1-2", ready=False)
    assert cluster.turn(0.99).requeue_s == 0.05
    assert cluster.plan().waits_for == "b0-1-2 to have the rank table"


def test_a_pod_is_nudged_once_where_nobody_knows_when_the_table_was_published():
    cluster = with_a_table()
    cluster.change("b0-1-2", ready=False)
    del cluster.job["status"]["rankTable"]["completedAt"]
    assert nudges(cluster.turn(60)) == {}


def test_a_nudge_that_is_no_number_counts_as_none():
    cluster = two_hosts()
    cluster.run()
    cluster.job["status"]["conditions"][-1]["status"] = "False"
    pod = cluster.pods["b0-1-0"]
    annotations = {**pod.annotations, "efficientnet.dev/nudge": "many"}
    cluster.change("b0-1-0", ready=False, annotations=annotations)
    assert nudges(cluster.turn(2)) == {"b0-1-0": "1"}


def test_progress_is_followed_and_the_same_figures_are_no_write():
    cluster = two_hosts()
    cluster.run()
    cluster.progress = {"rank": 0, "step": 30, "loss": 1.25, "phase": "training"}
    cluster.turn(5)
    assert cluster.status["progress"]["step"] == 30
    assert cluster.status["progress"]["percent"] == 10.0
    assert is_empty(cluster.turn(5))
    cluster.progress = {**cluster.progress, "step": 31}
    assert cluster.turn(5).status["progress"]["step"] == 31
