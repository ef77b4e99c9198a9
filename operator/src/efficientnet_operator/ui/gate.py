"""Who may look: ask the API server who a token belongs to, and what they may read.

Source: the API references of TokenReview (authentication.k8s.io/v1) and of
SubjectAccessReview (authorization.k8s.io/v1).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from efficientnet_operator.api.names import GROUP, PLURAL
from efficientnet_operator.kube.client import KubeClient

TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"  # noqa: S105 - a path
ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


def read_token(authorization: str) -> str:
    """Return the token of an Authorization header; "" where there is none.

    ``Bearer TOKEN`` is what programs send. A browser can only ask for name and password: with
    ``Basic`` the password is the token, and the name is not looked at.
    """
    scheme, _, value = authorization.strip().partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        decoded = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return decoded.partition(":")[2]


def describe_access(user: Mapping[str, Any], namespace: str, name: str) -> dict[str, Any]:
    """Return the SubjectAccessReview that asks whether a user may see a page.

    Args:
        user: ``status.user`` of a TokenReview.
        namespace: of the jobs; "" is all of them.
        name: of one job; "" is the list.
    """
    what = {
        "group": GROUP,
        "resource": PLURAL,
        "verb": "get" if name else "list",
        "namespace": namespace,
        "name": name,
    }
    who = {
        "user": user.get("username", ""),
        "groups": user.get("groups") or [],
        "uid": user.get("uid", ""),
        "extra": user.get("extra") or {},
    }
    return {"spec": {**who, "resourceAttributes": {k: v for k, v in what.items() if v}}}


class Gate:
    """Lets those through whom the API server knows and lets read the same jobs."""

    def __init__(self, client: KubeClient):
        self._client = client

    async def find_obstacle(
        self, authorization: str, namespace: str, name: str
    ) -> tuple[int, str] | None:
        """Return why a page is not shown, as HTTP status and words; None where it may be.

        Raises:
            ApiError: the API server does not answer the reviews.
        """
        token = read_token(authorization)
        if not token:
            return 401, "give a token of Kubernetes as password, or as Bearer"
        review = await self._client.create(TOKEN_REVIEWS, {"spec": {"token": token}})
        status = review.get("status") or {}
        user = status.get("user") or {}
        if not status.get("authenticated") or not user.get("username"):
            return 401, "the API server does not know this token; it may have expired"
        asked = describe_access(user, namespace, name)
        answer = await self._client.create(ACCESS_REVIEWS, asked)
        if not (answer.get("status") or {}).get("allowed"):
            where = f"namespace {namespace}" if namespace else "all namespaces"
            verb = asked["spec"]["resourceAttributes"]["verb"]
            return 403, f"{user['username']} may not {verb} {PLURAL} in {where}"
        return None
