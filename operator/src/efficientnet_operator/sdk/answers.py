"""Read what the API server answered: an object, or an error that says the way out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from efficientnet_operator.api.names import API_VERSION, PLURAL
from efficientnet_operator.sdk.errors import (
    EnjError,
    ForbiddenError,
    GoneError,
    InvalidJobError,
    MissingApiError,
    NotFoundError,
    RefusedError,
    TakenError,
)
from efficientnet_operator.sdk.requests import Request

WORDS = 500
"""Characters that are shown of an answer which is no JSON, such as a proxy's page."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, read to its end."""

    status: int
    body: bytes
    retry_after: str | None = None


def read_answer(request: Request, answer: Answer) -> dict[str, Any]:
    """Return the object of an answer.

    Raises:
        EnjError: the server refused the request, or what answered does not speak JSON.
    """
    if answer.status >= HTTPStatus.BAD_REQUEST:
        raise explain_refusal(request, answer)
    document = _parse(answer.body)
    if document is None:
        words = f"what answers at the API server's address speaks no JSON: {_text(answer.body)}"
        raise RefusedError(f"{request.subject} cannot be {_past(request.verb)}: {words}", 0)
    return document


def explain_refusal(request: Request, answer: Answer) -> EnjError:
    """Return the error for an answer of status 400 or more."""
    status = _parse(answer.body) or {}
    words = str(status.get("message") or _text(answer.body) or "no reason given")
    subject, verb = request.subject, request.verb
    failed = f"{subject} cannot be {_past(verb)}: {words}"
    match answer.status:
        case HTTPStatus.NOT_FOUND:
            return _explain_missing(request, status, words)
        case HTTPStatus.UNAUTHORIZED:
            return ForbiddenError(
                f"{subject} cannot be {_past(verb)}: the API server does not know who asks;"
                " the login has expired or belongs to another cluster: log in anew"
            )
        case HTTPStatus.FORBIDDEN:
            return ForbiddenError(f"{failed}; ask whoever runs the cluster to allow it")
        case HTTPStatus.CONFLICT if status.get("reason") == "AlreadyExists":
            return TakenError(
                f"{subject} exists already; take another name, or delete it first"
                " (its checkpoints stay in its output)"
            )
        case HTTPStatus.CONFLICT if verb == "delete":
            return GoneError(f"{subject} was deleted meanwhile, and another has its name")
        case HTTPStatus.UNPROCESSABLE_ENTITY:
            return InvalidJobError(words)
        case HTTPStatus.BAD_REQUEST if verb == "create":
            return InvalidJobError(f"{subject} is invalid: {words}")
    return RefusedError(failed, answer.status)


def _explain_missing(request: Request, status: Mapping[str, Any], words: str) -> EnjError:
    """Tell a missing object from a missing namespace and a missing API, all of which are 404."""
    details = status.get("details") or {}
    if request.path.startswith(f"/apis/{API_VERSION}/") and not details.get("name"):
        return MissingApiError(
            f"the cluster has no {PLURAL}: {API_VERSION} is not served; install the operator"
            " (its chart brings the CRD), or name another cluster with --context"
        )
    if details.get("kind") == "namespaces":
        return NotFoundError(
            f"{request.subject} cannot be {_past(request.verb)}: there is no namespace"
            f" {details.get('name')}; create it, or name another with -n"
        )
    if details.get("kind") == PLURAL:
        return NotFoundError(f"{request.subject} does not exist; name its namespace with -n")
    return NotFoundError(f"{request.subject} cannot be {_past(request.verb)}: {words}")


def _past(verb: str) -> str:
    return {"read": "read", "list": "listed", "watch": "watched", "change": "changed"}.get(
        verb, f"{verb.rstrip('e')}ed"
    )


def _parse(body: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _text(body: bytes) -> str:
    return " ".join(body.decode(errors="replace").split())[:WORDS]
