"""Build a job from Python arguments and check it offline, by the models of ``api``.

Names may be written as in Python (``batch_size_per_npu``) or as in a manifest; values are plain
ones or models. What the API server would refuse is refused here, in its words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel

from efficientnet_operator.api.base import ApiModel
from efficientnet_operator.api.names import API_VERSION, KIND
from efficientnet_operator.api.spec import EfficientNetJobSpec
from efficientnet_operator.api.validation import describe_faults
from efficientnet_operator.sdk.errors import InvalidJobError


def build_job(
    name: str,
    *,
    image: str,
    dataset: str | Mapping[str, Any] | BaseModel,
    output: str | Mapping[str, Any] | BaseModel,
    npus: int = 1,
    namespace: str | None = None,
    labels: Mapping[str, str] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """Return the manifest of a job, checked.

    Args:
        name: of the job, at most 40 characters.
        image: trainer image.
        dataset: folder of the TFRecords, or all of ``spec.dataset``.
        output: folder of the checkpoints, or all of ``spec.output``.
        npus: ranks in all.
        namespace: None leaves it to whoever submits the job.
        labels: of the job, such as ``{"kueue.x-k8s.io/queue-name": "team-a"}``.
        **spec: any other field of the spec.

    Raises:
        InvalidJobError: the API server would refuse it; a line for each fault.

    >>> job = build_job("digits", image="trainer:1", dataset="/data", output="/output", npus=4,
    ...                 training={"batch_size_per_npu": 16, "train_steps": 200})
    >>> job["spec"]["training"]
    {'batchSizePerNpu': 16, 'trainSteps': 200}
    >>> build_job("digits", image="trainer:1", dataset="/data", output="/output", npus=12,
    ...           npus_per_pod=8)
    Traceback (most recent call last):
        ...
    efficientnet_operator.sdk.errors.InvalidJobError: The EfficientNetJob "digits" is invalid:
    * spec.npus: Invalid value: spec.npus is 12, not a multiple of spec.npusPerPod 8; use 8 or 16
    """
    given = {
        "npus": npus,
        "image": image,
        "dataset": {"path": dataset} if isinstance(dataset, str) else dataset,
        "output": {"path": output} if isinstance(output, str) else output,
        **spec,
    }
    metadata: dict[str, Any] = {"name": name}
    if namespace is not None:
        metadata["namespace"] = namespace
    if labels:
        metadata["labels"] = dict(labels)
    manifest = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": metadata,
        "spec": to_manifest(given, EfficientNetJobSpec),
    }
    check_job(manifest)
    return manifest


def check_job(manifest: Mapping[str, Any]) -> None:
    """Raise InvalidJobError for what the API server would refuse."""
    faults = describe_faults(manifest)
    if faults:
        raise InvalidJobError(faults)


def to_manifest(value: Any, model: type[BaseModel] | None = None) -> Any:
    """Return a value as a manifest has it: models as what was set of them, fields in camelCase.

    Only fields that the models know are renamed: what is free-form, as ``podTemplate``, belongs to
    Kubernetes.
    """
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)
    if isinstance(value, Mapping):
        fields = model.model_fields if model else {}
        written = {}
        for key, item in value.items():
            field = fields.get(key) or next((f for f in fields.values() if f.alias == key), None)
            name = field.alias if field and field.alias else key
            written[name] = to_manifest(item, _model_of(field.annotation) if field else None)
        return written
    if isinstance(value, list | tuple):
        return [to_manifest(item, model) for item in value]
    return value


def _model_of(annotation: Any) -> type[BaseModel] | None:
    """Return the model inside an annotation such as ``Annotated[list[Model], ...] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, ApiModel):
        return annotation
    found = (_model_of(argument) for argument in get_args(annotation))
    return next((model for model in found if model), None)
