"""Keep what the first pass over a training set read for all passes that follow.

In memory, or in files on a local disk where the data set's own storage is slow.  Cached
are records as they are, or images whose shorter side was brought down to a little more than
the network takes: less to keep, and much less to decode at every pass.
"""

import glob
import hashlib
import os
import shutil
from typing import Any, Tuple

import tensorflow.compat.v1 as tf

from efficientnet_trainer.config import TrainerConfig
from efficientnet_trainer.dataset_index import stamp
from efficientnet_trainer.errors import ConfigError
from efficientnet_trainer.preprocess import CROP_PADDING
from efficientnet_trainer.resizing import resize_encoded
from efficientnet_trainer.shares import Share

RESIZED_QUALITY = 95
_FORM = 1
"""Changes where what is cached changes its form."""


def keep(dataset: tf.data.Dataset, config: TrainerConfig, share: Share) -> tf.data.Dataset:
    """Return the same elements, read from the cache from the second pass on.

    Raises:
        ConfigError: the cache's directory cannot be used.
    """
    if config.cache == "memory":
        return dataset.cache()
    return dataset.cache(_claim_file(config, share))


def smaller_side(config: TrainerConfig) -> int:
    """Return the shorter side of cached images: what evaluation's crop is cut out of."""
    return config.image_size + CROP_PADDING


def make_smaller(encoded: tf.Tensor, config: TrainerConfig) -> tf.Tensor:
    """Return an encoded image whose shorter side is at most ``smaller_side``."""
    return resize_encoded(encoded, smaller_side(config), RESIZED_QUALITY)


def _claim_file(config: TrainerConfig, share: Share) -> str:
    """Return the cache file for just these data, without what a killed run left half-written."""
    folder = str(config.cache_dir)
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"--cache_dir {folder} cannot be made ({error.strerror}); name a local directory "
            f"that the trainer may write to"
        ) from None
    if not os.access(folder, os.W_OK):
        raise ConfigError(f"--cache_dir {folder} cannot be written to; name another directory")
    path = os.path.join(folder, f"records-{_fingerprint(config, share)}")
    if not os.path.exists(path + ".index"):
        for partial in glob.glob(glob.escape(path) + "*"):
            os.unlink(partial)
        _check_room(folder, config, share)
    return path


def _check_room(folder: str, config: TrainerConfig, share: Share) -> None:
    """Refuse to begin what would fill the disk; how much resized images take is not known."""
    if config.cache_images == "resized":
        return
    wanted = sum(os.path.getsize(path) for path in share.paths) // share.num_shards
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise ConfigError(
            f"--cache_dir {folder} has {free / 1e9:.1f} GB free, this rank's share takes "
            f"{wanted / 1e9:.1f} GB; make room, or use --cache_images=resized"
        )


def _fingerprint(config: TrainerConfig, share: Share) -> str:
    """Return a name that changes with the files, the rank's share and what is kept of them."""
    small = smaller_side(config) if config.cache_images == "resized" else None
    facts: Tuple[Any, ...] = (
        _FORM,
        small,
        share.num_shards,
        share.shard_index,
        [(path, stamp(path)) for path in share.paths],
    )
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
