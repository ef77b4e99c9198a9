"""Name a request to the API server by verb and resource: labels that stay few.

The verbs are those of RBAC, so that what is counted can be held against the
role. Names of objects and namespaces never become labels.
"""

from __future__ import annotations

VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


def label_request(method: str, path: str, *, watch: bool = False) -> tuple[str, str]:
    """Return verb and resource of a request.

    Args:
        method: of HTTP.
        path: without the query.
        watch: whether it opens a watch.
    """
    parts = path.strip("/").split("/")
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    if len(parts) > 2 and parts[0] == "namespaces":
        parts = parts[2:]
    # resource, name, subresource
    resource = "/".join(part for i, part in enumerate(parts) if i != 1) or "discovery"
    if watch:
        return "watch", resource
    return VERBS.get(method, "get" if len(parts) > 1 else "list"), resource
