"""One job as it was at one moment, and what a job that succeeded leaves behind.

Stands on the stored JSON: the models are made of it only where somebody asks for them,
because their import takes longer than a table of jobs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from efficientnet_operator.core.identity import JobRef, config_map_name
from efficientnet_operator.core.pod_view import parse_time
from efficientnet_operator.core.status_words import (
    cut_line,
    describe_condition,
    describe_failure,
    find_unmet,
)
from efficientnet_operator.sdk.requests import name_job

if TYPE_CHECKING:
    from efficientnet_operator.api.spec import EfficientNetJob
    from efficientnet_operator.api.status import Progress

UNSEEN = "New"
"""Phase of a job that no operator has looked at."""


@dataclass(frozen=True, slots=True)
class JobState:
    """A job as stored; shows itself as a table in a notebook.

    Attributes:
        document: the whole object as JSON; not to be changed.
    """

    document: Mapping[str, Any]

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The object's metadata."""
        return self.document.get("metadata") or {}

    @property
    def spec(self) -> Mapping[str, Any]:
        """The spec as JSON."""
        return self.document.get("spec") or {}

    @property
    def status(self) -> Mapping[str, Any]:
        """The status as JSON; {} before the operator wrote one."""
        return self.document.get("status") or {}

    @property
    def name(self) -> str:
        """Name of the job."""
        return str(self.metadata.get("name", ""))

    @property
    def namespace(self) -> str:
        """Namespace of the job."""
        return str(self.metadata.get("namespace", ""))

    @property
    def uid(self) -> str:
        """What tells the job from a later one of its name."""
        return str(self.metadata.get("uid", ""))

    @property
    def title(self) -> str:
        """What messages call it."""
        return name_job(self.namespace, self.name)

    @property
    def phase(self) -> str:
        """The state in one word, for people."""
        return str(self.status.get("phase") or UNSEEN)

    @property
    def attempt(self) -> int:
        """Number of the current attempt, from 1; 0 before there is one."""
        return int(self.status.get("attempt") or 0)

    @property
    def config_map(self) -> str:
        """Name of the ConfigMap with the current attempt's rank table; "" before the first."""
        job = JobRef(self.namespace, self.name, self.uid)
        return config_map_name(job, self.attempt) if self.attempt else ""

    @property
    def created(self) -> datetime | None:
        """When it was created."""
        return parse_time(self.metadata.get("creationTimestamp"))

    def holds(self, condition: str) -> bool:
        """Tell whether a condition is True."""
        return any(
            c.get("type") == condition and c.get("status") == "True"
            for c in self.status.get("conditions") or []
        )

    @property
    def succeeded(self) -> bool:
        """Whether it reached its good end."""
        return self.holds("Succeeded")

    @property
    def failed(self) -> bool:
        """Whether it reached its bad end."""
        return self.holds("Failed")

    @property
    def finished(self) -> bool:
        """Whether it reached an end; it never leaves it."""
        return self.succeeded or self.failed

    @property
    def why(self) -> str:
        """Why it does not run, or why it failed, in a line; "" where all is well."""
        unmet = find_unmet(self.status)
        if unmet:
            told = next((c for c in unmet if c.get("message")), unmet[0])
            return cut_line(told.get("message")) or str(told.get("reason", ""))
        if not self.status:
            return (
                "no operator has looked at it yet; ask whether one runs and looks after namespace"
                f" {self.namespace}"
            )
        return ""

    def list_reasons(self, now: datetime | None = None) -> list[str]:
        """Return a line for each condition that is not as a job that trains has it."""
        now = now or datetime.now(UTC)
        return [describe_condition(c, now) for c in find_unmet(self.status)]

    def describe_end(self) -> str:
        """Return how it failed: the condition's words, then rank, node and message."""
        lines = list(describe_failure(self.status.get("failure") or {}))
        words = f"{self.title} failed: {self.why}"
        return f"{words} ({'; '.join(lines)})" if lines else words

    @property
    def job(self) -> EfficientNetJob:
        """The job as a model, defaults included."""
        from efficientnet_operator.api.parsing import parse_job

        return parse_job(self.document)

    @property
    def progress(self) -> Progress | None:
        """How far training is; None before the first figures."""
        from efficientnet_operator.api.status import Progress

        given = self.status.get("progress")
        return Progress.model_validate(given) if given else None

    def __repr__(self) -> str:
        return f"<{self.title}: {self.phase}>"

    def _repr_html_(self) -> str:
        from efficientnet_operator.sdk.html import render_jobs

        return render_jobs([self])


@dataclass(frozen=True, slots=True)
class Result:
    """What a job that succeeded left behind.

    Attributes:
        checkpoint: prefix of the last checkpoint's files, as the trainer's container sees it;
            None where rank 0's pod is gone and cannot be asked (``cleanPodPolicy: All``).
        output: the folder that holds it.
        step: updates applied.
        loss: mean training loss per image at the end; None where it was not measured.
        top1, top5: shares of the validation images, 0 to 1; None without an evaluation.
        seconds: from the start of the job, or its last resume, to its end; None if unknown.
        restarts: attempts after the first.
    """

    checkpoint: str | None
    output: str
    step: int | None
    loss: float | None
    top1: float | None
    top5: float | None
    seconds: float | None
    restarts: int

    @classmethod
    def build(cls, state: JobState, report: Mapping[str, Any]) -> Result:
        """Return the result of a finished job and rank 0's last word, {} where it is lost."""
        figures = state.status.get("progress") or {}
        start = parse_time(state.status.get("startTime"))
        end = parse_time(state.status.get("completionTime"))
        checkpoint = report.get("checkpoint")
        return cls(
            checkpoint=checkpoint if isinstance(checkpoint, str) else None,
            output=str((state.spec.get("output") or {}).get("path", "")),
            step=figures.get("step"),
            loss=figures.get("loss"),
            top1=figures.get("top1"),
            top5=figures.get("top5"),
            seconds=(end - start).total_seconds() if start and end else None,
            restarts=int(state.status.get("restarts") or 0),
        )

    def _repr_html_(self) -> str:
        from efficientnet_operator.sdk.html import render_result

        return render_result(self)
