"""What ``kubectl enj status`` shows of one job; pure.

A view is a list of lines with a tone each; the painter turns tones into colours, or leaves
them out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from efficientnet_operator.core.pod_view import parse_time
from efficientnet_operator.core.status_words import describe_attempt, describe_failure
from efficientnet_operator.enj.tables import count_npus, format_ranks
from efficientnet_operator.sdk.columns import format_duration, format_figure, format_steps
from efficientnet_operator.sdk.ranks import RankState
from efficientnet_operator.sdk.state import JobState

Tone = Literal["plain", "good", "bad", "waiting", "dim"]
BAR = 30
"""Characters of the progress bar."""
MOST_RANKS = 16
"""Ranks that are shown one by one."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text and what it means."""

    text: str
    tone: Tone = "plain"


def view_status(
    state: JobState, ranks: Sequence[RankState] | None, now: datetime, notice: str = ""
) -> list[Line]:
    """Return the lines of one job.

    Args:
        state: the job.
        ranks: None while they have not been asked for.
        now: the time that durations count to.
        notice: said in the last line, such as that the connection is lost.
    """
    lines = [Line(_headline(state), tone_of(state)), *_facts(state, now)]
    if ranks:
        lines += [Line("  ranks")]
        lines += [Line(f"    {text}") for text in format_ranks(ranks, MOST_RANKS)]
    if notice:
        lines.append(Line(notice, "bad"))
    return lines


def summarize(state: JobState) -> str:
    """Return one job in a line, for a stream of lines."""
    progress = state.status.get("progress") or {}
    facts = [f"{state.namespace}/{state.name} {state.phase}", f"attempt {state.attempt}"]
    if "step" in progress:
        facts.append(f"step {format_steps(progress)}")
    facts += _figures(progress)
    if not state.finished and (eta := format_duration(progress.get("etaSeconds"))):
        facts.append(f"ETA {eta}")
    return ", ".join(facts) + (f": {state.why}" if state.why else "")


def tone_of(state: JobState) -> Tone:
    """Return the tone of a job's headline."""
    if state.failed or state.phase == "Restarting":
        return "bad"
    return "good" if state.succeeded or state.phase == "Running" else "waiting"


def draw_bar(percent: float, width: int = BAR) -> str:
    """Return a bar of ASCII, full at 100.

    >>> draw_bar(50, 10)
    '[#####-----]'
    """
    full = round(width * min(max(percent, 0), 100) / 100)
    return f"[{'#' * full}{'-' * (width - full)}]"


def _headline(state: JobState) -> str:
    restarts = int(state.status.get("restarts") or 0)
    facts = [state.phase]
    if state.attempt:
        facts.append(f"attempt {state.attempt}")
    if restarts:
        facts.append(f"{restarts} restart{'s' * (restarts != 1)}")
    return f"{state.title}: {', '.join(facts)}"


def _facts(state: JobState, now: datetime) -> Iterator[Line]:
    accelerator = state.spec.get("accelerator", "")
    npus = f"{count_npus(state)} of {state.spec.get('npus')} {accelerator} allocated"
    yield _fact("NPUs", npus)
    progress = state.status.get("progress") or {}
    percent = progress.get("percent")
    if isinstance(percent, int | float):
        words = [f"{draw_bar(percent)} {percent:.1f} %", f"step {format_steps(progress)}"]
        words += [f"epoch {progress['epoch']:.2f}"] if "epoch" in progress else []
        words += [str(progress["phase"])] if progress.get("phase") else []
        yield _fact("progress", ", ".join(words))
    if figures := _figures(progress):
        yield _fact("figures", ", ".join(figures))
    if times := _times(state, progress, now):
        yield _fact("time", ", ".join(times))
    for reason in _reasons(state, now):
        yield _fact(
            "failed" if state.failed else "waits", reason, "bad" if state.failed else "waiting"
        )
    for text in describe_failure(state.status.get("failure") or {}):
        yield _fact("failure", text, "bad" if state.failed else "plain")
    for record in (state.status.get("history") or [])[-3:]:
        yield _fact("attempt", describe_attempt(record), "dim")


def _reasons(state: JobState, now: datetime) -> list[str]:
    return state.list_reasons(now) or ([state.why] if state.why else [])


def _figures(progress: Mapping[str, Any]) -> list[str]:
    """Return speed, loss and accuracy, as far as they are known."""
    known = (
        (format_figure(progress.get("imagesPerSecond"), 1), "{} images/s"),
        (format_figure(progress.get("loss"), 4), "loss {}"),
        (format_figure(progress.get("top1"), 3), "top-1 {}"),
        (format_figure(progress.get("top5"), 3), "top-5 {}"),
    )
    return [words.format(figure) for figure, words in known if figure]


def _times(state: JobState, progress: Mapping[str, Any], now: datetime) -> list[str]:
    start = parse_time(state.status.get("startTime"))
    end = parse_time(state.status.get("completionTime"))
    times = []
    if not state.finished and (eta := format_duration(progress.get("etaSeconds"))):
        times.append(f"ETA {eta}")
    if start:
        spent = format_duration(((end or now) - start).total_seconds())
        times.append(f"took {spent}" if end else f"began {spent} ago")
    return times


def _fact(name: str, words: str, tone: Tone = "plain") -> Line:
    return Line(f"  {name:<10}{words}", tone)
