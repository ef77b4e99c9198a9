"""Find out whether a data set's labels begin at 0 or at 1, from the labels themselves.

A label 0 settles it, and so does one that equals the number of classes.  Where neither is
seen nothing is decided in silence: the assumption is logged with how to settle it, and a
label that contradicts it later ends the run by name.  Every rank looks at the same records
of both splits, so that all come to the same end.
"""

import contextlib
import itertools
from typing import Iterator, List, NamedTuple, Optional

import tensorflow.compat.v1 as tf

from efficientnet_trainer import records
from efficientnet_trainer.config import TrainerConfig
from efficientnet_trainer.dataset_index import DatasetIndex
from efficientnet_trainer.errors import DataError
from efficientnet_trainer.examples import BadContentError, LabelRange, read_content
from efficientnet_trainer.record_reader import RecordReader

SAMPLED_RECORDS = 256
"""About 28 MB of ImageNet; ten classes are settled for sure, a thousand by chance."""


class Evidence(NamedTuple):
    """The labels that were seen."""

    low: int
    high: int
    complete: bool
    """Whether these are all of the data set's."""

    def __str__(self) -> str:
        what = "labels are" if self.complete else "labels of a sample are"
        return f"{what} {self.low}..{self.high}"


def choose_labels(config: TrainerConfig) -> LabelRange:
    """Return which labels records may carry: by flag, else by inspection.

    Where inspection leaves it open, TF-Slim's labels from 1 are assumed, and the log says so.
    """
    classes = config.num_label_classes
    if config.has_fixed_offset:
        return LabelRange(classes, config.class_offset)
    evidence = collect_evidence(config.data_dir)
    offset = infer_offset(evidence, classes)
    if offset is None:
        tf.logging.warning(
            "%s, which %d classes from 0 and from 1 both allow; taken to begin at %d, as TF-Slim "
            "writes them; to be sure, set --label_offset or run: efficientnet-trainer inspect %s",
            evidence or "no label could be read",
            classes,
            config.class_offset,
            config.data_dir,
        )
        offset = config.class_offset
    return LabelRange(classes, offset)


def infer_offset(evidence: Optional[Evidence], num_classes: float) -> Optional[int]:
    """Return the label of the first class, 0 or 1, or None where it cannot be told.

    Where both 0 and ``num_classes`` are seen, one is wrong: labels are then taken to begin
    at 1, and each 0 is reported.
    """
    if evidence is None:
        return None
    if evidence.high >= num_classes or (evidence.complete and evidence.low == 1):
        return 1
    return 0 if evidence.low == 0 else None


def collect_evidence(data_dir: str) -> Optional[Evidence]:
    """Look at the labels of both splits: all of them where an index has them, else a sample."""
    paths = _present_files(data_dir)
    index = DatasetIndex.load(data_dir)
    summaries = [index.find(path) for path in paths]
    lows = [s.label_low for s in summaries if s and s.label_low is not None]
    highs = [s.label_high for s in summaries if s and s.label_high is not None]
    if paths and len(lows) == len(paths):
        return Evidence(min(lows), max(highs), True)
    seen = [label for label in _sample_labels(paths) if label >= 0]
    return Evidence(min(seen), max(seen), False) if seen else None


def _sample_labels(paths: List[str]) -> Iterator[int]:
    """Yield labels of records all over the files; broken ones are left to those who look."""
    stride = max(1, len(paths) // SAMPLED_RECORDS)
    chosen = paths[::stride]
    for path in chosen:
        with RecordReader(path) as reader:
            few = max(1, SAMPLED_RECORDS // len(chosen))
            with contextlib.suppress(DataError):
                for frame in itertools.islice(records.walk_frames(path), few):
                    with contextlib.suppress(BadContentError, DataError):
                        yield read_content(reader.read(frame)).label


def _present_files(data_dir: str) -> List[str]:
    """List the files of both splits; a split that is not there is left out."""
    found: List[str] = []
    for split in (records.TRAIN, records.VALIDATION):
        with contextlib.suppress(DataError):
            found += records.find_files(data_dir, split)
    return found
