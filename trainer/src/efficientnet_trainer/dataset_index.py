"""The summary of a data set that lies beside its files: counts, labels, what is broken.

Without it each rank walks the frames of its files before each attempt, a small read for
every image: minutes for ImageNet over NFS.  ``prepare`` and ``inspect`` write it; a file
whose size or time of change differs from what it says is walked as if it said nothing.
"""

import os
from typing import Dict, Optional, Tuple

from pydantic import BaseModel, ConfigDict, ValidationError
from typing_extensions import Literal

from efficientnet_trainer.termination import write_whole

INDEX_NAME = "efficientnet-index.json"


class BrokenRecord(BaseModel):
    """One record that cannot be trained on."""

    model_config = ConfigDict(frozen=True)

    number: int
    """From 0."""
    offset: int
    """Byte where its frame begins."""
    reason: str


class FileSummary(BaseModel):
    """What is known of one file whose frames are whole."""

    model_config = ConfigDict(frozen=True)

    size_bytes: int
    changed_at: int
    """Modification time, whole Unix seconds: what copies keep."""
    records: int
    label_low: Optional[int] = None
    label_high: Optional[int] = None
    """Over the records that are not broken; None where there is none."""
    broken: Tuple[BrokenRecord, ...] = ()


class DatasetIndex(BaseModel):
    """The summaries of a directory's files, by name."""

    version: Literal[1] = 1
    files: Dict[str, FileSummary] = {}
    plan: str = ""
    """What ``prepare`` wrote the files from."""

    @classmethod
    def load(cls, data_dir: str) -> "DatasetIndex":
        """Read a directory's index; one that is missing or unreadable knows no file."""
        try:
            with open(os.path.join(data_dir, INDEX_NAME), "rb") as stream:
                return cls.model_validate_json(stream.read())
        except (OSError, ValidationError):
            return cls()

    def find(self, path: str) -> Optional[FileSummary]:
        """Return what is known of a file as it is now, or None."""
        summary = self.files.get(os.path.basename(path))
        if summary is None or (summary.size_bytes, summary.changed_at) != stamp(path):
            return None
        return summary

    def write(self, data_dir: str) -> None:
        """Write the index into a directory.

        Raises:
            OSError: the directory cannot be written to.
        """
        path = os.path.join(data_dir, INDEX_NAME)
        write_whole(path, self.model_dump_json(exclude_defaults=True).encode())
        # Other users train on what one has prepared.
        os.chmod(path, 0o644)


def stamp(path: str) -> Optional[Tuple[int, int]]:
    """Return size and time of change of a file, or None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_size, int(found.st_mtime)
