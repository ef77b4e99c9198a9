"""Keep two attempts from writing the same checkpoints.

A node that lost its network goes on training while its successor has already begun.  The
writer of checkpoints keeps ``<model_dir>/.owner``: within one job a lower attempt gives
way for good, and another job's run is refused only while the owner shows life.  A run
owns from its first step to its last, or to its failure; the evaluation and the export that
follow never do, nor does a run by hand, which has no job.
"""

import contextlib
import json
import os
import threading
import time
from typing import Callable, Mapping, NamedTuple, Optional

from efficientnet_trainer.termination import TransientError, write_whole

OWNER_FILE = ".owner"
RENEW_EVERY_S = 20.0
ALIVE_S = 60.0
"""An owner that was renewed this recently is alive: three renewals could have been missed."""


class OwnerLostError(TransientError):
    """Another run owns the model directory."""


class Owner(NamedTuple):
    """Who writes the checkpoints of one model directory."""

    job_uid: str
    attempt: int
    renewed: float = 0.0
    """Unix seconds."""
    name: str = ""
    """The job's, and the pod that writes for it: what a person looks for."""

    def __str__(self) -> str:
        """Name it for a message."""
        return f"{self.name or 'job'} (UID {self.job_uid}, attempt {self.attempt})"


def find_refusal(found: Optional[Owner], own: Owner, now: float) -> Optional[str]:
    """Return why ``own`` may not write where ``found`` is on record, or None if it may."""
    if found is None:
        return None
    if found.job_uid == own.job_uid:
        if found.attempt > own.attempt:
            return f"attempt {found.attempt} of this job took over from attempt {own.attempt}"
        return None
    age_s = now - found.renewed
    if age_s < ALIVE_S:
        return (
            f"{found} writes there, last seen {age_s:.0f} s ago; give each job an --model_dir of "
            f"its own, or delete that one: {ALIVE_S:.0f} s after its end the folder is free"
        )
    return None


def parse_owner(text: bytes) -> Optional[Owner]:
    """Return the owner on record; an unreadable record owns nothing."""
    try:
        record = json.loads(text.decode("utf-8"))
        return Owner(
            str(record["jobUID"]),
            int(record["attempt"]),
            float(record["renewed"]),
            str(record.get("name", "")),
        )
    except (KeyError, TypeError, ValueError):
        return None


class Ownership:
    """One run's claim on its model directory."""

    def __init__(
        self,
        model_dir: str,
        job_uid: str,
        attempt: int,
        name: str = "",
        clock: Callable[[], float] = time.time,
        renew_every_s: float = RENEW_EVERY_S,
    ) -> None:
        """Claim nothing yet."""
        self._path = os.path.join(model_dir, OWNER_FILE)
        self._own = Owner(job_uid, attempt, name=name)
        self._clock = clock
        self._renew_every_s = renew_every_s
        self._released = threading.Event()
        self._renewer = threading.Thread(
            target=self._renew_until_released, name="owner", daemon=True
        )

    def renew(self) -> None:
        """Claim the directory or show life.

        Raises:
            OwnerLostError: another run owns it.
        """
        self.check()
        record = {
            "jobUID": self._own.job_uid,
            "attempt": self._own.attempt,
            "renewed": self._clock(),
            "name": self._own.name,
        }
        write_whole(self._path, json.dumps(record).encode())

    def check(self) -> None:
        """Raise OwnerLostError if another run owns the directory."""
        refusal = find_refusal(self._read(), self._own, self._clock())
        if refusal is not None:
            raise OwnerLostError(
                f"{self._own} may not save to {os.path.dirname(self._path)}: {refusal}"
            )

    def release(self) -> None:
        """Give the directory up after the last checkpoint, so that another job need not wait.

        Leaves a record that is not this run's own.  Raises nothing, so that it can follow a
        failure: a record that cannot be deleted is void after ALIVE_S.
        """
        self._released.set()
        if self._renewer.is_alive():
            self._renewer.join()
        with contextlib.suppress(OSError):
            found = self._read()
            if found is not None and found[:2] == self._own[:2]:
                os.unlink(self._path)

    def keep_renewing(self) -> None:
        """Show life from a thread until the directory is released or lost.

        A loss is not reported from here: the next save finds it and stops the run.
        """
        self._renewer.start()

    def _renew_until_released(self) -> None:
        while not self._released.wait(self._renew_every_s) and self._renew_if_own():
            pass

    def _renew_if_own(self) -> bool:
        try:
            self.renew()
        except OwnerLostError:
            return False
        except OSError:
            pass  # A shared file system that stutters; the save itself will tell.
        return True

    def _read(self) -> Optional[Owner]:
        try:
            with open(self._path, "rb") as stream:
                return parse_owner(stream.read())
        except FileNotFoundError:
            return None


def claim(model_dir: str, env: Mapping[str, str]) -> Optional[Ownership]:
    """Claim ``model_dir`` for the job of the environment; None for a run by hand.

    Raises:
        OwnerLostError: another run owns it.
    """
    job_uid = env.get("ENJ_JOB_UID")
    if not job_uid:
        return None
    os.makedirs(model_dir, exist_ok=True)
    job, pod = env.get("ENJ_JOB_NAME"), env.get("JOB_POD_NAME")
    name = f"job {job}" + (f", pod {pod}" if pod else "") if job else ""
    ownership = Ownership(model_dir, job_uid, int(env.get("ENJ_ATTEMPT", "1")), name)
    ownership.renew()
    ownership.keep_renewing()
    return ownership


def watch(model_dir: str, env: Mapping[str, str]) -> Optional[Ownership]:
    """Return what tells whether another run owns ``model_dir``, and claims nothing itself.

    For the ranks above 0: on NPUs each saves to a folder of its own and reads it again when
    it starts, so what an old attempt still saves there must not meet the next one.  None for
    a run by hand.
    """
    job_uid = env.get("ENJ_JOB_UID")
    if not job_uid:
        return None
    return Ownership(model_dir, job_uid, int(env.get("ENJ_ATTEMPT", "1")))
