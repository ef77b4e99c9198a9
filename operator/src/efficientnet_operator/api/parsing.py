"""Read a job from JSON, with the defaults that the API server would apply.

``handlers`` and ``kube`` parse what they observed, ``explain`` a manifest that
``validation`` let pass; neither checks anything again here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from efficientnet_operator.api.spec import EfficientNetJob


def parse_job(manifest: Mapping[str, Any]) -> EfficientNetJob:
    """Return the job that a manifest or a stored object describes.

    Args:
        manifest: the whole object, in camelCase; unknown fields are ignored.

    Returns:
        The job with all defaults.  An object without metadata.uid was never
        stored, so that its status is dropped as at creation.

    Raises:
        pydantic.ValidationError: the CRD would have refused the object.
    """
    metadata = manifest.get("metadata") or {}
    if not metadata.get("uid"):
        manifest = {key: value for key, value in manifest.items() if key != "status"}
    return EfficientNetJob.model_validate(manifest)
