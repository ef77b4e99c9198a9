"""Build the CustomResourceDefinition from the models and the CEL rules.

Pure.  ``generate`` writes it for kubectl and the chart; ``validation`` reads
it to refuse offline what the API server would refuse.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from efficientnet_operator.api import names
from efficientnet_operator.api.rules import RULES
from efficientnet_operator.api.schema import Schema, build_schema, explain
from efficientnet_operator.api.spec import EfficientNetJob, EfficientNetJobSpec
from efficientnet_operator.api.status import EfficientNetJobStatus

_COLUMNS = (
    ("Phase", "string", ".status.phase", "State in one word."),
    ("NPUs", "integer", ".spec.npus", "NPUs of the job in all."),
    ("Step", "integer", ".status.progress.step", "Updates applied."),
    ("Images/s", "number", ".status.progress.imagesPerSecond", "Images per second, all ranks."),
    ("Loss", "number", ".status.progress.loss", "Training loss per image."),
    ("Top-1", "number", ".status.progress.top1", "Share of images whose best guess is right."),
    ("Restarts", "integer", ".status.restarts", "Attempts after the first."),
    ("Age", "date", ".metadata.creationTimestamp", "Time since creation."),
)


def build_crd() -> dict[str, Any]:
    """Return the CustomResourceDefinition as JSON data, equal at every call."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names.PLURAL}.{names.GROUP}"},
        "spec": {
            "group": names.GROUP,
            "names": {
                "kind": names.KIND,
                "listKind": names.LIST_KIND,
                "plural": names.PLURAL,
                "singular": names.SINGULAR,
                "shortNames": list(names.SHORT_NAMES),
                "categories": ["all"],
            },
            "scope": "Namespaced",
            "versions": [
                {
                    "name": names.VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": explain(build_root_schema())},
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [
                        {"name": name, "type": kind, "jsonPath": path, "description": text}
                        for name, kind, path, text in _COLUMNS
                    ],
                }
            ],
        },
    }


@cache
def build_root_schema() -> Schema:
    """Return the schema of the whole object, rules included; shared, so not to be changed."""
    root: Schema = {
        "description": " ".join((EfficientNetJob.__doc__ or "").split()),
        "type": "object",
        "properties": {
            "apiVersion": {"type": "string", "description": f"Always {names.API_VERSION}."},
            "kind": {"type": "string", "description": f"Always {names.KIND}."},
            # Named only so that a rule can blame it; the server owns the rest of metadata.
            "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
            "spec": build_schema(EfficientNetJobSpec),
            "status": build_schema(EfficientNetJobStatus, defaults=False),
        },
        "required": ["spec"],
    }
    for path, rules in RULES.items():
        _find(root, path)["x-kubernetes-validations"] = [rule.to_cel() for rule in rules]
    return root


def _find(root: Schema, path: str) -> Schema:
    node = root
    for name in filter(None, path.split(".")):
        node = node["properties"][name.removesuffix("[]")]
        if name.endswith("[]"):
            node = node["items"]
    return node
