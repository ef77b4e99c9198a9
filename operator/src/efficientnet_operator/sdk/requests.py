"""What is asked of the API server, as values: no connection, so one core serves two clients.

Each request knows what it is about in words, because an error has to name it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from efficientnet_operator.api.names import KIND
from efficientnet_operator.core.identity import JOB_NAME_LABEL, JOB_UID_LABEL, TRAINER_CONTAINER
from efficientnet_operator.core.resources import CONFIG_MAP, EVENT, JOB, POD

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
FIELD_MANAGER = "kubectl-enj"
PAGE = 500
WATCH_S = 300
"""A watch is opened anew after so long; the server ends it in any case some day."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request.

    Attributes:
        verb: what a person would call it: read, create, change, delete.
        subject: what it is about, such as ``EfficientNetJob default/b0``.
    """

    method: str
    path: str
    verb: str
    subject: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    content_type: str = JSON

    @property
    def target(self) -> str:
        """Path and query as they stand in the request's first line."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path


def name_job(namespace: str, name: str) -> str:
    """Return what errors call a job."""
    return f"{KIND} {namespace}/{name}"


def create_job(namespace: str, manifest: Mapping[str, Any], dry_run: bool = False) -> Request:
    """Ask to store a job; unknown fields are refused, as kubectl has it."""
    query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}
    if dry_run:
        query["dryRun"] = "All"
    name = str((manifest.get("metadata") or {}).get("name", ""))
    subject = name_job(namespace, name)
    return Request("POST", JOB.path(namespace), "create", subject, query, manifest)


def read_job(namespace: str, name: str) -> Request:
    """Ask for one job."""
    return Request("GET", JOB.path(namespace, name), "read", name_job(namespace, name))


def list_jobs(namespace: str, selector: str = "", token: str = "") -> Request:
    """Ask for a page of jobs; "" as namespace is all of them."""
    where = f"{KIND}s in {f'namespace {namespace}' if namespace else 'all namespaces'}"
    query = {"limit": str(PAGE), "labelSelector": selector, "continue": token}
    return Request("GET", JOB.path(namespace), "list", where, _some(query))


def watch_job(namespace: str, name: str, version: str, seconds: int = WATCH_S) -> Request:
    """Ask to be told what happens to one job from a resourceVersion on."""
    query = {
        "watch": "true",
        "fieldSelector": f"metadata.name={name}",
        "resourceVersion": version,
        "allowWatchBookmarks": "true",
        "timeoutSeconds": str(max(1, min(seconds, WATCH_S))),
    }
    return Request("GET", JOB.path(namespace), "watch", name_job(namespace, name), query)


def change_job(namespace: str, name: str, body: Mapping[str, Any]) -> Request:
    """Ask to merge-patch a job."""
    subject = name_job(namespace, name)
    query = {"fieldManager": FIELD_MANAGER}
    path = JOB.path(namespace, name)
    return Request("PATCH", path, "change", subject, query, body, MERGE_PATCH)


def delete_job(namespace: str, name: str, uid: str = "") -> Request:
    """Ask to delete a job, and not a namesake of another UID; its children follow it."""
    body: dict[str, Any] = {"propagationPolicy": "Background"}
    if uid:
        body["preconditions"] = {"uid": uid}
    subject = name_job(namespace, name)
    return Request("DELETE", JOB.path(namespace, name), "delete", subject, body=body)


def list_pods(namespace: str, name: str, uid: str, token: str = "") -> Request:
    """Ask for the pods of a job, of all attempts."""
    selector = f"{JOB_NAME_LABEL}={name},{JOB_UID_LABEL}={uid}"
    query = {"limit": str(PAGE), "labelSelector": selector, "continue": token}
    subject = f"the pods of {name_job(namespace, name)}"
    return Request("GET", POD.path(namespace), "list", subject, _some(query))


def list_events(namespace: str, name: str, uid: str, token: str = "") -> Request:
    """Ask for the events of a job itself."""
    query = {
        "limit": str(PAGE),
        "fieldSelector": f"involvedObject.name={name},involvedObject.uid={uid}",
        "continue": token,
    }
    subject = f"the events of {name_job(namespace, name)}"
    return Request("GET", EVENT.path(namespace), "list", subject, _some(query))


def read_table(namespace: str, name: str, config_map: str) -> Request:
    """Ask for the ConfigMap with an attempt's rank table."""
    subject = f"ConfigMap {config_map} of {name_job(namespace, name)}"
    return Request("GET", CONFIG_MAP.path(namespace, config_map), "read", subject)


def read_log(
    namespace: str,
    pod: str,
    *,
    follow: bool = False,
    tail: int | None = None,
    since: str = "",
) -> Request:
    """Ask for what a pod's trainer wrote, each line with its time.

    Args:
        namespace: of the pod.
        pod: its name.
        follow: stay until the container ends.
        tail: last lines only.
        since: RFC 3339 time; what is older is left out, by whole seconds.
    """
    query = {
        "container": TRAINER_CONTAINER,
        "timestamps": "true",
        "follow": "true" if follow else "",
        "tailLines": "" if tail is None else str(tail),
        "sinceTime": since,
    }
    path = POD.path(namespace, pod, "log")
    return Request("GET", path, "read", f"the log of Pod {namespace}/{pod}", _some(query))


def _some(query: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in query.items() if value}
