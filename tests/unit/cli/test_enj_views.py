"""What is shown of a job: lines, tables, bars, colours; pure but for the painter's stream."""

import io
from datetime import UTC, datetime

import pytest
from efficientnet_operator.enj.exit_codes import MEANINGS, code_of
from efficientnet_operator.enj.painting import Painter, colour, fit
from efficientnet_operator.enj.status_view import Line, draw_bar, summarize, tone_of, view_status
from efficientnet_operator.enj.tables import format_rank_table, format_ranks, format_table
from efficientnet_operator.enj.values import parse_duration, set_fields
from efficientnet_operator.sdk import errors
from efficientnet_operator.sdk.ranks import RankState
from efficientnet_operator.sdk.state import JobState
from sdk_builders import a_job, condition, failed, running, succeeded

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def a_state(**status):
    return JobState(a_job(**status) | {"metadata": {"namespace": "team", "name": "b0"}})


def ranks(*states):
    return [RankState(i, f"b0-1-{i}", i, f"n{i}", i, s, "") for i, s in enumerate(states)]


WAITING = {
    "phase": "Pending",
    "attempt": 1,
    "conditions": [
        condition("Scheduled", "Unschedulable", "0/4 nodes are available", "False")
        | {"lastTransitionTime": "2026-01-01T11:59:18Z"}
    ],
}
RESTARTED = running(
    41,
    attempt=2,
    restarts=1,
    startTime="2026-01-01T10:00:00Z",
    npus={"allocated": 2},
    failure={"reason": "NodeLost", "attempt": 1, "rank": 1, "message": "node n1 is gone"},
    history=[{"attempt": 1, "reason": "NodeLost", "charged": False, "step": 30}],
)

VIEWS = {
    "it waits for a node": (
        WAITING,
        None,
        """\
EfficientNetJob team/b0: Pending, attempt 1
  NPUs      0 of 2 Ascend910 allocated
  waits     Scheduled=False Unschedulable for 42 s: 0/4 nodes are available""",
    ),
    "it runs again": (
        RESTARTED,
        ranks("Running", "Starting"),
        """\
EfficientNetJob team/b0: Running, attempt 2, 1 restart
  NPUs      2 of 2 Ascend910 allocated
  progress  [############------------------] 41.0 %, step 41/100, training
  figures   1,450.0 images/s, loss 2.5000
  time      ETA 5m, began 2h ago
  failure   NodeLost: attempt 1, rank 1
  failure   node n1 is gone
  attempt   1: NodeLost, not charged, at step 30
  ranks
    RANK   POD      NODE   NPU   STATE      WORDS
    0      b0-1-0   n0     0     Running
    1      b0-1-1   n1     1     Starting""",
    ),
    "it has failed": (
        failed(),
        [],
        """\
EfficientNetJob team/b0: Failed, attempt 1
  NPUs      0 of 2 Ascend910 allocated
  failed    Failed=True BadData: rank 1 failed
  failure   BadData: attempt 1, rank 1, pod b0-1-1, node n1, exit code 3
  failure   cut off record""",
    ),
    "it has succeeded": (
        succeeded(),
        [],
        """\
EfficientNetJob team/b0: Succeeded, attempt 1
  NPUs      0 of 2 Ascend910 allocated
  progress  [##############################] 100.0 %, step 100/100
  figures   loss 0.0600, top-1 0.987
  time      took 5m""",
    ),
}


@pytest.mark.parametrize("status, gang, want", VIEWS.values(), ids=VIEWS)
def test_views(status, gang, want):
    lines = view_status(a_state(**status), gang, NOW)
    assert "\n".join(line.text for line in lines) == want


def test_a_notice_comes_last():
    (*_, last) = view_status(a_state(**WAITING), None, NOW, "The connection is lost.")
    assert last == Line("The connection is lost.", "bad")


TONES = {"Running": running(1), "Pending": WAITING, "Failed": failed(), "Succeeded": succeeded()}
WANTED = {"Running": "good", "Pending": "waiting", "Failed": "bad", "Succeeded": "good"}


@pytest.mark.parametrize("phase", TONES)
def test_tones(phase):
    assert tone_of(a_state(**TONES[phase])) == WANTED[phase]


def test_one_job_in_a_line():
    assert summarize(a_state(**running(5))) == (
        "team/b0 Running, attempt 1, step 5/100, 1,450.0 images/s, loss 2.5000, ETA 5m"
    )
    assert summarize(a_state(**WAITING)) == "team/b0 Pending, attempt 1: 0/4 nodes are available"


def test_many_ranks_are_summed_up():
    lines = format_ranks(ranks(*["Running"] * 30, "Failed", "Starting"), 16)
    assert lines[0] == "32 ranks: 1 Failed, 30 Running, 1 Starting"
    assert [line.split()[0] for line in lines[1:]] == ["RANK", "30", "31"]
    lines = format_ranks(ranks(*["Starting"] * 40), 16)
    assert (lines[1], len(lines)) == ("the first 16 that do not run:", 19)


def test_tables_have_no_spaces_at_the_end():
    assert format_table(("A", "LONGER"), [("xyz", "")]) == ["A     LONGER", "xyz"]


def test_legacy_rank_tables_have_no_ranks():
    device = {"device_id": "3", "device_ip": "1.1.1.3"}
    table = {"group_list": [{"instance_list": [{"server_id": "h", "devices": [device]}]}]}
    assert format_rank_table(table)[1].split() == ["h", "3", "1.1.1.3"]


def test_bars_stay_within_their_ends():
    assert [draw_bar(p, 4) for p in (-5, 0, 50, 100, 130)] == [
        "[----]",
        "[----]",
        "[##--]",
        "[####]",
        "[####]",
    ]


def test_colours_only_where_they_are_wanted():
    assert colour(Line("x", "bad"), True) == "\x1b[31mx\x1b[0m"
    assert colour(Line("x", "bad"), False) == "x"
    assert colour(Line("x"), True) == "x"


def test_views_fit_the_screen():
    lines = [Line("x" * 200)] * 30
    fitted = fit(lines, columns=80, rows=10)
    assert (len(fitted), max(len(line.text) for line in fitted)) == (9, 79)
    assert fitted[-1].text == "  ... 22 more lines"


class Screen(io.StringIO):
    """A terminal that remembers."""

    def isatty(self):
        return True


def test_a_terminal_is_painted_over(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    screen = Screen()
    painter = Painter(screen)
    painter.paint([Line("a", "good"), Line("b")], over=True)
    painter.paint([Line("c")], over=True)
    assert screen.getvalue() == "\x1b[32ma\x1b[0m\nb\n\x1b[2A\r\x1b[Jc\n"


def test_a_pipe_gets_plain_lines(monkeypatch):
    pipe = io.StringIO()
    painter = Painter(pipe)
    painter.paint([Line("a", "good")], over=True)
    painter.paint([Line("b")], over=True)
    assert pipe.getvalue() == "a\nb\n"
    monkeypatch.setenv("NO_COLOR", "1")
    screen = Screen()
    Painter(screen).paint([Line("a", "good")])
    assert screen.getvalue() == "a\n"


DURATIONS = {"90": 90, "1.5": 1.5, "90s": 90, "5m": 300, "1h30m": 5400, "2d": 172800}


@pytest.mark.parametrize("text, want", DURATIONS.items(), ids=DURATIONS)
def test_durations(text, want):
    assert parse_duration(text) == want


@pytest.mark.parametrize("text", ["", "soon", "5 m", "-5", "5w", "m"])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="write it as 90, 90s, 5m, 1h30m or 2d"):
        parse_duration(text)


def test_fields_are_set_in_yaml():
    spec = {"npus": 1}
    set_fields(spec, ["spec.npus=8", "training.weightDecay=1e-5", "model.name=efficientnet-b1"])
    set_fields(spec, ["training.extraArgs=[--a=1]", "runPolicy.suspend=true"])
    assert spec == {
        "npus": 8,
        "training": {"weightDecay": 1e-5, "extraArgs": ["--a=1"]},
        "model": {"name": "efficientnet-b1"},
        "runPolicy": {"suspend": True},
    }


def test_every_error_has_a_code_of_the_table():
    kinds = [k for k in vars(errors).values() if isinstance(k, type)]
    made = [kind("x", 500) if kind is errors.RefusedError else kind("x") for kind in kinds]
    assert {code_of(error) for error in made} == {1, 2, 3, 4, 5, 6, 7, 8, 9}
    assert {code_of(error) for error in made} <= set(MEANINGS)
