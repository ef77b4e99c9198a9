"""Write all shards of a planned data set with parallel processes; go on after a kill.

Each finished shard leaves a note of what is in it.  A run with the same plan takes the
noted shards as they are; a run with another plan is refused.  When all are there, the
notes become the index and are removed.
"""

import argparse
import hashlib
import json
import os
import shutil
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from efficientnet_trainer.dataset_index import DatasetIndex, FileSummary, stamp
from efficientnet_trainer.errors import ConfigError, DataError
from efficientnet_trainer.prepare.layout import Source
from efficientnet_trainer.prepare.worker import Image, Shard, Written, write_shard
from efficientnet_trainer.prepare.writing import (
    refuse_other_sets,
    shard_name,
    summarize,
    write_labels,
)
from efficientnet_trainer.records import TRAIN, VALIDATION
from efficientnet_trainer.telling import Teller
from efficientnet_trainer.termination import write_whole
from efficientnet_trainer.workers import run_all

NOTES = ".prepare"


class Options(NamedTuple):
    """What all kinds of sources have in common."""

    out: str
    shards: Dict[str, int]
    shorter_side: Optional[int]
    processes: int
    max_broken: int


class Note(NamedTuple):
    """What is kept of a finished shard."""

    summary: FileSummary
    broken: List[Tuple[str, str]]


def add_common_arguments(parser: argparse.ArgumentParser, shards: Tuple[int, int]) -> None:
    """Add the options that ``read_options`` reads; ``shards`` are the defaults."""
    parser.add_argument("out", metavar="OUT", help="directory that the files go to")
    parser.add_argument("--train_shards", type=int, default=shards[0], help="training files")
    parser.add_argument(
        "--validation_shards", type=int, default=shards[1], help="validation files"
    )
    parser.add_argument(
        "--resize",
        type=int,
        metavar="PIXELS",
        help="make the shorter side at most this long, to store less and decode faster; the "
        "network's image size times 1.15 costs no accuracy to speak of (default: keep all)",
    )
    parser.add_argument(
        "--processes", type=int, default=len(os.sched_getaffinity(0)), help="files written at once"
    )
    parser.add_argument(
        "--max_broken",
        type=int,
        default=0,
        help="broken images that are left out; one more ends the run (default: 0)",
    )


def read_options(args: argparse.Namespace) -> Options:
    """Check the common options.

    Raises:
        ConfigError: one is out of range.
    """
    for name, low in (
        ("train_shards", 1),
        ("validation_shards", 1),
        ("processes", 1),
        ("max_broken", 0),
        ("resize", 8),
    ):
        value = getattr(args, name)
        if value is not None and value < low:
            raise ConfigError(f"--{name} is {value}; use {low} or more")
    shards = {TRAIN: args.train_shards, VALIDATION: args.validation_shards}
    return Options(args.out, shards, args.resize, args.processes, args.max_broken)


def write_dataset(source: Source, options: Options, texts: Optional[Sequence[str]] = None) -> int:
    """Write a data set and print the flags that train on it.

    Args:
        source: the images.
        options: how they are written.
        texts: what the records and the list of classes call each class; None for its name.

    Raises:
        ConfigError: the directory holds another set.
        DataError: more images are broken than may be.
    """
    shards = plan_shards(source, options, texts)
    plan = _fingerprint(shards)
    notes = os.path.join(options.out, NOTES)
    os.makedirs(options.out, exist_ok=True)
    refuse_other_sets(options.out, [os.path.basename(shard.path) for shard in shards])
    _claim(options.out, notes, plan, [shard.path for shard in shards])
    done = _read_notes(notes, shards)
    left = [shard for shard in shards if shard.path not in done]
    total = sum(len(shard.images) for shard in shards)
    with Teller(total, total - sum(len(shard.images) for shard in left)) as teller:
        budget = _Budget(options.max_broken, teller)
        for note in done.values():
            budget.add(note.broken)
        for written in _write(left, options.processes, teller, budget):
            done[written.path] = _keep_note(notes, written)
    write_labels(options.out, list(texts or source.class_names))
    files = {os.path.basename(path): note.summary for path, note in done.items()}
    DatasetIndex(files=files, plan=plan).write(options.out)
    shutil.rmtree(notes)
    _print_result(source, options, files, budget.count)
    return 0


def plan_shards(
    source: Source, options: Options, texts: Optional[Sequence[str]] = None
) -> List[Shard]:
    """Deal the images out to the files, in an order that is random and always the same.

    Raises:
        ConfigError: there are more files than images.
    """
    labels = {name: label for label, name in enumerate(source.class_names, 1)}
    planned = []
    for split, items in sorted(source.splits.items()):
        count = options.shards[split]
        if count > len(items):
            raise ConfigError(
                f"--{split}_shards is {count}, but {split} has {len(items)} images; use fewer"
            )
        images = []
        for item in items:
            label = labels[item.class_name]
            text = texts[label - 1] if texts else item.class_name
            images.append(Image(item.path, item.name, label, text))
        images.sort(key=_shuffled_place)
        for number in range(count):
            path = os.path.join(options.out, shard_name(split, number, count))
            planned.append(Shard(path, tuple(images[number::count]), options.shorter_side))
    return planned


def _shuffled_place(image: Image) -> bytes:
    """Order images by a hash: at random, and in every run alike."""
    return hashlib.sha256(image.name.encode(errors="surrogateescape")).digest()


class _Budget:
    """Names broken images and ends the run at one too many."""

    def __init__(self, allowed: int, teller: Teller) -> None:
        self._allowed = allowed
        self._teller = teller
        self.count = 0

    def add(self, broken: Sequence[Tuple[str, str]]) -> None:
        for name, reason in broken:
            self.count += 1
            self._teller.say(f"broken: {name}: {reason}")
        if self.count > self._allowed:
            raise DataError(
                f"broken images: {self.count} (named above), --max_broken is {self._allowed}; "
                f"mend or remove them, or allow more; then give the same command again, and it "
                f"goes on where this one ended"
            )


def _write(
    shards: List[Shard], processes: int, teller: Teller, budget: _Budget
) -> Iterator[Written]:
    """Write shards and yield each that is done, telling of every image meanwhile."""

    def tell(broken: Optional[Tuple[str, str]]) -> None:
        teller.advance(1)
        if broken is not None:
            budget.add([broken])

    return run_all(write_shard, shards, processes, tell)


def _claim(out: str, notes: str, plan: str, paths: Sequence[str]) -> None:
    """Make the folder of notes ours, or refuse if it is of another plan."""
    path = os.path.join(notes, "plan")
    if os.path.exists(path):
        with open(path, encoding="ascii") as stream:
            if stream.read() != plan:
                raise ConfigError(
                    f"{out} holds the beginning of a set of other images or options; run that "
                    f"command to its end, or remove {notes} and the files beside it"
                )
    elif any(os.path.exists(each) for each in paths) and DatasetIndex.load(out).plan != plan:
        raise ConfigError(
            f"{out} already has {os.path.basename(paths[0])} of another set; "
            f"remove it or choose another directory"
        )
    os.makedirs(notes, exist_ok=True)
    write_whole(path, plan.encode())
    for name in os.listdir(out):
        if name.startswith(".") and name.endswith(".partial"):
            os.unlink(os.path.join(out, name))


def _read_notes(notes: str, shards: Sequence[Shard]) -> Dict[str, Note]:
    """Return what is known of the shards that are there as their notes say."""
    index = DatasetIndex.load(os.path.dirname(notes))
    found = {}
    for shard in shards:
        note = os.path.join(notes, os.path.basename(shard.path) + ".json")
        if os.path.exists(note):
            with open(note, encoding="utf-8") as stream:
                words = json.load(stream)
            summary: Optional[FileSummary] = FileSummary(**words["summary"])
            broken = [(name, reason) for name, reason in words["broken"]]
        else:
            summary, broken = index.find(shard.path), []
        if summary and stamp(shard.path) == (summary.size_bytes, summary.changed_at):
            found[shard.path] = Note(summary, broken)
    return found


def _keep_note(notes: str, written: Written) -> Note:
    note = Note(summarize(written.path, written.labels), written.broken)
    words = {"summary": note.summary.model_dump(), "broken": note.broken}
    path = os.path.join(notes, os.path.basename(written.path) + ".json")
    write_whole(path, json.dumps(words).encode())
    return note


def _fingerprint(shards: Sequence[Shard]) -> str:
    digest = hashlib.sha256()
    for shard in shards:
        digest.update(repr((os.path.basename(shard.path), shard.shorter_side)).encode())
        for image in shard.images:
            digest.update(repr((image.name, image.label, image.text)).encode(errors="replace"))
    return digest.hexdigest()


def _print_result(
    source: Source, options: Options, files: Dict[str, FileSummary], broken: int
) -> None:
    counts = {
        split: sum(f.records for name, f in files.items() if name.startswith(split + "-"))
        for split in (TRAIN, VALIDATION)
    }
    classes = len(source.class_names)
    print(
        f"{options.out}: {counts[TRAIN]} training and {counts[VALIDATION]} validation images, "
        f"{classes} classes, labels 1..{classes}; broken images left out: {broken}"
    )
    if source.ignored:
        print(f"no images by their names: {len(source.ignored)} files, as {source.ignored[0]}")
    print(
        f"train with: --data_dir={options.out} --num_train_images={counts[TRAIN]} "
        f"--num_eval_images={counts[VALIDATION]} --num_label_classes={classes}"
    )
