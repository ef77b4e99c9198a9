"""Read any record of a TFRecord file and hold its data against their checksum.

TensorFlow's own iterators begin at a file's first record and end at its first broken one.
Their reader can begin at any byte, so with the frames known a broken record costs only
itself.  The checksum is computed in C++; in Python it takes ten milliseconds an image.
"""

from typing import Any, Optional

import tensorflow.compat.v1 as tf
from tensorflow.python import pywrap_tensorflow
from tensorflow.python.framework import errors_impl

from efficientnet_trainer.errors import DataError
from efficientnet_trainer.records import FOOTER_BYTES, HEADER_BYTES, Frame, place_of


class RecordReader:
    """An open file; reading frames in their order needs no seek."""

    def __init__(self, path: str) -> None:
        """Open nothing yet."""
        self._path = path
        self._reader: Optional[Any] = None
        self._at = -1

    def __enter__(self) -> "RecordReader":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def read(self, frame: Frame) -> bytes:
        """Return the data of one record.

        Raises:
            DataError: they do not match their checksum, or the file cannot be read.
        """
        try:
            if frame.offset != self._at:
                self._open(frame.offset)
            self._at = -1
            self._reader.GetNext()  # type: ignore[union-attr]
        except tf.errors.DataLossError:
            raise DataError(
                f"{place_of(self._path, frame)}: its data do not match their checksum; "
                f"write or copy the file again"
            ) from None
        except (tf.errors.OpError, OSError) as error:
            reason = getattr(error, "message", None) or str(error)
            raise DataError(f"{place_of(self._path, frame)}: cannot be read ({reason})") from None
        self._at = frame.offset + HEADER_BYTES + frame.length + FOOTER_BYTES
        return bytes(self._reader.record())  # type: ignore[union-attr]

    def close(self) -> None:
        """Close the file."""
        if self._reader is not None:
            self._reader.Close()
            self._reader = None

    def _open(self, offset: int) -> None:
        self.close()
        with errors_impl.raise_exception_on_not_ok_status() as status:
            self._reader = pywrap_tensorflow.PyRecordReader_New(
                self._path.encode(), offset, b"", status
            )
        if self._reader is None:
            raise OSError("no such record")
