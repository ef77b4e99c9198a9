"""The pages as HTML: what they show, and that nothing of a job becomes markup."""

from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from efficientnet_operator.core.job_history import History
from efficientnet_operator.sdk.state import UNSEEN
from efficientnet_operator.ui.pages import render_job, render_jobs

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
EVIL = '"><script>alert(1)</script>'


class Reader(HTMLParser):
    """Collects a page's tags, links and text; refuses tags that are closed in another order."""

    EMPTY = frozenset({"meta", "line", "polyline", "br"})

    def __init__(self, page):
        super().__init__()
        self.tags, self.links, self.words, self._open = [], [], [], []
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name == "href"]
        if tag not in self.EMPTY:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.words.append(data.strip())


def job(name, phase="Running", namespace="team", created="2026-03-04T04:06:07Z", **status):
    metadata = {"namespace": namespace, "name": name, "uid": name, "creationTimestamp": created}
    return {"metadata": metadata, "spec": {"npus": 8}, "status": {"phase": phase, **status}}


def test_jobs_that_go_on_come_first_and_the_newest_of_them():
    jobs = [
        job("done", "Succeeded", conditions=[{"type": "Succeeded", "status": "True"}]),
        job("old", created="2026-03-01T00:00:00Z"),
        job("new"),
    ]
    found = Reader(render_jobs(jobs, "", NOW))
    assert [link.split("/")[-1] for link in found.links] == ["new", "old", "done"]
    assert "60m" in found.words


def test_a_namespace_shows_its_own():
    jobs = [job("mine"), job("other", namespace="elsewhere")]
    assert Reader(render_jobs(jobs, "team", NOW)).links == ["/ui/team/mine"]
    assert Reader(render_jobs(jobs, "", NOW)).links == ["/ui/elsewhere/other", "/ui/team/mine"]


def test_no_jobs_is_said():
    assert "There are no jobs." in Reader(render_jobs([], "", NOW)).words


def test_a_job_has_curves_failure_conditions_and_attempts():
    document = job(
        "b0",
        progress={"step": 20, "totalSteps": 40, "loss": 1.25},
        failure={"attempt": 1, "rank": 3, "pod": "b0-1-3", "exitCode": 137, "reason": "OOMKilled"},
        conditions=[
            {"type": "Running", "status": "True", "reason": "AllRanksReady", "message": "8 of 8"}
        ],
        history=[{"attempt": 1, "reason": "OOMKilled", "charged": True, "step": 10}],
    )
    history = History()
    for step, loss in ((10, 2.0), (20, 1.25)):
        history.note(
            ("team", "b0"), {**document, "status": {"progress": {"step": step, "loss": loss}}}
        )
    found = Reader(render_job(document, history, NOW))
    assert found.tags.count("polyline") == 1
    for word in ("20/40", "OOMKilled", "137", "AllRanksReady", "8 of 8", "loss: 1.25"):
        assert word in found.words


@pytest.mark.parametrize("status, word", [({}, UNSEEN), ({"phase": "Pending"}, "Pending")])
def test_a_job_that_nobody_has_looked_at_has_a_page(status, word):
    document = {**job("new"), "status": status}
    found = Reader(render_job(document, History(), NOW))
    assert "svg" not in found.tags
    assert word in found.words


def test_nothing_of_a_job_becomes_markup():
    document = job(
        EVIL,
        EVIL,
        failure={"message": EVIL, "pod": EVIL},
        conditions=[{"type": EVIL, "status": EVIL, "reason": EVIL, "message": EVIL}],
        history=[{"attempt": EVIL, "message": EVIL}],
    )
    for page in (render_jobs([document], "", NOW), render_job(document, History(), NOW)):
        found = Reader(page)
        assert "script" not in found.tags
        assert EVIL in found.words
        assert not any("<" in link or '"' in link for link in found.links)
