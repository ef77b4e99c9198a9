"""Let the ranks of a gang evaluate one checkpoint together, through files they all see.

TensorFlow's workers cannot evaluate inside their cluster, so each rank evaluates its share
of the images alone.  Rank 0 announces a checkpoint in ``<model_dir>/.evaluation``; every
other rank leaves the sums of its share there; rank 0 adds them up.  A token of each
announcement keeps older files from being taken for an answer, and the attempt keeps an
older announcement from being followed.  Files are replaced whole.
"""

import os
import time
import uuid
from typing import Callable, List, Mapping, NamedTuple, Optional, Type, TypeVar

from pydantic import BaseModel, ValidationError

from efficientnet_trainer.termination import TransientError, write_whole
from efficientnet_trainer.totals import Totals

FOLDER = ".evaluation"
PATIENCE_S = 1800.0
"""For a rank that is late; shared file systems may show a new file a minute late, too."""
POLL_S = 0.5

Stopped = Callable[[], bool]
_Message = TypeVar("_Message", bound=BaseModel)
_Found = TypeVar("_Found")


class RankMissingError(TransientError):
    """A rank did not take part in an evaluation in time."""


class Announcement(BaseModel):
    """What rank 0 wants evaluated."""

    token: str
    attempt: str
    path: str = ""
    """Prefix of the checkpoint; empty where there is nothing more to evaluate."""
    step: int = 0


class Share(BaseModel):
    """What one rank found."""

    token: str
    totals: Totals


class Member(NamedTuple):
    """Who takes part."""

    rank: int
    size: int
    attempt: str
    """Of which job, and which of its attempts: equal in all ranks of one gang."""


def attempt_of(env: Mapping[str, str]) -> str:
    """Return what tells this gang from earlier ones in the same folder."""
    return "{}/{}".format(env.get("ENJ_JOB_UID", ""), env.get("ENJ_ATTEMPT", "1"))


class Gathering:
    """One rank's part in the evaluations of its gang."""

    def __init__(
        self,
        model_dir: str,
        member: Member,
        stopped: Stopped,
        patience_s: float = PATIENCE_S,
        poll_s: float = POLL_S,
    ) -> None:
        """Take part in the evaluations of ``model_dir``.

        Args:
            model_dir: a folder that all ranks share.
            member: this rank.
            stopped: whether this process was asked to stop; it then waits no longer.
            patience_s: how long another rank is waited for.
            poll_s: seconds between two looks.
        """
        self._folder = os.path.join(model_dir, FOLDER)
        self._member = member
        self._stopped = stopped
        self._patience_s = patience_s
        self._poll_s = poll_s
        self._done = ""

    def announce(self, path: str, step: int) -> Announcement:
        """Ask all other ranks to evaluate a checkpoint; rank 0 alone does."""
        os.makedirs(self._folder, exist_ok=True)
        announcement = Announcement(
            token=uuid.uuid4().hex, attempt=self._member.attempt, path=path, step=step
        )
        self._write("announcement", announcement)
        return announcement

    def dismiss(self) -> None:
        """Tell the other ranks that there is nothing more to evaluate."""
        self.announce("", 0)

    def await_announcement(self, patience_s: float = 0.0) -> Optional[Announcement]:
        """Return the next checkpoint that rank 0 announces.

        Args:
            patience_s: how much longer than usual rank 0 may take.

        Returns:
            None where there is nothing more to evaluate, or this process is to stop.

        Raises:
            RankMissingError: rank 0 announced nothing in time.
        """

        def look() -> Optional[Announcement]:
            found = self._read("announcement", Announcement)
            is_new = found is not None and found.token != self._done
            return found if found and is_new and found.attempt == self._member.attempt else None

        patience_s += self._patience_s
        found = self._wait_for(look, patience_s)
        if found is not None:
            self._done = found.token
            return found if found.path else None
        if self._stopped():
            return None
        raise RankMissingError(
            f"rank 0 of {self._member.size} named no checkpoint to evaluate in "
            f"{self._folder} within {patience_s:g} s; its log says why, and whether all ranks "
            f"see the same --model_dir"
        )

    def leave_share(self, announcement: Announcement, totals: Totals) -> None:
        """Leave this rank's sums for rank 0."""
        share = Share(token=announcement.token, totals=totals)
        self._write(f"rank-{self._member.rank}", share)

    def collect_shares(self, announcement: Announcement) -> List[Totals]:
        """Return the sums of all other ranks; fewer where this process is to stop.

        Raises:
            RankMissingError: names the ranks that left none in time.
        """
        missing = list(range(1, self._member.size))
        found: List[Totals] = []

        def look() -> Optional[bool]:
            for rank in tuple(missing):
                share = self._read(f"rank-{rank}", Share)
                if share is not None and share.token == announcement.token:
                    found.append(share.totals)
                    missing.remove(rank)
            return True if not missing else None

        if self._wait_for(look, self._patience_s) is None and not self._stopped():
            ranks = ", ".join(str(rank) for rank in missing)
            raise RankMissingError(
                f"the evaluation of step {announcement.step} lacks the share of rank {ranks} "
                f"(of {self._member.size}): no rank-{missing[0]}.json in {self._folder} within "
                f"{self._patience_s:g} s of rank 0's own; the log of that rank says why"
            )
        return found

    def _wait_for(
        self, look: Callable[[], Optional[_Found]], patience_s: float
    ) -> Optional[_Found]:
        deadline = time.monotonic() + patience_s
        while True:
            found = look()
            if found is not None or self._stopped() or time.monotonic() >= deadline:
                return found
            time.sleep(self._poll_s)

    def _write(self, name: str, message: BaseModel) -> None:
        path = os.path.join(self._folder, name + ".json")
        write_whole(path, message.model_dump_json().encode())

    def _read(self, name: str, kind: Type[_Message]) -> Optional[_Message]:
        """Return a message, or None where there is none of this form."""
        try:
            with open(os.path.join(self._folder, name + ".json"), "rb") as stream:
                return kind.model_validate_json(stream.read())
        except (OSError, ValidationError):
            return None
