"""What a line of the operator's log looks like, to machines and to people."""

import asyncio
import io
import json
import logging
from datetime import datetime

import pytest
from efficientnet_operator.logs import about, configure_logging

log = logging.getLogger("efficientnet_operator.test")


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def logging_as_before():
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before


def lines_of(form, write, stream=None):
    stream = stream or io.StringIO()
    configure_logging(form, stream=stream)
    write()
    return stream.getvalue().splitlines()


def test_a_line_for_machines_has_its_fields():
    def write():
        with about(job="default/b0", attempt=2):
            log.warning("%s went", "x", extra={"rank": 3})

    (line,) = lines_of("json", write)
    document = json.loads(line)
    time = document.pop("time")
    assert document == {
        "level": "WARNING",
        "logger": "efficientnet_operator.test",
        "message": "x went",
        "job": "default/b0",
        "attempt": 2,
        "rank": 3,
    }
    assert datetime.fromisoformat(time).utcoffset().total_seconds() == 0


def test_a_line_for_people_ends_with_what_it_is_about():
    def write():
        with about(job="default/b0", attempt=2):
            log.info("gone")
        log.info("alone")

    first, second = lines_of("text", write)
    assert first.endswith("INFO    efficientnet_operator.test: gone [job=default/b0 attempt=2]")
    assert second.endswith("alone")


def test_what_a_line_says_itself_wins():
    def write():
        with about(job="default/b0", attempt=1):
            log.info("next", extra={"attempt": 2})

    (line,) = lines_of("json", write)
    assert (json.loads(line)["job"], json.loads(line)["attempt"]) == ("default/b0", 2)


def test_a_task_speaks_of_the_job_that_it_was_started_for():
    async def poll():
        await asyncio.sleep(0)
        log.info("asked")

    async def turn():
        with about(job="default/b0"):
            task = asyncio.create_task(poll())
        await task
        log.info("after")

    lines = lines_of("json", lambda: asyncio.run(turn()))
    assert [json.loads(line).get("job") for line in lines] == ["default/b0", None]


def test_an_exception_stays_on_its_line():
    def write():
        try:
            raise ValueError("no\nway")
        except ValueError:
            log.exception("failed")

    (line,) = lines_of("json", write)
    assert "ValueError: no\nway" in json.loads(line)["exc_info"]


def test_a_line_of_kopfs_about_an_object_names_the_job():
    reference = {"namespace": "default", "name": "b0", "kind": "EfficientNetJob"}

    def write():
        log.error("handler failed", extra={"k8s_ref": reference, "k8s_skip": True})

    (line,) = lines_of("json", write)
    document = json.loads(line)
    assert document["job"] == "default/b0"
    assert not document.keys() & {"k8s_ref", "k8s_skip"}


@pytest.mark.parametrize("stream, is_json", [(io.StringIO, True), (Terminal, False)])
def test_auto_looks_whether_people_read(stream, is_json):
    (line,) = lines_of("auto", lambda: log.info("x"), stream())
    assert line.startswith("{") == is_json
