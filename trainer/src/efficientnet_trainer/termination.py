"""How a run ends: exit codes, their reasons, and the message that the pod leaves behind.

The operator reads the code to decide on a retry and the JSON message to say why, so both
are a contract (tests/contract).  A child process hands its message to the launcher as a
file; the launcher writes the one that counts to the container's termination log.
"""

import contextlib
import json
import os
import uuid
from typing import Optional

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from efficientnet_trainer.errors import TrainerError

DONE = 0
BAD_CONFIGURATION = 2
BAD_DATA = 3
TRANSIENT = 75
STOPPED = 143

PERMANENT = frozenset({BAD_CONFIGURATION, BAD_DATA})

MESSAGE_BYTES = 4096
"""What a kubelet keeps of a termination message."""

_REASONS = {
    DONE: "Completed",
    BAD_CONFIGURATION: "BadConfiguration",
    BAD_DATA: "BadData",
    TRANSIENT: "Transient",
    STOPPED: "Stopped",
}


class TransientError(TrainerError):
    """A failure that another attempt can heal."""

    exit_code = TRANSIENT


class Termination(BaseModel):
    """One rank's last word; figures that it does not know are left out."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)

    rank: Optional[int] = None
    step: int = 0
    exit_code: int
    reason: str
    message: str = ""
    loss: Optional[float] = None
    top1: Optional[float] = None
    top5: Optional[float] = None
    checkpoint: Optional[str] = None


def reason_of(exit_code: int) -> str:
    """Return the contract's word for an exit code."""
    return _REASONS.get(exit_code, "Error")


def failure(
    exit_code: int, message: str, rank: Optional[int] = None, step: int = 0
) -> Termination:
    """Build the message of a run that did not complete."""
    return Termination(
        rank=rank, step=step, exit_code=exit_code, reason=reason_of(exit_code), message=message
    )


def encode(termination: Termination) -> bytes:
    """Return the JSON of a termination in at most 4,096 bytes, cutting its message if need be."""
    fields = termination.model_dump(by_alias=True, exclude_none=True)
    encoded = _json_bytes(fields)
    while len(encoded) > MESSAGE_BYTES:
        excess = len(encoded) - MESSAGE_BYTES
        # A character is at most 12 bytes once escaped, so cut a twelfth and look again.
        keep = len(fields["message"]) - max(1, excess // 12) - 1
        fields["message"] = fields["message"][: max(0, keep)] + "…"
        encoded = _json_bytes(fields)
    return encoded


def write_whole(path: str, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part."""
    # A name of our own, not mkstemp: that file would be its writer's alone to read.
    temporary = f"{path}.{uuid.uuid4().hex}"
    try:
        with open(temporary, "xb") as stream:
            stream.write(content)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def exit_report_path(folder: str, rank: int) -> str:
    """Return where a rank leaves its termination for the launcher."""
    return os.path.join(folder, f"rank-{rank}.exit.json")


def read_exit_report(folder: str, rank: int) -> Optional[Termination]:
    """Return what a rank left, or None where it had no time to."""
    try:
        with open(exit_report_path(folder, rank), "rb") as stream:
            return Termination.model_validate_json(stream.read())
    except FileNotFoundError:
        return None


def _json_bytes(fields: object) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode("utf-8", "replace")
