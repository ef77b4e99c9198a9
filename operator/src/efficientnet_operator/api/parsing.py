"""Read a job from JSON, with the defaults that the API server would apply.

``handlers`` and ``kube`` parse what they observed, ``explain`` a manifest that
``validation`` let pass; neither checks anything again here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from efficientnet_operator.api.crd import build_root_schema
from efficientnet_operator.api.defaulting import drop_nulls
from efficientnet_operator.api.manifests import to_json
from efficientnet_operator.api.spec import EfficientNetJob


def parse_job(manifest: Mapping[str, Any]) -> EfficientNetJob:
    """Return the job that a manifest or a stored object describes.

    Args:
        manifest: the whole object, in camelCase; unknown fields are ignored.

    Returns:
        The job with all defaults.  An object without metadata.uid was never
        stored: it loses its status and its nulls, as at creation.

    Raises:
        pydantic.ValidationError: the CRD would have refused the object.
        ValueError: a number is infinite or none.
    """
    metadata = manifest.get("metadata") or {}
    if not metadata.get("uid"):
        manifest = _as_created(manifest)
    return EfficientNetJob.model_validate(manifest)


def _as_created(manifest: Mapping[str, Any]) -> dict[str, Any]:
    created: dict[str, Any] = to_json(dict(manifest))
    created.pop("status", None)
    drop_nulls(created, build_root_schema())
    return created
