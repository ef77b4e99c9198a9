"""CEL rules of the resource: what no single field can tell.

The API server evaluates them in the CRD, ``validation`` offline; both print
the same words.  Each message names the field, what was found, what was wanted
and the way out.  A rule with oldSelf runs on updates only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class Rule:
    """One CEL rule of one object of the schema."""

    rule: str
    """CEL expression over self that is true for a good object."""
    message: str
    """What to say otherwise; ``{expression}`` stands for the value of a CEL expression.

    No text of the user's stands at its ends, which the server trims.
    """
    field: str = ""
    """Path of the blamed field below the object, such as ``.scheduling.queue``."""
    reason: str = ""
    """Kind of the error; FieldValueInvalid when empty."""

    def to_cel(self) -> dict[str, str]:
        """Return the entry of x-kubernetes-validations."""
        entry = {"rule": self.rule}
        values = _PLACEHOLDER.findall(self.message)
        if values:
            # format, and not a sum with string(): of the latter the API server can not bound
            # the length, and refuses the rule for its estimated cost.
            text = _PLACEHOLDER.sub("%s", self.message).replace("'", "\\'")
            entry["messageExpression"] = f"'{text}'.format([{', '.join(values)}])"
        else:
            entry["message"] = self.message
        return entry | {
            key: value
            for key, value in (("fieldPath", self.field), ("reason", self.reason))
            if value
        }


def _immutable(field: str, *, optional: bool = False, scalar: bool = False) -> Rule:
    """Forbid a change of one field of the spec, its addition and its removal.

    In free-form objects (podTemplate.spec, the inside of a volume) one change
    escapes: a key that gives way to another, since the server's equality
    passes over keys that only one side has and compares their number.
    """
    same = f"self.{field} == oldSelf.{field}"
    if optional:
        # A transition rule on the field itself never runs when the field comes or goes.
        same = f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || {same})"
    change = f" from {{oldSelf.{field}}} to {{self.{field}}}" if scalar else ""
    message = (
        f"spec.{field} cannot change{change} once the job exists, only spec.runPolicy can;"
        " delete the job and create it again"
    )
    return Rule(same, message, f".{field}", "FieldValueForbidden")


_NAME: Final = Rule(
    "self.metadata.name.matches('^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$')",
    "metadata.name is {self.metadata.name}, with which the names of the job's pods cannot begin;"
    " use at most 40 lower-case letters, digits and hyphens, a letter first and no hyphen last",
    ".metadata.name",
)

_NPUS_PER_POD: Final = Rule(
    "self.npus % self.npusPerPod == 0",
    "spec.npus is {self.npus}, not a multiple of spec.npusPerPod {self.npusPerPod}; use"
    " {self.npus < self.npusPerPod ? '' :"
    " '%s or '.format([self.npus - self.npus % self.npusPerPod])}"
    "{self.npus + self.npusPerPod - self.npus % self.npusPerPod}",
    ".npus",
)
_NPUS_PER_HOST_CPU: Final = Rule(
    "self.accelerator != 'CPU' || !has(self.scheduling.npusPerHost)",
    "spec.scheduling.npusPerHost is {self.scheduling.npusPerHost}, but spec.accelerator is CPU,"
    " whose pods run on any node; remove npusPerHost",
    ".scheduling.npusPerHost",
)
_NPUS_PER_HOST_PODS: Final = Rule(
    "!has(self.scheduling.npusPerHost) || self.scheduling.npusPerHost % self.npusPerPod == 0",
    "spec.scheduling.npusPerHost is {self.scheduling.npusPerHost}, less than the spec.npusPerPod"
    " {self.npusPerPod} of a single pod; use {self.npusPerPod} or more, or remove npusPerHost",
    ".scheduling.npusPerHost",
)
_NPUS_PER_HOST_JOB: Final = Rule(
    "!has(self.scheduling.npusPerHost) || self.npus % self.scheduling.npusPerHost == 0",
    "spec.scheduling.npusPerHost is {self.scheduling.npusPerHost}, which does not divide spec.npus"
    " {self.npus}, and HCCL wants the same count on each host; use"
    " {self.npus % 4 == 0 ? 4 : self.npus % 2 == 0 ? 2 : 1}, or remove npusPerHost",
    ".scheduling.npusPerHost",
)
_TOPOLOGY: Final = Rule(
    "!has(self.scheduling.topologyKey) || self.rankTable.version == '1.0'",
    "spec.scheduling.topologyKey is {self.scheduling.topologyKey}, but spec.rankTable.version is"
    " {self.rankTable.version}, in which HCCL orders the hosts by address; use version 1.0, or"
    " remove topologyKey",
    ".scheduling.topologyKey",
)
_SAME_PATH: Final = Rule(
    "!has(self.dataset.volume) || !has(self.output.volume)"
    " || self.dataset.path != self.output.path",
    "spec.output.path is {self.output.path}, where spec.dataset.volume is mounted already; use"
    " another path",
    ".output.path",
)
_SHARED_OUTPUT: Final = Rule(
    "self.npus <= self.npusPerPod || !has(self.output.volume)"
    " || !(has(self.output.volume.emptyDir) || has(self.output.volume.ephemeral))",
    "spec.output.volume belongs to a single pod, but the job has {self.npus / self.npusPerPod};"
    " use a volume that they share, such as a ReadWriteMany persistentVolumeClaim or nfs",
    ".output.volume",
)
_MANAGED_BY: Final = Rule(
    "self.runPolicy.managedBy == oldSelf.runPolicy.managedBy",
    "spec.runPolicy.managedBy cannot change from {oldSelf.runPolicy.managedBy} to"
    " {self.runPolicy.managedBy} once the job exists; delete the job and create it again",
    ".runPolicy.managedBy",
    "FieldValueForbidden",
)

_STEPS_OR_EPOCHS: Final = Rule(
    "!has(self.trainSteps) || !has(self.epochs)",
    "spec.training.trainSteps is {self.trainSteps} and spec.training.epochs is {self.epochs}, but"
    " one follows from the other; remove one of them",
    ".epochs",
)
_MICRO_BATCHES: Final = Rule(
    # The API server also holds the default of training against it, where both are still unset.
    "!has(self.batchSizePerNpu) || !has(self.gradientAccumulationSteps)"
    " || self.batchSizePerNpu % self.gradientAccumulationSteps == 0",
    "spec.training.gradientAccumulationSteps is {self.gradientAccumulationSteps}, which does not"
    " divide spec.training.batchSizePerNpu {self.batchSizePerNpu}; use a divisor, such as"
    " {self.batchSizePerNpu % 4 == 0 ? 4 : self.batchSizePerNpu % 2 == 0 ? 2 : 1}",
    ".gradientAccumulationSteps",
)
_QUEUE: Final = Rule(
    "!has(self.queue) || self.gang == 'Volcano'",
    "spec.scheduling.queue is {self.queue}, but spec.scheduling.gang is {self.gang}, and only"
    " Volcano has queues; for Kueue set the label kueue.x-k8s.io/queue-name on the job",
    ".queue",
)
_FAILURE_RULE: Final = Rule(
    "has(self.onExitCodes) || has(self.onReasons)",
    "the rule matches no failure; set onExitCodes, onReasons or both",
)


def _mounted_path(field: str) -> Rule:
    return Rule(
        "!has(self.volume) || self.path.startsWith('/')",
        f"spec.{field}.path is {{self.path}}, at which spec.{field}.volume cannot be mounted; use"
        " an absolute path, such as /{self.path} instead",
        ".path",
    )


RULES: Final[dict[str, tuple[Rule, ...]]] = {
    "": (_NAME,),
    "spec": (
        _NPUS_PER_POD,
        _NPUS_PER_HOST_CPU,
        _NPUS_PER_HOST_PODS,
        _NPUS_PER_HOST_JOB,
        _TOPOLOGY,
        _SAME_PATH,
        _SHARED_OUTPUT,
        _immutable("npus", scalar=True),
        _immutable("npusPerPod", scalar=True),
        _immutable("accelerator", scalar=True),
        _immutable("image", scalar=True),
        _immutable("model"),
        _immutable("dataset"),
        _immutable("output"),
        _immutable("training"),
        _immutable("transferLearning", optional=True),
        _immutable("export"),
        _immutable("rankTable"),
        _immutable("scheduling"),
        _immutable("podTemplate"),
        _MANAGED_BY,
    ),
    "spec.dataset": (_mounted_path("dataset"),),
    "spec.output": (_mounted_path("output"),),
    "spec.training": (_STEPS_OR_EPOCHS, _MICRO_BATCHES),
    "spec.scheduling": (_QUEUE,),
    "spec.runPolicy.failurePolicy.rules[]": (_FAILURE_RULE,),
}
"""Rules by the object that they see as self; ``[]`` is an item of a list."""
