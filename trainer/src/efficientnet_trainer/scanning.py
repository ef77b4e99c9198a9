"""Read a TFRecord file from end to end and say what is in it and what is broken."""

import functools
from collections import Counter
from typing import Any, Callable, List, NamedTuple, Optional, Tuple

from efficientnet_trainer import records
from efficientnet_trainer.dataset_index import BrokenRecord, FileSummary, stamp
from efficientnet_trainer.decoding import ImageDecoder
from efficientnet_trainer.errors import DataError
from efficientnet_trainer.examples import BadContentError, read_content
from efficientnet_trainer.record_reader import RecordReader

TELL_EVERY = 50
"""Records between words of progress."""


class Look(NamedTuple):
    """Which file to read, and how thoroughly."""

    path: str
    decodes: bool
    """Whether each image is decoded; else it is trusted."""


class Found(NamedTuple):
    """What is in a file."""

    path: str
    summary: Optional[FileSummary]
    """None where the frames are not whole."""
    fault: Optional[str]
    """What is wrong with the frames."""
    label_counts: Any
    """Images of each label, a Counter."""
    sizes: List[Tuple[int, int]]
    """Height and width of each image, pixels; empty where images are not decoded."""
    image_bytes: int


@functools.lru_cache()
def _decoder() -> ImageDecoder:
    """Return the process's decoder: building its graph takes longer than many an image."""
    return ImageDecoder()


def scan_file(look: Look, tell: Callable[[int], None]) -> Found:
    """Read one file.

    Args:
        look: the file.
        tell: called with the number of records read since it was last called.
    """
    decoder = _decoder()
    label_counts: Any = Counter()
    sizes: List[Tuple[int, int]] = []
    broken: List[BrokenRecord] = []
    count = image_bytes = untold = 0
    fault = None
    before = stamp(look.path)
    try:
        with RecordReader(look.path) as reader:
            for frame in records.walk_frames(look.path):
                count += 1
                untold += 1
                if untold == TELL_EVERY:
                    tell(untold)
                    untold = 0
                try:
                    content = read_content(reader.read(frame))
                    if look.decodes:
                        sizes.append(decoder.measure(content.encoded))
                except (BadContentError, DataError) as error:
                    prefix = records.place_of(look.path, frame) + ": "
                    reason = str(error).replace(prefix, "", 1)
                    broken.append(
                        BrokenRecord(number=frame.number, offset=frame.offset, reason=reason)
                    )
                    continue
                label_counts[content.label] += 1
                image_bytes += len(content.encoded)
    except DataError as error:
        fault = str(error)
    tell(untold)
    summary = None
    if fault is None and before is not None:
        summary = FileSummary(
            size_bytes=before[0],
            changed_at=before[1],
            records=count,
            label_low=min(label_counts, default=None),
            label_high=max(label_counts, default=None),
            broken=tuple(broken),
        )
    return Found(look.path, summary, fault, label_counts, sizes, image_bytes)
