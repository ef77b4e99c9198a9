"""One job in words and cells, and lines of logs: pure functions of what the cluster stored."""

import json
from datetime import UTC, datetime

import pytest
from efficientnet_operator.core.pod_view import parse_pod
from efficientnet_operator.sdk.answers import Answer, read_answer
from efficientnet_operator.sdk.columns import format_duration, format_figure, job_row
from efficientnet_operator.sdk.errors import EnjError, GoneError, UnreachableError
from efficientnet_operator.sdk.feed import PATIENCE_S, JobFeed
from efficientnet_operator.sdk.html import render_jobs, render_result
from efficientnet_operator.sdk.loglines import AT_ONCE, LogCursor, LogDesk, choose_pods
from efficientnet_operator.sdk.ranks import build_ranks, ranks_by_pod
from efficientnet_operator.sdk.requests import create_job, delete_job, read_job
from efficientnet_operator.sdk.state import JobState, Result
from efficientnet_operator.sdk.waiting import Wait
from sdk_builders import a_job, a_pod, condition, ended, failed, peers, running, succeeded

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
META = {"namespace": "team", "uid": "uid-1", "creationTimestamp": "2026-01-01T10:00:00Z"}


def state(version="1", **status):
    job = a_job(**status)
    return JobState(job | {"metadata": {**META, "name": "b0", "resourceVersion": version}})


WAITING = {
    "phase": "Pending",
    "attempt": 1,
    "conditions": [
        condition("Created", "PodsCreated"),
        condition("Scheduled", "Unschedulable", "0/4 nodes\nare available", "False"),
    ],
}

WHYS = {
    "no operator has looked": (
        {},
        "New",
        "no operator has looked at it yet; ask whether one runs",
    ),
    "it waits for a node": (WAITING, "Pending", "0/4 nodes are available"),
    "it runs": (running(5), "Running", ""),
    "it has failed": (failed(), "Failed", "rank 1 failed"),
    "it has succeeded": (succeeded(), "Succeeded", ""),
}


@pytest.mark.parametrize("status, phase, why", WHYS.values(), ids=WHYS)
def test_phase_and_why(status, phase, why):
    job = state(**status)
    assert job.phase == phase
    assert job.why.startswith(why)
    assert bool(job.why) == bool(why)


def test_cells_of_a_job():
    want = ("team", "b0", "Running", "2", "5/100", "1,450.0", "2.5000", "", "5m", "0", "2h")
    assert job_row(state(**running(5)), NOW) == (
        "team",
        "b0",
        "Running",
        *want[3:8],
        "5m",
        *want[9:],
    )


DURATIONS = {0: "0s", 119: "119s", 120: "2m", 7199: "119m", 12000: "3h20m", 7200: "2h",
             172800: "2d", 190000: "2d4h", -5: "0s", None: "", "x": "", True: ""}  # fmt: skip


@pytest.mark.parametrize("seconds, want", DURATIONS.items(), ids=map(str, DURATIONS))
def test_durations(seconds, want):
    assert format_duration(seconds) == want


def test_figures_that_are_none():
    assert [format_figure(v, 1) for v in (11600, None, "1", False)] == ["11,600.0", "", "", ""]


def test_a_notebook_shows_a_table_and_no_foreign_markup():
    evil = state(**{**WAITING, "phase": "<script>"})
    table = evil._repr_html_()
    assert "<th>NAME</th>" in table
    assert "&lt;script&gt;" in table
    assert "<script>" not in table
    assert "<p>team/b0: 0/4 nodes are available</p>" in table
    assert render_jobs([state(**running(5)), evil]).count("<tr>") == 3
    assert "<td>top1</td><td>0.987</td>" in render_result(Result.build(state(**succeeded()), {}))


def test_the_models_are_made_of_it():
    job = state(**running(5))
    assert (job.progress.step, job.job.spec.global_batch_size) == (5, 512)
    assert state().progress is None


def pods(*documents):
    return [parse_pod(document) for document in documents]


CONFIGURATION = "ascend.kubectl.kubernetes.io/ascend-910-configuration"
NPUS = {
    "pod_name": "b0-1-0",
    "server_id": "10.0.0.1",
    "devices": [{"device_id": i, "device_ip": f"1.1.1.{i}"} for i in "45"],
}


def a_pod_with_npus():
    pod = a_pod(0)
    pod["metadata"]["annotations"] = {CONFIGURATION: json.dumps(NPUS)}
    pod["status"]["hostIP"] = "10.0.0.1"
    return pod


def test_ranks_have_pod_node_and_npu():
    table = json.dumps([{"rank": 1, "pod": "b0-1-0"}, {"rank": 0, "pod": "b0-1-0"}])
    ranks = build_ranks(pods(a_pod_with_npus()), table)
    assert [(r.rank, r.npu, r.node, r.state) for r in ranks] == [
        (0, 4, "n0", "Running"),
        (1, 5, "n0", "Running"),
    ]


STATES = {
    "it runs": (a_pod(0), ("Running", "")),
    "it has no node": (
        a_pod(0, conditions=[{"type": "PodScheduled", "status": "False", "message": "no room"}])
        | {"spec": {}},
        ("Pending", "no room"),
    ),
    "its image cannot be had": (
        a_pod(0, conditions=[], state={"waiting": {"reason": "ErrImagePull", "message": "no"}}),
        ("Starting", "ErrImagePull: no"),
    ),
    "it failed": (a_pod(0, state=ended(3), phase="Failed"), ("Failed", "exit code 3")),
    "it is done": (a_pod(0, state=ended(0), phase="Succeeded"), ("Succeeded", "")),
}


@pytest.mark.parametrize("pod, want", STATES.values(), ids=STATES)
def test_states_of_pods(pod, want):
    (rank,) = build_ranks(pods(pod), "")
    assert (rank.rank, rank.state, rank.words) == (None, *want)


def test_peers_that_cannot_be_read():
    assert [ranks_by_pod(text) for text in ("", "x", "[1]", '[{"rank": 0}]')] == [{}] * 4


def a_cursor(ranks=(0,), wanted=None):
    (pod,) = pods(a_pod(0))
    return LogCursor("team", pod, ranks, wanted)


def test_lines_of_a_pod_with_several_ranks():
    cursor = a_cursor(ranks=(0, 1))
    lines = [b"2026-01-01T10:00:00Z [rank 1] loss\n", b"2026-01-01T10:00:01Z launcher: up\n"]
    assert [str(cursor.take(line)) for line in lines] == ["[1] loss", "[b0-1-0] launcher: up"]
    only = a_cursor(ranks=(0, 1), wanted={1})
    assert [only.take(line) is None for line in lines] == [False, True]


def test_a_stream_that_is_taken_up_again_repeats_nothing():
    cursor = a_cursor()
    assert "sinceTime" not in cursor.request(True, 10).query
    first = [b"2026-01-01T10:00:00.5Z a", b"2026-01-01T10:00:00.75Z b"]
    for line in first:
        cursor.take(line)
    again = cursor.request(True, 10)
    assert again.query["sinceTime"] == "2026-01-01T10:00:00Z"
    assert "tailLines" not in again.query
    more = [*first, b"2026-01-01T10:00:00.75Z c", b"2026-01-01T10:00:01Z d"]
    assert [found.text for line in more if (found := cursor.take(line))] == ["c", "d"]


def test_a_line_that_is_no_line():
    assert a_cursor().take(b"\n") is None


def test_pods_are_chosen_by_rank():
    gang = pods(a_pod(0), a_pod(1), a_pod(2))
    ranks = {"b0-1-0": [4, 5], "b0-1-1": [0, 1], "b0-1-2": [2, 3]}
    assert [p.index for p in choose_pods(gang, ranks, None)] == [1, 2, 0]
    assert [p.index for p in choose_pods(gang, ranks, {5, 2})] == [2, 0]
    many = pods(*(a_pod(i) for i in range(AT_ONCE + 1)))
    with pytest.raises(EnjError, match="65 pods are more than the 64"):
        choose_pods(many, {}, None)


def test_a_pod_is_read_until_it_was_read_after_its_end():
    desk = LogDesk("team", None)
    (cursor,) = desk.take(pods(a_pod(0)), {})
    cursor.request(True, None)
    assert desk.take(pods(a_pod(0)), {}) == []  # somebody reads it
    cursor.leave(at_the_end=True)  # but the pod ran when that began
    over = pods(a_pod(0, state=ended(), phase="Succeeded"))
    assert desk.take(over, {}) == [cursor]
    cursor.request(True, None)
    cursor.leave(at_the_end=True)
    assert (desk.take(over, {}), desk.idle) == ([], True)


def event(kind, job):
    return json.dumps({"type": kind, "object": job.document}).encode()


def a_feed(clock=lambda: 0.0):
    feed = JobFeed("team", "b0", "uid-1", clock)
    look = feed.catch_up()
    next(look)
    with pytest.raises(StopIteration) as looked:
        look.send(Answer(200, json.dumps(state("7").document).encode()))
    assert looked.value.value == state("7")
    return feed


def test_a_feed_goes_on_where_it_was():
    feed = a_feed()
    assert feed.next_watch().query["resourceVersion"] == "7"
    assert feed.take(event("MODIFIED", state("9"))) == state("9")
    assert feed.take(event("MODIFIED", state("9"))) is None  # told twice
    assert (
        feed.take(b'{"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "20"}}}')
        is None
    )
    query = feed.next_watch(10.2).query
    assert (query["resourceVersion"], query["timeoutSeconds"]) == ("20", "11")
    assert feed.take(b'{"type": "MODI') is None  # cut off


def test_a_feed_that_is_too_old_looks_anew():
    feed = a_feed()
    assert feed.take(b'{"type": "ERROR", "object": {"code": 410}}') is None
    request = next(feed.catch_up())
    assert request.path.endswith("/efficientnetjobs/b0")


def test_a_feed_of_a_deleted_job():
    with pytest.raises(GoneError):
        a_feed().take(event("DELETED", state("9")))


def test_a_lost_connection_is_put_up_with_for_a_minute():
    times = iter([0.0, 30.0, PATIENCE_S, PATIENCE_S + 1, 200.0])
    feed = a_feed(lambda: next(times))
    lost = UnreachableError("no route")
    assert [feed.lose(lost), feed.lose(lost)] == [1.0, 1.0]
    with pytest.raises(UnreachableError, match="no connection for 60 s"):
        feed.lose(lost)
    feed.take(event("MODIFIED", state("9")))
    assert feed.lose(lost) == 1.0  # counted anew


def test_what_can_be_waited_for():
    with pytest.raises(ValueError, match="'Done' is nothing to wait for; wait for Created, "):
        Wait("team", "b0", "Done", None, lambda: 0.0)


def refusal(code, reason="", message="words", **details):
    body = {"code": code, "reason": reason, "message": message, "details": details}
    return Answer(code, json.dumps(body).encode())


CREATE, READ = create_job("team", a_job()), read_job("team", "b0")
REFUSALS = {
    "quota": (CREATE, refusal(403, "Forbidden", "exceeded quota"), "ForbiddenError",
              "EfficientNetJob team/b0 cannot be created: exceeded quota; ask whoever runs"),
    "no namespace": (CREATE, refusal(404, "NotFound", kind="namespaces", name="team"),
                     "NotFoundError", "there is no namespace team; create it, or name another"),
    "no operator": (CREATE, Answer(404, b"404 page not found"), "MissingApiError",
                    "efficientnet.dev/v1alpha1 is not served; install the operator"),
    "invalid": (CREATE, refusal(422, "Invalid"), "InvalidJobError", "words"),
    "unknown field": (CREATE, refusal(400, "BadRequest", "strict decoding error"),
                      "InvalidJobError", "is invalid: strict decoding error"),
    "replaced": (delete_job("team", "b0", "u"), refusal(409, "Conflict"), "GoneError",
                 "was deleted meanwhile, and another has its name"),
    "broken": (READ, Answer(500, b"<html>oops"), "RefusedError", "cannot be read: <html>oops"),
    "empty": (READ, Answer(503, b""), "RefusedError", "no reason given"),
    "no object": (READ, Answer(200, b"[]"), "RefusedError", "speaks no JSON: []"),
}  # fmt: skip


@pytest.mark.parametrize("request_, answer, kind, words", REFUSALS.values(), ids=REFUSALS)
def test_refusals_say_the_way_out(request_, answer, kind, words):
    with pytest.raises(EnjError) as refused:
        read_answer(request_, answer)
    assert type(refused.value).__name__ == kind
    assert words in str(refused.value)


def test_the_stand_in_numbers_ranks_by_pod():
    assert ranks_by_pod(peers(1, 0)["data"]["peers.json"]) == {"b0-1-1": [0], "b0-1-0": [1]}
