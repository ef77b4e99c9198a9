"""Feed one rank with its share of the data set.

Files are dealt out to ranks where every rank gets as many; else every rank reads all
files and keeps the records that are its own.  Either way the shares are disjoint and
together complete.  What can be checked without reading the images is checked when the
function is made, before a session exists.
"""

import os
from typing import Callable, List, NamedTuple, Optional, Tuple

import tensorflow.compat.v1 as tf

from efficientnet_trainer import mixup, records
from efficientnet_trainer.autoaugment import build_policy
from efficientnet_trainer.config import TrainerConfig
from efficientnet_trainer.errors import DataError
from efficientnet_trainer.examples import (
    LabelRange,
    check_first_record,
    explain_error,
    parse_example,
)
from efficientnet_trainer.preprocess import preprocess_image

SHUFFLE_RECORDS = 1024
"""Encoded images that wait in random order: about 110 MB a rank with ImageNet's."""
INTERLEAVED_FILES = 8
EVEN_ENOUGH_FILES = 16
"""Files a rank from which one file more or less is no matter."""
RANKS_AT_MOST = 8192
"""Seeds of runs whose own seeds differ by one are as far apart."""


class Share(NamedTuple):
    """What one rank reads."""

    paths: Tuple[str, ...]
    first_records: Tuple[int, ...]
    """Records of the split before each path's own."""
    num_shards: int
    """1 where the paths are the rank's alone."""
    shard_index: int
    num_records: int
    """Records that the rank keeps."""


def make_input_fn(
    config: TrainerConfig, is_training: bool, num_shards: int, shard_index: int
) -> Callable[[], tf.data.Dataset]:
    """Check one rank's share of the data and return the function that reads it.

    Args:
        config: where the data are and how they are prepared.
        is_training: random order, repeated, whole batches of micro_batch_size; else every
            image once, in order, in batches of eval_batch_size of which the last may be
            smaller.
        num_shards: ranks that share the split.
        shard_index: this rank, from 0.

    Returns:
        A function without arguments that returns a Dataset of images, float32
        [n, size, size, 3] about 0 .. 255, and labels, int32 [n], or in training with mixup
        those of ``mixup.add_weights``.

    Raises:
        DataError: the data directory, a file, a frame or a first label is at fault.
    """
    share = plan_share(
        records.find_files(config.data_dir, _split(is_training)), num_shards, shard_index
    )
    labels = _label_range(config)
    for path in share.paths:
        check_first_record(path, labels)

    def input_fn() -> tf.data.Dataset:
        return _build_dataset(share, config, is_training, _rank_seed(config, shard_index))

    return input_fn


def plan_share(paths: List[str], num_shards: int, shard_index: int) -> Share:
    """Choose what one rank reads, and check the frames of those files.

    Raises:
        DataError: a frame is broken, or there are fewer records than ranks.
    """
    per_shard = len(paths) // num_shards
    even = per_shard > 0 and len(paths) % num_shards == 0
    by_file = even or per_shard >= EVEN_ENOUGH_FILES
    own = paths[shard_index::num_shards] if by_file else paths
    counts = [records.count_records(path) for path in own]
    total = sum(counts)
    if by_file:
        return Share(tuple(own), (0,) * len(own), 1, 0, total)
    if total < num_shards:
        raise DataError(
            f"{os.path.dirname(paths[0])} has {total} records in {len(paths)} files, "
            f"fewer than the {num_shards} ranks that share them; use fewer ranks"
        )
    before = tuple(sum(counts[:index]) for index in range(len(counts)))
    kept = len(range(shard_index, total, num_shards))
    return Share(tuple(own), before, num_shards, shard_index, kept)


def explain_input_error(error: Exception, config: TrainerConfig) -> Optional[DataError]:
    """Say which record an exception of a session is about, or None if none is."""
    paths = _present_files(config.data_dir, records.TRAIN)
    paths += _present_files(config.data_dir, records.VALIDATION)
    return explain_error(error, paths, _label_range(config))


def _build_dataset(
    share: Share, config: TrainerConfig, is_training: bool, seed: Optional[int]
) -> tf.data.Dataset:
    calls = max(1, min(config.num_parallel_calls, len(os.sched_getaffinity(0))))
    labels = _label_range(config)
    policy = build_policy(config) if is_training else None
    # Drawn in the images' order, so that no thread changes what another draws.
    image_seeds = tf.data.experimental.RandomDataset(seed).batch(2, drop_remainder=True)
    dataset = tf.data.Dataset.zip((_read_records(share, config, is_training), image_seeds))

    @tf.autograph.experimental.do_not_convert  # plain TensorFlow; reading its source takes seconds
    def prepare(
        record: Tuple[tf.Tensor, tf.Tensor, tf.Tensor], image_seed: tf.Tensor
    ) -> Tuple[tf.Tensor, tf.Tensor]:
        path, index, serialized = record
        encoded, label = parse_example(serialized, path, index, labels)
        image = preprocess_image(
            encoded, config.image_size, is_training, config.crop_and_flip, image_seed, policy
        )
        return image, label

    batch_size = config.micro_batch_size if is_training else config.eval_batch_size
    dataset = dataset.map(prepare, num_parallel_calls=calls)
    dataset = dataset.batch(batch_size, drop_remainder=is_training)
    if is_training and config.mixup_alpha:
        dataset = mixup.add_weights(dataset, config.mixup_alpha, seed)
    return dataset.prefetch(tf.data.experimental.AUTOTUNE)


def _rank_seed(config: TrainerConfig, rank: int) -> Optional[int]:
    """Return a seed of the rank's own, or None where nobody asks for the same run again."""
    if config.random_seed is None:
        return None
    return (config.random_seed * RANKS_AT_MOST + rank) % 2**31


def _read_records(share: Share, config: TrainerConfig, is_training: bool) -> tf.data.Dataset:
    """Return the share's records as (path, index in the file, serialized)."""
    files = tf.data.Dataset.from_tensor_slices(
        (list(share.paths), tf.constant(share.first_records, tf.int64))
    )
    if is_training:
        files = files.shuffle(len(share.paths), seed=config.random_seed).repeat()

    @tf.autograph.experimental.do_not_convert
    def read(path: tf.Tensor, first_record: tf.Tensor) -> tf.data.Dataset:
        dataset = tf.data.TFRecordDataset(path).enumerate()
        if share.num_shards > 1:
            dataset = dataset.filter(
                lambda index, _: tf.equal(
                    (first_record + index) % share.num_shards, share.shard_index
                )
            )
        return dataset.map(lambda index, serialized: (path, index, serialized))

    # Not Dataset.interleave(num_parallel_calls=...): closing a session over a running one
    # segfaults in TensorFlow 1.15, which would end a finished run with code 139.
    # Without a seed nobody asks for the same order again, so slow files are not waited for.
    interleave = tf.data.experimental.parallel_interleave(
        read,
        cycle_length=min(INTERLEAVED_FILES, len(share.paths)),
        sloppy=is_training and config.random_seed is None,
    )
    dataset = files.apply(interleave)
    if is_training:
        buffered = min(SHUFFLE_RECORDS, share.num_records)
        dataset = dataset.shuffle(buffered, seed=config.random_seed)
    return dataset


def _present_files(data_dir: str, split: str) -> List[str]:
    """List a split's files, or none where a run had no need of them."""
    try:
        return records.find_files(data_dir, split)
    except DataError:
        return []


def _split(is_training: bool) -> str:
    return records.TRAIN if is_training else records.VALIDATION


def _label_range(config: TrainerConfig) -> LabelRange:
    return LabelRange(config.num_label_classes, config.class_offset)
