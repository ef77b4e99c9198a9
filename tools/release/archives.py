"""Archives and documents without what differs from one build to the next; pure but for files.

Who builds, when, and in which order a file system lists its files must not be in a release.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

REGULAR, EXECUTABLE = 0o644, 0o755


def repack(archive: bytes, moment: int) -> bytes:
    """Return a .tgz with the same files, sorted, owned by nobody and as old as ``moment``.

    Args:
        archive: a tar archive, compressed by gzip.
        moment: Unix seconds.
    """
    # As a whole first: that checks its sum, which a reader of tar does not come to.
    plain = io.BytesIO(gzip.decompress(archive))
    with tarfile.open(fileobj=plain, mode="r:") as source:
        files = {member.name: (member, source.extractfile(member)) for member in source}
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as target:
            for name in sorted(files):
                member, content = files[name]
                data = content.read() if content else b""
                clean = tarfile.TarInfo(name)
                clean.size, clean.mtime, clean.type = len(data), moment, member.type
                clean.mode = EXECUTABLE if member.mode & 0o100 else REGULAR
                target.addfile(clean, io.BytesIO(data))
    # The level is written into the head, and so is a time, unless it is told.
    return gzip.compress(packed.getvalue(), compresslevel=9, mtime=moment)


def settle_bill(text: str, moment: int) -> str:
    """Return a CycloneDX bill of materials whose number and time follow from its content.

    Args:
        text: JSON as uv exports it, with a random serial number and the present time.
        moment: Unix seconds.
    """
    bill: dict[str, Any] = json.loads(text)
    bill.pop("serialNumber", None)
    bill.setdefault("metadata", {})["timestamp"] = format_moment(moment)
    content = json.dumps(bill, sort_keys=True)
    bill["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_OID, content).urn
    return json.dumps(bill, indent=2, sort_keys=True) + "\n"


def format_moment(moment: int) -> str:
    """Return Unix seconds as CycloneDX writes times."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def list_sums(files: Iterable[Path]) -> str:
    """Return the lines that ``sha256sum --check`` reads."""
    sums = ((hashlib.sha256(path.read_bytes()).hexdigest(), path.name) for path in files)
    return "".join(f"{digest}  {name}\n" for digest, name in sorted(sums, key=lambda s: s[1]))
