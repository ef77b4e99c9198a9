"""The control file: what tests and the demo change about a running plugin.

JSON, read again whenever it changes; without a file everything is as it
should be.  Writers replace it whole (``write_controls``), so it is never seen
half-written.
"""

import os
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ascend_sim.annotations import ServerId
from ascend_sim.chips import CHIPS

Chip = Annotated[int, Field(ge=CHIPS[0], le=CHIPS[-1])]


class Controls(BaseModel):
    """One node's settings.

    Attributes:
        unhealthy: chips that are dead.
        device_ips: addresses in pod annotations in place of the true ones;
            `-1` is what the plugin writes when it could not read one.
        node_device_ips: the same for the node's annotation `baseDeviceInfos`.
        scattered: hand out chips of both rings in turn.
        server_id: the form of the pod annotation.
        period_s: seconds between two looks at the kubelet; the real plugin's
            `-listWatchPeriod` is 5 by default.
        paused: leave pods without annotation.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    unhealthy: frozenset[Chip] = frozenset()
    device_ips: dict[Chip, str] = {}
    node_device_ips: dict[Chip, str] = {}
    scattered: bool = False
    server_id: ServerId = "pod-uid"
    period_s: Annotated[float, Field(gt=0)] = 5.0
    paused: bool = False


class ControlFile:
    """Read access to a control file, cached until the file changes."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._version: tuple[int, int] | None = None
        self._controls = Controls()

    def current(self) -> Controls:
        """Return the settings of this moment.

        Raises:
            pydantic.ValidationError: the file holds something else.
        """
        version = self._stat()
        if version != self._version:
            content = self._path.read_bytes() if self._path and version else b"{}"
            self._controls = Controls.model_validate_json(content)
            self._version = version
        return self._controls

    def _stat(self) -> tuple[int, int] | None:
        try:
            stat = self._path.stat() if self._path else None
        except FileNotFoundError:
            return None
        return (stat.st_ino, stat.st_mtime_ns) if stat else None


def write_controls(path: Path, controls: Controls) -> None:
    """Replace a control file at one stroke."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(controls.model_dump_json(indent=2))
    partial.rename(path)
