"""Deal the records of a split out to the ranks, and check what one of them gets.

Files are dealt out where every rank gets as many; else every rank reads all files and
keeps the records that are its own.  Either way the shares are disjoint and together
complete.  All this is done before a session exists, without reading the images.
"""

import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from typing import List, NamedTuple, Tuple

import tensorflow.compat.v1 as tf

from efficientnet_trainer import records
from efficientnet_trainer.dataset_index import INDEX_NAME, DatasetIndex
from efficientnet_trainer.decoding import ImageDecoder
from efficientnet_trainer.errors import DataError
from efficientnet_trainer.examples import LabelRange, check_record

EVEN_ENOUGH_FILES = 16
"""Files a rank from which one file more or less is no matter."""
WALKERS = 16
"""Files that are walked at a time: over a network each small read is a wait."""


class Share(NamedTuple):
    """What one rank reads."""

    paths: Tuple[str, ...]
    counts: Tuple[int, ...]
    """Records in each path."""
    num_shards: int
    """1 where the paths are the rank's alone."""
    shard_index: int

    @property
    def first_records(self) -> Tuple[int, ...]:
        """Records of the split before each path's own, where records are dealt out."""
        return tuple(itertools.accumulate((0, *self.counts[:-1])))

    @property
    def num_records(self) -> int:
        """Records that the rank keeps."""
        return len(range(self.shard_index, sum(self.counts), self.num_shards))


def plan_share(paths: List[str], num_shards: int, shard_index: int) -> Share:
    """Choose what one rank reads, and check the frames of those files.

    Raises:
        DataError: a frame is broken, or there are fewer records than ranks.
    """
    per_shard = len(paths) // num_shards
    even = per_shard > 0 and len(paths) % num_shards == 0
    by_file = even or per_shard >= EVEN_ENOUGH_FILES
    own = paths[shard_index::num_shards] if by_file else paths
    counts = _count_records(own)
    if by_file:
        return Share(tuple(own), counts, 1, 0)
    total = sum(counts)
    if total < num_shards:
        raise DataError(
            f"{os.path.dirname(paths[0])} has {total} records in {len(paths)} files, "
            f"fewer than the {num_shards} ranks that share them; use fewer ranks"
        )
    return Share(tuple(own), counts, num_shards, shard_index)


def check_first_records(share: Share, labels: LabelRange, max_bad: int) -> None:
    """Check the first record of each file: what is wrong there is mostly wrong everywhere.

    One of the rank's own records has to be good all the way to its pixels, for a share
    without a good record would be searched for ever.

    Raises:
        DataError: more than ``max_bad`` records are bad, or none is good.
    """
    _check_known_broken(share, max_bad)
    decoder = ImageDecoder()
    bad, found_good = 0, False
    for path, before in zip(share.paths, share.first_records):
        for frame in records.walk_frames(path):
            own = (before + frame.number) % share.num_shards == share.shard_index
            if frame.number and found_good:
                break
            if frame.number and not own:
                continue
            try:
                check_record(path, frame, labels, None if found_good else decoder.measure)
                found_good |= own
            except DataError:
                bad += 1
                if bad > max_bad:
                    raise
    if not found_good:
        raise DataError(
            f"{os.path.dirname(share.paths[0])}: none of the {share.num_records} records of this "
            f"rank is good; `efficientnet-trainer inspect` names what is wrong with each"
        )


def _check_known_broken(share: Share, max_bad: int) -> None:
    """Say at once what would end the run hours later."""
    index = DatasetIndex.load(os.path.dirname(share.paths[0]))
    summaries = [(path, index.find(path)) for path in share.paths]
    broken = [(path, record) for path, known in summaries if known for record in known.broken]
    if len(broken) > max_bad:
        path, first = broken[0]
        raise DataError(
            f"{os.path.basename(path)}: record {first.number} at byte {first.offset}: "
            f"{first.reason}; {INDEX_NAME} lists {len(broken)} broken records of this rank, "
            f"--max_bad_records is {max_bad}; write or copy the files again, or allow more"
        )


def _count_records(paths: List[str]) -> Tuple[int, ...]:
    """Count the records of files: by the index where it knows them as they are, else walking.

    Raises:
        DataError: a frame of a file is broken; the first such file's error.
    """
    index = DatasetIndex.load(os.path.dirname(paths[0]))

    def count(path: str) -> Tuple[int, bool]:
        summary = index.find(path)
        return (summary.records, False) if summary else (records.count_records(path), True)

    with ThreadPoolExecutor(WALKERS) as pool:
        counts = list(pool.map(count, paths))
    walked = sum(was_walked for _, was_walked in counts)
    if walked:
        tf.logging.info(
            "walked the records of %d of %d files; `efficientnet-trainer inspect` writes an index "
            "that saves this",
            walked,
            len(paths),
        )
    return tuple(number for number, _ in counts)
