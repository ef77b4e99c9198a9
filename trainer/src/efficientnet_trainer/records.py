"""Find the TFRecord files of a split and check their frames without reading the data.

Pure standard library: a rank walks its files before TensorFlow is busy, so a missing,
empty or cut-off file ends the job in seconds and by name, not hours later as a
"corrupted record at 123" that names no file.

A TFRecord file is a row of frames: length (uint64), masked CRC-32C of the length,
the data, masked CRC-32C of the data; all little-endian.
"""

import os
import re
import struct
from typing import Dict, Iterator, List, NamedTuple, Sequence, Set

from efficientnet_trainer.errors import DataError

TRAIN = "train"
VALIDATION = "validation"

HEADER_BYTES = 12
FOOTER_BYTES = 4
_CRC_MASK = 0xA282EAD8
_CASTAGNOLI = 0x82F63B78
_SHARD_NAME = re.compile(r"-(\d+)-of-(\d+)$")


class NoFilesError(DataError):
    """A directory has no file of a split at all."""


class Frame(NamedTuple):
    """Where one record lies in its file."""

    number: int
    """From 0."""
    offset: int
    """Byte where its header starts."""
    length: int
    """Bytes of its data."""


def find_files(data_dir: str, split: str) -> List[str]:
    """List the files of a split by path, sorted by name.

    Args:
        data_dir: directory of the data set.
        split: what the names start with, ``train`` or ``validation``.

    Raises:
        DataError: the directory, all files, or a shard of the set is missing.
    """
    try:
        names = sorted(os.listdir(data_dir))
    except OSError as error:
        raise DataError(
            f"--data_dir {data_dir} cannot be listed ({error.strerror}); "
            f"mount the data set there or correct the path"
        ) from None
    found = [name for name in names if name.startswith(split + "-")]
    if not found:
        others = ", ".join(names[:3]) if names else "nothing"
        raise NoFilesError(
            f"--data_dir {data_dir} has no file {split}-*, it has {others}; "
            f"TFRecord files are called {split}-00000-of-00001 and so on"
        )
    _check_set_is_whole(data_dir, split, found)
    return [os.path.join(data_dir, name) for name in found]


def walk_frames(path: str) -> Iterator[Frame]:
    """Yield the frames of a file, reading headers only.

    Raises:
        DataError: the file is unreadable or empty, or a frame is corrupt or cut off.
    """
    name = os.path.basename(path)
    try:
        size = os.path.getsize(path)
        with open(path, "rb", buffering=0) as file:
            if size == 0:
                raise DataError(f"{name}: the file is empty; write or copy it again")
            yield from _walk(name, file.fileno(), size)
    except OSError as error:
        raise DataError(f"{name}: cannot be read ({error.strerror})") from None


def count_records(path: str) -> int:
    """Check every frame of a file and count them.

    Raises:
        DataError: as ``walk_frames``.
    """
    return sum(1 for _ in walk_frames(path))


def place_of(path: str, frame: Frame) -> str:
    """Return how messages call a record: file, number, byte."""
    return f"{os.path.basename(path)}: record {frame.number} at byte {frame.offset}"


def masked_crc32c(data: bytes) -> int:
    """Compute the checksum that a TFRecord file stores."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + _CRC_MASK) & 0xFFFFFFFF


def _check_set_is_whole(data_dir: str, split: str, names: Sequence[str]) -> None:
    """Hold names like train-00003-of-01024 to what they say; other names pass."""
    shards: Dict[int, Set[int]] = {}
    for name in names:
        match = _SHARD_NAME.search(name)
        if match:
            shards.setdefault(int(match.group(2)), set()).add(int(match.group(1)))
    if len(shards) > 1:
        totals = " and of ".join(str(total) for total in sorted(shards))
        raise DataError(
            f"--data_dir {data_dir} has {split} sets of {totals} files; keep one of them"
        )
    for total, present in shards.items():
        missing = sorted(set(range(total)) - present)
        if missing:
            raise DataError(
                f"--data_dir {data_dir} has {len(present)} of {total} {split} files, "
                f"{split}-{missing[0]:05d}-of-{total:05d} is missing; copy the whole set"
            )


def _walk(name: str, descriptor: int, size: int) -> Iterator[Frame]:
    number, offset = 0, 0
    while offset < size:
        where = f"{name}: record {number} at byte {offset}"
        header = os.pread(descriptor, HEADER_BYTES, offset)
        if len(header) < HEADER_BYTES:
            raise DataError(
                f"{where} is cut off in its header, the file has {size} bytes; "
                f"write or copy it again"
            )
        length, checksum = struct.unpack("<QI", header)
        if masked_crc32c(header[:8]) != checksum:
            raise DataError(
                f"{where} is corrupt: its length does not match its checksum; "
                f"this is no TFRecord file, or it was damaged: write or copy it again"
            )
        end = offset + HEADER_BYTES + length + FOOTER_BYTES
        if end > size:
            raise DataError(
                f"{where} is cut off: it ends at byte {end}, the file has {size}; "
                f"write or copy it again"
            )
        yield Frame(number, offset, length)
        number, offset = number + 1, end


def _build_crc_table() -> List[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (_CASTAGNOLI if byte & 1 else 0)
        table.append(byte)
    return table


_CRC_TABLE = _build_crc_table()
