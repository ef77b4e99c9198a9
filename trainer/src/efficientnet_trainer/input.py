"""Feed one rank with its share of the data set.

Reading order, cache, preparation and batches; ``shares`` says whose records these are,
``guard`` keeps each of them accounted for.
"""

import os
from typing import Any, Callable, Optional

import tensorflow.compat.v1 as tf

from efficientnet_trainer import input_cache, mixup, records
from efficientnet_trainer.autoaugment import build_policy
from efficientnet_trainer.config import TrainerConfig
from efficientnet_trainer.decoding import decode_whole
from efficientnet_trainer.errors import TrainerError
from efficientnet_trainer.examples import LabelRange, parse_example
from efficientnet_trainer.faults import explain_bad_record
from efficientnet_trainer.guard import BadRecords, map_endless, map_finite, plain, read_whole
from efficientnet_trainer.labels import choose_labels
from efficientnet_trainer.preprocess import preprocess_image
from efficientnet_trainer.shares import Share, check_first_records, plan_share

SHUFFLE_RECORDS = 1024
"""Encoded images that wait in random order: about 110 MB a rank with ImageNet's."""
INTERLEAVED_FILES = 8
RANKS_AT_MOST = 8192
"""Seeds of runs whose own seeds differ by one are as far apart."""


def make_input_fn(
    config: TrainerConfig,
    is_training: bool,
    num_shards: int,
    shard_index: int,
    on_skip: Optional[Callable[[int], None]] = None,
) -> Callable[[], tf.data.Dataset]:
    """Check one rank's share of the data and return the function that reads it.

    Args:
        config: where the data are and how they are prepared.
        is_training: random order, repeated, whole batches of micro_batch_size; else every
            image once, in order, in batches of eval_batch_size of which the last may be
            smaller.
        num_shards: ranks that share the split.
        shard_index: this rank, from 0.
        on_skip: told how many bad records this Dataset has left out, whenever that grows;
            called from a thread of TensorFlow.

    Returns:
        A function without arguments that returns a Dataset of images, float32
        [n, size, size, 3] about 0 .. 255, and labels, int32 [n], or in training with mixup
        those of ``mixup.add_weights``.

    Raises:
        DataError: the data directory, a file, a frame or a first record is at fault.
    """
    split = records.TRAIN if is_training else records.VALIDATION
    share = plan_share(records.find_files(config.data_dir, split), num_shards, shard_index)
    labels = choose_labels(config)
    check_first_records(share, labels, config.max_bad_records)

    def report_skip(path: str, number: int, skipped: int) -> None:
        tf.logging.warning(
            "left out %s: record %d (%d of at most %d)",
            os.path.basename(path),
            number,
            skipped,
            config.max_bad_records,
        )
        if on_skip is not None:
            on_skip(skipped)

    bad = BadRecords(config.max_bad_records, report_skip)

    def input_fn() -> tf.data.Dataset:
        source = Source(config, share, labels, bad)
        seed = _rank_seed(config, shard_index)
        dataset = source.train(seed) if is_training else source.evaluate()
        return dataset.prefetch(tf.data.experimental.AUTOTUNE)

    return input_fn


def explain_input_error(error: Exception, config: TrainerConfig) -> Optional[TrainerError]:
    """Say which record an exception of a session is about, or None if none is."""
    return explain_bad_record(error, config)


class Source:
    """The stages between files and batches."""

    def __init__(
        self, config: TrainerConfig, share: Share, labels: LabelRange, bad: BadRecords
    ) -> None:
        """Take what the stages share."""
        self._config = config
        self._share = share
        self._labels = labels
        self._bad = bad
        self._policy = build_policy(config)
        cores = len(os.sched_getaffinity(0))
        self._calls = max(1, min(config.num_parallel_calls, cores))

    def train(self, rank_seed: Optional[int]) -> tf.data.Dataset:
        """Return batches without end, in random order.

        Args:
            rank_seed: of what is drawn for each image, or None for other numbers each time.
        """
        config, seed = self._config, self._config.random_seed
        files = self._files().shuffle(len(self._share.paths), seed=seed)
        sloppy = not config.is_deterministic
        buffered = min(SHUFFLE_RECORDS, self._share.num_records)
        # Drawn in the images' order, so that no thread changes what another draws.
        seeds = tf.data.experimental.RandomDataset(rank_seed).batch(2, drop_remainder=True)
        if config.cache == "none":
            dataset = self._read(files.repeat(), sloppy).shuffle(buffered, seed=seed)
            dataset = tf.data.Dataset.zip((dataset, seeds)).map(plain(_with_seed))
            batches = map_endless(
                dataset, self._train_record, self._calls, self._bad, config.micro_batch_size
            )
        else:
            kept = self._cached(self._read(files, sloppy)).shuffle(buffered, seed=seed).repeat()
            dataset = tf.data.Dataset.zip((kept, seeds))
            dataset = dataset.map(plain(self._train_image), num_parallel_calls=self._calls)
            batches = dataset.batch(config.micro_batch_size, drop_remainder=True)
        if config.mixup_alpha:
            batches = mixup.add_weights(batches, config.mixup_alpha, rank_seed)
        return batches

    def evaluate(self) -> tf.data.Dataset:
        """Return batches of every record, once and in order."""
        dataset = self._read(self._files(), sloppy=False)
        size = self._config.image_size

        def blank() -> Any:
            return tf.zeros([size, size, 3]), tf.constant(0)

        dataset = map_finite(dataset, self._evaluate_record, self._calls, self._bad, blank)
        return dataset.batch(self._config.eval_batch_size)

    def _files(self) -> tf.data.Dataset:
        share = self._share
        return tf.data.Dataset.from_tensor_slices(
            (
                list(share.paths),
                tf.constant(share.counts, tf.int64),
                tf.constant(share.first_records, tf.int64),
            )
        )

    def _read(self, files: tf.data.Dataset, sloppy: bool) -> tf.data.Dataset:
        """Return the share's records as (path, number in the file, serialized)."""
        share = self._share

        def read(path: tf.Tensor, count: tf.Tensor, first_record: tf.Tensor) -> tf.data.Dataset:
            dataset = read_whole(path, count)
            if share.num_shards > 1:
                dataset = dataset.filter(
                    plain(
                        lambda number, _: tf.equal(
                            (first_record + number) % share.num_shards, share.shard_index
                        )
                    )
                )
            named = tf.data.Dataset.zip((tf.data.Dataset.from_tensors(path).repeat(), dataset))
            return named.map(plain(lambda path, record: (path, record[0], record[1])))

        # Not Dataset.interleave(num_parallel_calls=...): closing a session over a running one
        # segfaults in TensorFlow 1.15, which would end a finished run with code 139.
        interleave = tf.data.experimental.parallel_interleave(
            plain(read), cycle_length=min(INTERLEAVED_FILES, len(share.paths)), sloppy=sloppy
        )
        return files.apply(interleave)

    def _cached(self, records: tf.data.Dataset) -> tf.data.Dataset:
        """Return one pass of (encoded image, class), kept after the first.

        What is kept was decoded once, so no bad record is in it, and an error that comes out
        of the cache is one of the disk.
        """

        def blank() -> Any:
            return tf.constant(""), tf.constant(0)

        vetted = map_finite(records, self._vet, self._calls, self._bad, blank)
        return input_cache.keep(vetted, self._config, self._share)

    def _vet(self, _path: tf.Tensor, _number: tf.Tensor, serialized: tf.Tensor) -> Any:
        encoded, label = parse_example(serialized, self._labels)
        if self._config.cache_images == "resized":
            return input_cache.make_smaller(encoded, self._config), label
        with tf.control_dependencies([decode_whole(encoded)]):
            return tf.identity(encoded), label

    def _train_record(self, _path: tf.Tensor, _number: tf.Tensor, data: Any) -> Any:
        serialized, seed = data
        return self._train_image(parse_example(serialized, self._labels), seed)

    def _train_image(self, example: Any, seed: tf.Tensor) -> Any:
        encoded, label = example
        config = self._config
        image = preprocess_image(
            encoded, config.image_size, True, config.crop_and_flip, seed, self._policy
        )
        return image, label

    def _evaluate_record(self, _path: tf.Tensor, _number: tf.Tensor, serialized: tf.Tensor) -> Any:
        encoded, label = parse_example(serialized, self._labels)
        config = self._config
        return preprocess_image(encoded, config.image_size, False, config.crop_and_flip), label


def _with_seed(record: Any, seed: tf.Tensor) -> Any:
    path, number, serialized = record
    return path, number, (serialized, seed)


def _rank_seed(config: TrainerConfig, rank: int) -> Optional[int]:
    """Return a seed of the rank's own, or None where nobody asks for the same run again."""
    if config.random_seed is None:
        return None
    return (config.random_seed * RANKS_AT_MOST + rank) % 2**31
