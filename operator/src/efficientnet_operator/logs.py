"""How the operator logs: a JSON object to a line for machines, plain lines for people.

What is logged while a job is worked on says so in fields of its own, whoever
logs it: ``about(job=..., attempt=...)`` holds for all that is called or
started inside, and what a line says itself (``extra``) comes before it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, Literal, TextIO

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

LogFormat = Literal["auto", "text", "json"]

FIELDS = ("job", "attempt", "rank")
KOPF_FIELDS = ("k8s_skip", "k8s_ref", "settings")
"""What kopf puts on its records for its own use."""
NOTHING: Mapping[str, Any] = MappingProxyType({})

_subject: ContextVar[Mapping[str, Any]] = ContextVar("subject", default=NOTHING)


@contextmanager
def about(**fields: Any) -> Iterator[None]:
    """Add fields to every line that is logged within, in tasks that are started there too."""
    token = _subject.set({**_subject.get(), **fields})
    try:
        yield
    finally:
        _subject.reset(token)


def configure_logging(
    form: LogFormat, *, verbose: bool = False, stream: TextIO | None = None
) -> None:
    """Send everything that is logged to one stream.

    Args:
        form: how; ``auto`` is ``text`` on a terminal and ``json`` elsewhere.
        verbose: whether debug lines are logged.
        stream: where to; None is standard error.
    """
    stream = stream or sys.stderr
    if form == "auto":
        form = "text" if stream.isatty() else "json"
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_build_json() if form == "json" else _TextFormatter())
    handler.addFilter(_add_fields)
    logging.basicConfig(
        handlers=[handler], level=logging.DEBUG if verbose else logging.INFO, force=True
    )
    # asyncio tells of each selector it makes.
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def _add_fields(record: logging.LogRecord) -> bool:
    fields = dict(_subject.get())
    subject = getattr(record, "k8s_ref", None)
    if subject and subject.get("namespace"):
        fields.setdefault("job", f"{subject['namespace']}/{subject.get('name')}")
    for name, value in fields.items():
        if not hasattr(record, name):
            setattr(record, name, value)
    return True


def _build_json() -> logging.Formatter:
    return JsonFormatter(
        ["levelname", "name", "message"],
        rename_fields={"levelname": "level", "name": "logger"},
        timestamp="time",
        reserved_attrs=[*RESERVED_ATTRS, *KOPF_FIELDS],
    )


class _TextFormatter(logging.Formatter):
    """A line for people: time, level, logger, message, then the fields that are known."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        known = [f"{f}={getattr(record, f)}" for f in FIELDS if hasattr(record, f)]
        line = super().formatMessage(record)
        return f"{line} [{' '.join(known)}]" if known else line
