"""Write one shard: read its images, check that they decode, make them smaller if wanted.

Runs in processes of its own, which share nothing but a counter.  TensorFlow decodes, so what
is written can be read by the trainer, and no other image library is needed.
"""

import functools
import os
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

import tensorflow.compat.v1 as tf

from efficientnet_trainer.decoding import build_callable, call, decode_whole
from efficientnet_trainer.examples import BadContentError
from efficientnet_trainer.prepare.writing import JPEG_QUALITY, build_example
from efficientnet_trainer.resizing import resize_encoded

_FORMATS = ((b"\xff\xd8\xff", "JPEG"), (b"\x89PNG\r\n", "PNG"), (b"GIF8", "GIF"), (b"BM", "BMP"))


class Image(NamedTuple):
    """One image to write."""

    path: str
    name: str
    label: int
    text: str


class Shard(NamedTuple):
    """One file to write."""

    path: str
    images: Tuple[Image, ...]
    shorter_side: Optional[int]


class Written(NamedTuple):
    """What became of a shard."""

    path: str
    labels: List[int]
    broken: List[Tuple[str, str]]
    """Name and reason of each image that was left out."""


class Encoder:
    """Turns a file's bytes into what a record holds."""

    def __init__(self, shorter_side: Optional[int]) -> None:
        """Build the graphs when they are needed."""
        self._shorter_side = shorter_side
        self._callables: Dict[str, Any] = {}

    def encode(self, data: bytes) -> Tuple[bytes, str, int, int]:
        """Return the bytes to store, their format, height and width.

        Raises:
            BadContentError: the data are no image, or a broken one.
        """
        if not data:
            raise BadContentError("the file is empty")
        kind = next((name for magic, name in _FORMATS if data.startswith(magic)), None)
        if kind is None:
            raise BadContentError("no JPEG, PNG, GIF or BMP by its first bytes")
        if kind not in self._callables:
            self._callables[kind] = build_callable(lambda encoded: self._build(kind, encoded))
        stored, height, width = call(self._callables[kind], data)
        return stored, "PNG" if stored.startswith(_FORMATS[1][0]) else "JPEG", height, width

    def _build(self, kind: Optional[str], encoded: tf.Tensor) -> Any:
        if kind == "GIF":
            encoded = _as_jpeg(tf.image.decode_gif(encoded)[0])
        elif kind == "BMP":
            encoded = _as_jpeg(tf.image.decode_bmp(encoded, channels=3))
        if self._shorter_side:
            encoded = resize_encoded(encoded, self._shorter_side, JPEG_QUALITY)
        # Not the header alone: a file that is cut off has a sound one.
        shape = tf.shape(decode_whole(encoded))
        # Fetched as it was fed, the placeholder would be an array.
        return tf.identity(encoded), shape[0], shape[1]


@functools.lru_cache()
def _encoder(shorter_side: Optional[int]) -> Encoder:
    """Return the process's encoder: building its graphs takes longer than many an image."""
    return Encoder(shorter_side)


def write_shard(shard: Shard, tell: Callable[[Optional[Tuple[str, str]]], None]) -> Written:
    """Write a shard; it is there whole or not at all.

    Args:
        shard: what to write.
        tell: called after each image, with name and reason where it is broken.
    """
    encoder = _encoder(shard.shorter_side)
    # A process that outlived its parent may still write its own.
    partial = os.path.join(
        os.path.dirname(shard.path), f".{os.path.basename(shard.path)}.{os.getpid()}.partial"
    )
    labels: List[int] = []
    broken: List[Tuple[str, str]] = []
    with tf.io.TFRecordWriter(partial) as writer:
        for image in shard.images:
            try:
                with open(image.path, "rb") as stream:
                    stored, kind, height, width = encoder.encode(stream.read())
            except (BadContentError, OSError) as error:
                reason = getattr(error, "strerror", None) or str(error)
                broken.append((image.name, reason))
                tell(broken[-1])
                continue
            example = build_example(
                stored, kind, int(height), int(width), image.label, image.text, image.name
            )
            writer.write(example)
            labels.append(image.label)
            tell(None)
    os.replace(partial, shard.path)
    return Written(shard.path, labels, broken)


def _as_jpeg(image: tf.Tensor) -> tf.Tensor:
    return tf.image.encode_jpeg(image, quality=JPEG_QUALITY)
