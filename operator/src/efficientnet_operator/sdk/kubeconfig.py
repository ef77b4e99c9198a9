"""Read who one is and where the cluster is from kubeconfig files, as kubectl does.

Pure: parsed files go in, one ``Access`` comes out; ``login`` reads the files and makes a
connection of it. The Kubernetes client would do the same, but its import alone takes
longer than a person waits for the first line of a status.

Source: k8s.io/client-go, tools/clientcmd: names of the first file win, relative paths are
relative to their file, data wins over files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from efficientnet_operator.sdk.errors import LoginError

Document = Mapping[str, Any]

PATHS = {
    "clusters": ("certificate-authority",),
    "users": ("client-certificate", "client-key", "tokenFile"),
}
"""Fields of entries that name files."""


@dataclass(frozen=True, slots=True)
class Access:
    """One context of a kubeconfig.

    Attributes:
        context: its name, for words.
        cluster: the cluster's own entry: server, certificate-authority(-data), proxy-url, ...
        user: the user's entry: token, client-certificate(-data), exec, ...
        namespace: the one that is meant where none is named.
    """

    context: str
    cluster: Document
    user: Document = field(default_factory=dict)
    namespace: str = "default"


def choose_access(files: Sequence[tuple[Path, Document]], context: str | None = None) -> Access:
    """Return what the files say about a context, the current one where none is named.

    Args:
        files: path and content of each kubeconfig, the most important first.
        context: name of another context than the current one.

    Raises:
        LoginError: the context, its cluster or its user is missing.
    """
    where = ", ".join(str(path) for path, _ in files) or "no kubeconfig"
    name = context or next(
        (f["current-context"] for _, f in files if f.get("current-context")), ""
    )
    if not name:
        raise LoginError(f"{where}: no current context; name one with --context")
    chosen = _find(files, "contexts", name)
    if chosen is None:
        known = ", ".join(sorted(_names(files, "contexts"))) or "none"
        raise LoginError(f"{where}: there is no context {name!r}; there is {known}")
    cluster = _find(files, "clusters", chosen.get("cluster"))
    if cluster is None or not cluster.get("server"):
        raise LoginError(
            f"{where}: context {name!r} names the cluster {chosen.get('cluster')!r}, which has no"
            " server there; name another context with --context"
        )
    user = _find(files, "users", chosen["user"]) if chosen.get("user") else {}
    if user is None:
        raise LoginError(
            f"{where}: context {name!r} names the user {chosen['user']!r}, which is not there;"
            " name another context with --context"
        )
    return Access(name, cluster, user, chosen.get("namespace") or "default")


def _entries(
    files: Iterable[tuple[Path, Document]], group: str
) -> Iterable[tuple[Path, Document]]:
    for path, content in files:
        for entry in content.get(group) or []:
            if isinstance(entry, dict):
                yield path, entry


def _names(files: Iterable[tuple[Path, Document]], group: str) -> set[str]:
    return {str(entry.get("name")) for _, entry in _entries(files, group)}


def _find(files: Sequence[tuple[Path, Document]], group: str, name: object) -> Document | None:
    """Return the first entry of a name, its files as absolute paths; None where there is none."""
    for path, entry in _entries(files, group):
        if entry.get("name") == name:
            body = dict(entry.get(group.removesuffix("s")) or {})
            for key in PATHS.get(group, ()):
                if body.get(key):
                    body[key] = str(path.parent / str(body[key]))
            return body
    return None
