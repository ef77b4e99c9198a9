"""The EfficientNetJob resource: its models, and what is generated from them.

The pydantic models are the one source of the resource.  ``crd`` turns them
into the CustomResourceDefinition, ``docs`` into a page of documentation,
``validation`` checks a manifest offline with the words of the API server.
The rest of the operator reads jobs through ``parse_job`` only.
"""

from efficientnet_operator.api.names import API_VERSION, GROUP, KIND, PLURAL, VERSION
from efficientnet_operator.api.parsing import parse_job
from efficientnet_operator.api.spec import EfficientNetJob, EfficientNetJobSpec, Metadata
from efficientnet_operator.api.status import (
    AttemptRecord,
    Condition,
    EfficientNetJobStatus,
    Failure,
    NpuCounts,
    Progress,
    RankTableStatus,
)

__all__ = [
    "API_VERSION",
    "GROUP",
    "KIND",
    "PLURAL",
    "VERSION",
    "AttemptRecord",
    "Condition",
    "EfficientNetJob",
    "EfficientNetJobSpec",
    "EfficientNetJobStatus",
    "Failure",
    "Metadata",
    "NpuCounts",
    "Progress",
    "RankTableStatus",
    "parse_job",
]
