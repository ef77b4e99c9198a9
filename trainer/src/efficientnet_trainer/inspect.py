"""``efficientnet-trainer inspect``: what a data set consists of and what is broken in it.

Every record is read.  What was found is left beside the data as an index, which spares the
trainer the look at each record before it starts.
"""

import argparse
import contextlib
import json
import os
from collections import Counter
from typing import Any, Dict, List, Optional, Sequence, Tuple

from efficientnet_trainer import records
from efficientnet_trainer.dataset_index import INDEX_NAME, DatasetIndex
from efficientnet_trainer.errors import ConfigError, DataError
from efficientnet_trainer.telling import Teller
from efficientnet_trainer.termination import BAD_DATA, DONE
from efficientnet_trainer.workers import run_all

SHOWN = 20
"""Broken records that the table names; JSON has them all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``DIR`` and the options."""
    parser.add_argument("data_dir", metavar="DIR", help="directory of train-* and validation-*")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--check",
        choices=["images", "records"],
        default="images",
        help="decode each image, or only read records: checksum, keys, label (default: images)",
    )
    parser.add_argument(
        "--processes", type=int, default=len(os.sched_getaffinity(0)), help="files read at once"
    )
    parser.add_argument("--no_index", action="store_true", help=f"do not write {INDEX_NAME}")


def run(args: argparse.Namespace) -> int:
    """Print the report; return 3 where something is broken.

    Raises:
        ConfigError: --processes is out of range.
        DataError: there are no files, or a set is not whole.
    """
    if args.processes < 1:
        raise ConfigError(f"--processes is {args.processes}; use 1 or more")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # what it says of broken images, we name
    from efficientnet_trainer.scanning import Look, scan_file

    paths = _find_paths(args.data_dir)
    looks = [Look(path, args.check == "images") for path in paths]
    with Teller(_estimate(paths)) as teller:
        found = {
            each.path: each for each in run_all(scan_file, looks, args.processes, teller.advance)
        }
    report = build_report(args.data_dir, [found[path] for path in paths])
    report["index"] = _write_index(args, found)
    print(json.dumps(report, indent=1) if args.json else format_report(report))
    return BAD_DATA if report["broken"] or report["faults"] else DONE


def build_report(data_dir: str, found: Sequence[Any]) -> Dict[str, Any]:
    """Return what is known of a data set as plain data.

    Args:
        data_dir: its directory.
        found: ``scanning.Found`` of each file.
    """
    by_split: Dict[str, List[Any]] = {}
    for each in found:
        split = os.path.basename(each.path).split("-", 1)[0]
        by_split.setdefault(split, []).append(each)
    labels: Any = sum((each.label_counts for each in found), Counter())
    first, says = judge_labels(labels)
    return {
        "directory": data_dir,
        "splits": {split: _describe_split(files) for split, files in by_split.items()},
        "labels_begin_at": first,
        "labels": says,
        "broken": [
            {
                "file": os.path.basename(each.path),
                "record": record.number,
                "offset": record.offset,
                "reason": record.reason,
            }
            for each in found
            if each.summary
            for record in each.summary.broken
        ],
        "faults": [each.fault for each in found if each.fault],
    }


def judge_labels(label_counts: Any) -> Tuple[Optional[int], str]:
    """Tell from all labels whether the first class is 0 or 1, if they tell.

    Returns:
        0, 1 or None, and what to say.
    """
    if not label_counts:
        return None, "no label could be read"
    low, high = min(label_counts), max(label_counts)
    if low < 0:
        return None, f"labels {low}..{high}: negative ones are of no use to the trainer"
    if low in (0, 1):
        flags = f"--label_offset={low} --num_label_classes={high - low + 1}"
        absent = high - low + 1 - len(label_counts)
        without = f", {absent} of them without an image" if absent else ""
        return low, f"labels {low}..{high}: {low}-based{without}; train with {flags}"
    return None, (
        f"labels {low}..{high}: neither 0 nor 1 is used, so it cannot be told whether the first "
        f"class is 0 or 1; look it up and set --label_offset"
    )


def format_report(report: Dict[str, Any]) -> str:
    """Lay the report out for people."""
    lines = [f"{report['directory']}"]
    for split, facts in report["splits"].items():
        lines.append(
            f"{split}: {facts['shards']} shards, {facts['images']} images of "
            f"{facts['classes']} classes, {facts['bytes'] / 1e6:.1f} MB, {facts['broken']} broken"
        )
        if facts["height"]:
            lines.append(
                "  height {}..{}, width {}..{} pixels, middle {} x {}; {:.1f} KB an image".format(
                    *facts["height"][::2],
                    *facts["width"][::2],
                    facts["height"][1],
                    facts["width"][1],
                    facts["bytes_per_image"] / 1e3,
                )
            )
    lines.append(report["labels"])
    lines += [f"fault: {fault}" for fault in report["faults"]]
    for record in report["broken"][:SHOWN]:
        lines.append("broken: {file}: record {record} at byte {offset}: {reason}".format(**record))
    if len(report["broken"]) > SHOWN:
        lines.append(f"and {len(report['broken']) - SHOWN} more broken records; --json names all")
    lines.append(report["index"])
    return "\n".join(lines)


def _find_paths(data_dir: str) -> List[str]:
    """List the files of the splits that are there.

    Raises:
        DataError: neither split is, or one is not whole.
    """
    paths: List[str] = []
    for split in (records.TRAIN, records.VALIDATION):
        with contextlib.suppress(records.NoFilesError):
            paths += records.find_files(data_dir, split)
    if not paths:
        raise DataError(
            f"DIR {data_dir} has no file {records.TRAIN}-* or {records.VALIDATION}-*; "
            f"name the directory of the TFRecord files"
        )
    return paths


def _estimate(paths: Sequence[str]) -> Optional[int]:
    """Return how many records the files have, where an index says so."""
    summaries = [DatasetIndex.load(os.path.dirname(paths[0])).find(path) for path in paths]
    known = [summary.records for summary in summaries if summary]
    return sum(known) if len(known) == len(paths) else None


def _describe_split(files: Sequence[Any]) -> Dict[str, Any]:
    heights = sorted(height for each in files for height, _ in each.sizes)
    widths = sorted(width for each in files for _, width in each.sizes)
    counts: Any = sum((each.label_counts for each in files), Counter())
    images = sum(counts.values())
    return {
        "shards": len(files),
        "images": images,
        "classes": len(counts),
        "labels": [min(counts), max(counts)] if counts else None,
        "bytes": sum(os.path.getsize(each.path) for each in files),
        "bytes_per_image": sum(each.image_bytes for each in files) / max(images, 1),
        "height": _spread(heights),
        "width": _spread(widths),
        "broken": sum(len(each.summary.broken) for each in files if each.summary),
    }


def _spread(values: Sequence[int]) -> Optional[List[int]]:
    """Return smallest, middle and largest of sorted values."""
    return [values[0], values[len(values) // 2], values[-1]] if values else None


def _write_index(args: argparse.Namespace, found: Dict[str, Any]) -> str:
    """Leave the summaries beside the data, if they may be, and say so."""
    if args.no_index:
        return "index: not written"
    files = {os.path.basename(path): each.summary for path, each in found.items() if each.summary}
    old = DatasetIndex.load(args.data_dir)
    try:
        DatasetIndex(files=files, plan=old.plan).write(args.data_dir)
    except OSError as error:
        return (
            f"index: {args.data_dir} cannot be written to ({error.strerror}); the trainer walks "
            f"the files before each start"
        )
    return f"index: {os.path.join(args.data_dir, INDEX_NAME)}"
