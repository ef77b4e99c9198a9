"""Put a plan into words: what a job waits for, and what would be done about it next.

Pure: the view and the plan that ``reconcile`` made of it go in, text or data
come out. For people, so messages are cut to a line; the data has them whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

from efficientnet_operator.api.names import KIND
from efficientnet_operator.core.allocations import name_some
from efficientnet_operator.core.plan import Plan
from efficientnet_operator.core.status_words import (
    Document,
    describe_attempt,
    describe_condition,
    describe_failure,
    describe_time,
    find_unmet,
)
from efficientnet_operator.core.view import View


def explain_plan(view: View, plan: Plan, now: datetime) -> str:
    """Return what a job waits for, what is amiss and what comes next, as lines of text."""
    status = plan.status if plan.status is not None else view.status
    parts = [
        [_describe_job(view, status), f"It waits for {plan.waits_for or 'nothing'}."],
        _titled("Not met:", (describe_condition(c, now) for c in find_unmet(status))),
        _titled("Last failure:", describe_failure(status.get("failure") or {})),
        _titled("Earlier attempts:", map(describe_attempt, status.get("history") or [])),
        _titled("Next the operator would:", _describe_steps(view, plan)),
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def plan_as_data(view: View, plan: Plan) -> dict[str, Any]:
    """Return the same as a value that JSON and YAML can hold; the objects are whole."""
    status = plan.status if plan.status is not None else view.status
    return {
        "job": view.job.key,
        "phase": status.get("phase"),
        "attempt": status.get("attempt"),
        "waitsFor": plan.waits_for,
        "unmet": [dict(c) for c in find_unmet(status)],
        "failure": status.get("failure"),
        "history": list(status.get("history") or []),
        "plan": {
            "status": plan.status,
            "statusFirst": plan.status_first,
            "deletes": [asdict(d) for d in plan.deletes],
            "creates": [*plan.creates, *plan.pods],
            "patches": [asdict(p) for p in plan.patches],
            "events": [asdict(e) for e in plan.events],
            "requeueSeconds": plan.requeue_s,
            "pollProgress": plan.poll_progress,
            "askAll": plan.ask_all,
            "deleteJob": plan.delete_job,
        },
    }


def _titled(title: str, lines: Iterable[str]) -> list[str]:
    indented = [f"  {line}" for line in lines]
    return [title, *indented] if indented else []


def _describe_job(view: View, status: Document) -> str:
    npus = status.get("npus") or {}
    restarts = status.get("restarts") or 0
    facts = [
        str(status.get("phase") or "not looked at yet"),
        f"attempt {status.get('attempt') or 0}",
        f"{restarts} restart{'s' * (restarts != 1)}",
        f"{npus.get('allocated', 0)} of {view.job.spec.npus} NPUs allocated",
    ]
    progress = status.get("progress") or {}
    if "step" in progress:
        facts.append(f"step {progress['step']} of {progress.get('totalSteps', '?')}")
    return f"{KIND} {view.job.key}: {', '.join(facts)}"


def _describe_steps(view: View, plan: Plan) -> Iterator[str]:
    written = list(_describe_status(view.status, plan.status))
    if plan.status_first:
        yield from written
    yield from _list_objects("delete", ((d.resource.kind, d.name) for d in plan.deletes))
    created = (*plan.creates, *plan.pods)
    yield from _list_objects("create", ((o["kind"], o["metadata"]["name"]) for o in created))
    patched = (*plan.patches, *plan.reports)
    yield from _list_objects("patch", ((p.resource.kind, p.name) for p in patched))
    if not plan.status_first:
        yield from written
    if plan.delete_job:
        yield "delete the job"
    if plan.ask_all:
        yield "ask every rank how far it is"
    elif plan.poll_progress:
        yield "ask rank 0 how far it is"
    if plan.requeue_s is not None:
        yield f"look again in {describe_time(plan.requeue_s)}, or when something changes"
    else:
        yield "look again when something changes"


def _describe_status(old: Document, new: Document | None) -> Iterator[str]:
    if new is None:
        return
    before = {c["type"]: c for c in old.get("conditions") or []}
    changes = []
    if new.get("phase") != old.get("phase"):
        changes.append(f"phase {old.get('phase') or 'none'} -> {new.get('phase')}")
    for condition in new.get("conditions") or []:
        known = before.get(condition["type"], {})
        if any(condition.get(k) != known.get(k) for k in ("status", "reason", "message")):
            changes.append(f"{condition['type']}={condition['status']} {condition['reason']}")
    told = {"phase", "conditions", "observedGeneration"}
    fields = sorted({*old, *new} - told)
    changes += [field for field in fields if new.get(field) != old.get(field)]
    yield f"write its status: {', '.join(changes) or 'the same'}"


def _list_objects(verb: str, objects: Iterable[tuple[str, str]]) -> Iterator[str]:
    names: dict[str, list[str]] = defaultdict(list)
    for kind, name in objects:
        names[kind].append(name)
    for kind, found in names.items():
        yield f"{verb} {len(found)} {kind}{'s' * (len(found) > 1)}: {name_some(found)}"
