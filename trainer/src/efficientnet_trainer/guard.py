"""Name the records at which a data set's function fails, and count those left out.

TensorFlow 1.15 has two ends for such a record: an error that names the function's op but
not the record (and crashes the process where it quotes bytes that are no UTF-8), or
``ignore_errors``, which drops it without a word.  Here records are numbered before the
function runs; the numbers that come out are held against those that went in, and each
record carries the names of those before it.  A gap is a lost record, and its successor
knows its name.  Passing names along runs no op, so it costs next to nothing; the
comparison is cheapest on whole batches.
"""

from typing import Any, Callable, Dict, NamedTuple, Set, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

BAD_RECORD = "bad-record"
"""First word of the assertion that ends a run; path and number of the record follow."""

_END = -1
"""Number of the entry after the last record, which is there to be compared."""

REMEMBERED = 8
"""Names that a record carries: of more losses in a row the first ones stay nameless.

One is enough where the first loss is the end.
"""

Prepare = Callable[[tf.Tensor, tf.Tensor, Any], Any]
"""A function of path, number in that file (int64, from 0) and data of a record."""


class BadRecords:
    """The bad records of one rank's share: each counts once, in however many passes."""

    def __init__(self, max_bad: int, on_skip: Callable[[str, int, int], None]) -> None:
        """Take the limit, and who is told.

        Args:
            max_bad: how many may be left out.
            on_skip: called with path, number and the count so far at each one left out.
        """
        self.max_bad = max_bad
        self._on_skip = on_skip
        self._seen: Set[Tuple[bytes, int]] = set()
        self._nameless: Dict[Tuple[bytes, int], int] = {}

    @property
    def remembered(self) -> int:
        """Names that each record has to carry."""
        return REMEMBERED if self.max_bad else 1

    def note(self, paths: Any, numbers: Any, nameless: Any) -> Any:
        """Count lost records and return the count so far, int64.

        Args:
            paths: of those whose names are known, the last of a row first.
            numbers: in their files.
            nameless: how many more were lost before these; in another pass that has the
                same order they are the same ones.
        """
        if nameless:
            self._nameless[(paths[0], int(numbers[0]))] = int(nameless)
        for path, number in zip(paths, numbers):
            if (path, int(number)) not in self._seen:
                self._seen.add((path, int(number)))
                self._on_skip(path.decode(errors="replace"), int(number), self.count)
        return np.int64(self.count)

    @property
    def count(self) -> int:
        """Bad records so far."""
        return len(self._seen) + sum(self._nameless.values())


class _Tag(NamedTuple):
    """What is left to know of a record when its function is done."""

    place: tf.Tensor
    """int64, its place in the order of reading, from 0."""
    before: Any
    """Path and number of the records before it, the nearest first."""
    number: tf.Tensor


plain = tf.autograph.experimental.do_not_convert
"""Functions of data sets are plain TensorFlow; autograph would take seconds to read them."""


def read_whole(path: tf.Tensor, count: tf.Tensor) -> tf.data.Dataset:
    """Return the records of a file: exactly ``count``, each with its number.

    A reader that fails goes on with the next file or fails for ever.  Here each failure
    uses up one of ``count`` tries, and a record that could not be read is empty bytes:
    it fails in the function, where it is counted like any other.

    Args:
        path: string tensor [].
        count: int64 tensor [], records that the file has.

    Returns:
        A Dataset of (number int64 [], serialized string []).
    """
    tries = tf.data.Dataset.range(count)
    read = tf.data.Dataset.zip((tries, tf.data.TFRecordDataset(path)))
    read = read.apply(tf.data.experimental.ignore_errors()).map(plain(lambda _, data: data))
    unread = tf.data.Dataset.from_tensors("").repeat()
    return read.concatenate(unread).take(count).enumerate()


def map_endless(
    records: tf.data.Dataset, prepare: Prepare, calls: int, bad: BadRecords, batch_size: int
) -> tf.data.Dataset:
    """Map records that never end and batch the results; losses are found batch by batch.

    At least one of the records has to succeed now and then: a data set whose every record
    is lost would be searched for ever.

    Args:
        records: Dataset of path, number and data.
        prepare: the function of one record.
        calls: records prepared at a time.
        bad: counts what is lost.
        batch_size: results in each batch.

    Returns:
        A Dataset of batches of what ``prepare`` returns, in the records' order.
    """
    mapped = _number(records, bad).map(plain(_tagged(prepare)), num_parallel_calls=calls)
    mapped = mapped.apply(tf.data.experimental.ignore_errors())
    # Whoever stays nameless in this order has its name in another pass.
    checked = _check(mapped.batch(batch_size, drop_remainder=True), bad, counts_nameless=False)
    return checked.map(plain(lambda _, result: result))


def map_finite(
    records: tf.data.Dataset,
    prepare: Prepare,
    calls: int,
    bad: BadRecords,
    blank: Callable[[], Any],
) -> tf.data.Dataset:
    """Map records that end, and find each loss, the last one's too.

    Args:
        records: Dataset of path, number and serialized Example.
        prepare: the function of one record.
        calls: records prepared at a time.
        bad: counts what is lost.
        blank: makes anything of the form of what ``prepare`` returns; it is never seen.

    Returns:
        A Dataset of what ``prepare`` returns, in the records' order.
    """
    end = tf.data.Dataset.from_tensors(("", tf.constant(_END, tf.int64), ""))
    numbered = _number(records.concatenate(end), bad)

    def prepare_or_end(path: tf.Tensor, number: tf.Tensor, serialized: tf.Tensor) -> Any:
        return tf.cond(tf.equal(number, _END), blank, lambda: prepare(path, number, serialized))

    mapped = numbered.map(plain(_tagged(prepare_or_end)), num_parallel_calls=calls)
    mapped = mapped.apply(tf.data.experimental.ignore_errors())
    checked = _check(mapped, bad, counts_nameless=True)
    checked = checked.filter(plain(lambda tag, _: tf.not_equal(tag.number, _END)))
    return checked.map(plain(lambda _, result: result))


def _number(records: tf.data.Dataset, bad: BadRecords) -> tf.data.Dataset:
    """Give each record its place and the names of those before it, without an op."""

    def carry(before: Any, record: Any) -> Any:
        path, number, _ = record
        return ((path, number), *before[:-1]), (before, record)

    nothing = ((tf.constant(""), tf.constant(_END, tf.int64)),) * bad.remembered
    return records.apply(tf.data.experimental.scan(nothing, plain(carry))).enumerate()


def _tagged(prepare: Prepare) -> Callable[..., Any]:
    def run(place: tf.Tensor, carried: Any) -> Any:
        before, record = carried
        return _Tag(place, before, record[1]), prepare(*record)

    return run


def _check(tagged: tf.data.Dataset, bad: BadRecords, counts_nameless: bool) -> tf.data.Dataset:
    """Compare places as results come by, one at a time or in batches."""

    def step(last_place: tf.Tensor, tagged_result: Any) -> Any:
        tag, _ = tagged_result
        places = tf.reshape(tag.place, [-1])
        gaps = places - tf.concat([[last_place], places[:-1]], axis=0) - 1
        checked = tf.cond(
            tf.reduce_any(gaps > 0),
            lambda: _report(tag, gaps, bad, counts_nameless),
            lambda: tf.constant(True),
        )
        with tf.control_dependencies([checked]):
            return tf.identity(places[-1]), tagged_result

    return tagged.apply(tf.data.experimental.scan(tf.constant(-1, tf.int64), plain(step)))


def _report(tag: _Tag, gaps: tf.Tensor, bad: BadRecords, counts_nameless: bool) -> tf.Tensor:
    """Name the lost records; fail where there are more than may be."""
    known = tf.range(bad.remembered, dtype=tf.int64)[:, tf.newaxis] < gaps[tf.newaxis, :]
    paths = tf.stack([tf.reshape(path, [-1]) for path, _ in tag.before])
    numbers = tf.stack([tf.reshape(number, [-1]) for _, number in tag.before])
    paths, numbers = tf.boolean_mask(paths, known), tf.boolean_mask(numbers, known)
    lost = tf.reduce_sum(gaps)
    if bad.max_bad:
        unnamed = lost - tf.size(numbers, out_type=tf.int64)
        nameless = unnamed if counts_nameless else tf.constant(0, tf.int64)
        lost = tf.py_func(bad.note, [paths, numbers, nameless], tf.int64)
    within = tf.Assert(lost <= bad.max_bad, [BAD_RECORD, paths[0], numbers[0], lost])
    with tf.control_dependencies([within]):
        return tf.constant(True)
