"""Write the reference of the trainer's metrics from the families that are exported.

Generated like the operator's, so that no metric goes without an entry.
Usage: python -m efficientnet_trainer.documenting --reference DIR
"""

import argparse
import os
from typing import List, Optional

from prometheus_client.core import Metric

from efficientnet_trainer.metrics import ProgressCollector

PAGE = "trainer-metrics.md"
_HEAD = """\
<!-- Generated from efficientnet_trainer.metrics by `make generate`; do not edit. -->
# Metrics of the trainer

Served by each pod's launcher at `/metrics` on port 8080, for all ranks of the pod, from its start
to its end. Each metric has the label `rank`; a figure that a rank does not know yet has no sample.
A histogram is exported as `_bucket`, `_sum` and `_count`. What the figures say is in the
[runbook](../runbook.md#what-the-trainers-metrics-say), the operator's are in
[metrics](metrics.md).

| metric | type | labels | meaning |
|---|---|---|---|
"""


def build_reference() -> str:
    """Return the page in Markdown, equal at every call."""
    rows = sorted(_row(family) for family in ProgressCollector(lambda: ()).collect())
    return _HEAD + "".join(rows)


def _row(family: Metric) -> str:
    name = family.name + ("_total" if family.type == "counter" else "")
    # The library keeps them to itself: without a sample there is no other way to learn them.
    labels = ", ".join(f"`{label}`" for label in vars(family)["_labelnames"])
    return f"| `{name}` | {family.type} | {labels} | {family.documentation} |\n"


def main(words: Optional[List[str]] = None) -> None:
    """Write the page into the folder that the arguments name."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--reference", required=True, metavar="DIR")
    path = os.path.join(parser.parse_args(words).reference, PAGE)
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(build_reference())
    print(path)


if __name__ == "__main__":
    main()
