"""``efficientnet-operator explain -f``: show what a manifest would become, offline.

The same validation as the CRD's, with its words, and the same plan as the
operator's first one; nothing is contacted.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import yaml

from efficientnet_operator.api.parsing import parse_job
from efficientnet_operator.api.spec import EfficientNetJob, Metadata
from efficientnet_operator.api.validation import describe_faults
from efficientnet_operator.core.gang.group_view import let_in
from efficientnet_operator.core.reconcile import reconcile
from efficientnet_operator.core.resources import POD_GROUPS, resource_of
from efficientnet_operator.core.view import View

EXAMPLE_UID = "00000000-0000-4000-8000-000000000000"
"""Stands for the UID that the API server gives; children's labels and owners carry it."""


class RefusedError(Exception):
    """The API server would not take the manifest; one line for each fault."""


class _Dumper(yaml.SafeDumper):
    """Block style without anchors: each document reads on its own."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write a repeated value out each time."""
        return True


def explain(manifest: Mapping[str, Any]) -> str:
    """Return every object that the operator would create, as YAML documents.

    Raises:
        RefusedError: the CRD would refuse the manifest.
    """
    faults = describe_faults(manifest)
    if faults:
        raise RefusedError(faults)
    job = _as_if_stored(parse_job(manifest))
    if job.spec.run_policy.suspend:
        return "# runPolicy.suspend is true: nothing would be created.\n"
    plan = reconcile(View(job), datetime.now(UTC))
    objects = [*plan.creates, *plan.pods]
    if plan.creates and not plan.pods:
        # Some gangs' pods wait for their group; show what comes when it is admitted.
        groups = tuple(let_in(d) for d in plan.creates if resource_of(d) in POD_GROUPS)
        later = reconcile(View(job, groups=groups), datetime.now(UTC))
        objects += later.pods
    if not objects:
        return f"# Nothing would be created; the operator would wait for {plan.waits_for}.\n"
    return dump_yaml(*objects)


def dump_yaml(*documents: Any) -> str:
    """Return documents as block-style YAML."""
    return yaml.dump_all(
        documents, Dumper=_Dumper, sort_keys=False, default_flow_style=False, explicit_start=True
    )


def _as_if_stored(job: EfficientNetJob) -> EfficientNetJob:
    """Return the job with what the API server would have added."""
    given = job.metadata.model_dump()
    metadata = Metadata.model_validate({**given, "uid": given["uid"] or EXAMPLE_UID})
    return job.model_copy(update={"metadata": metadata})
