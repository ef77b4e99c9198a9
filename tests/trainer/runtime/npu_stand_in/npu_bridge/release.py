"""What the constructors of three generations take: CANN 20.2, the middle, and today.

Source: Ascend/tensorflow, branches r1.2.0, r1.7.0 and r1.15.0.
"""

import inspect
import os
from pathlib import Path

ORDER = ("r1.2.0", "r1.7.0", "r1.15.0")


def _run_config_options(release):
    """Read which options NPURunConfig has in a release, from blocks that say since and until."""
    options = []
    for block in (Path(__file__).parent / "npu_run_config.txt").read_text().split("\n\n"):
        (when, other), names = block.split("\n")[0].split(), block.split()[2:]
        if when == "since" and ORDER.index(release) >= ORDER.index(other):
            options += names
        if when == "until" and ORDER.index(release) > ORDER.index(other):
            options = [name for name in options if name not in names]
    return options


_FIRST = {
    "NPURunConfig": _run_config_options("r1.2.0"),
    "NPUDistributedOptimizer": ["optimizer", "name"],
    "FixedLossScaleManager": ["loss_scale"],
}
_LATER = {
    "NPUDistributedOptimizer": ["optimizer", "is_weight_update_sharding", "name"],
    "FixedLossScaleManager": ["loss_scale", "enable_overflow_check"],
}
RELEASES = {
    "r1.2.0": _FIRST,
    "r1.7.0": {**_LATER, "NPURunConfig": _run_config_options("r1.7.0")},
    "r1.15.0": {**_LATER, "NPURunConfig": _run_config_options("r1.15.0")},
}


def installed():
    """Return the name of the release that is stood in for."""
    return os.environ.get("NPU_STAND_IN_RELEASE", "r1.2.0")


def of_release(cls):
    """Give a class the constructor of the release: its signature, and what it refuses."""
    names = RELEASES[installed()][cls.__name__]
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(name, kind, default=None) for name in names]
    signature = inspect.Signature([inspect.Parameter("self", kind), *parameters])
    build = cls.__init__

    def constructor(self, *args, **options):
        given = signature.bind(self, *args, **options).arguments
        del given["self"]
        build(self, **given)

    constructor.__signature__ = signature
    cls.__init__ = constructor
    return cls
