"""Build the cluster's own image, and read what an image archive holds.

Nothing can be pulled here: images come as OCI archives (`buildah push IMAGE
oci-archive:FILE:NAME`) and are imported into each node.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from localcluster.errors import ClusterError
from localcluster.folders import cache_folder

# The pause container of every pod, and the tests' probe (tools/podtool).
POD_TOOL = "localhost/pod-tool:1"

_SOURCE = Path(__file__).resolve().parent.parent / "podtool"
_REFERENCE = "org.opencontainers.image.ref.name"


@dataclass(frozen=True)
class Archive:
    """An OCI archive: its file, the image's full name and its manifest's digest."""

    path: Path
    image: str
    digest: str


def read_archive(path: Path) -> Archive:
    """Return what an OCI archive holds, from its index alone.

    Raises:
        ClusterError: it is no OCI archive of one named image.
    """
    try:
        with tarfile.open(path) as tar:
            member = tar.extractfile("index.json")
            manifests = json.load(member)["manifests"] if member else []
    except (OSError, tarfile.TarError, KeyError, ValueError) as error:
        raise ClusterError(f"{path}: wanted an OCI archive, found: {error}") from error
    names = [manifest.get("annotations", {}).get(_REFERENCE, "") for manifest in manifests]
    if len(names) != 1 or "/" not in names[0]:
        raise ClusterError(
            f"{path}: wanted one image under its full name, found {names}; "
            f"write it by `buildah push NAME oci-archive:{path}:localhost/NAME:TAG`"
        )
    return Archive(path.resolve(), names[0], manifests[0]["digest"])


def read_digests(listing: str) -> dict[str, str]:
    """Return the digest of each image name in the output of `ctr images ls`."""
    rows = [line.split() for line in listing.splitlines()[1:]]
    return {row[0]: row[2] for row in rows if len(row) > 2}


def build_pod_tool() -> Archive:
    """Return the archive of the pod tool, built once for each state of its source."""
    digest = hashlib.sha256()
    sources = sorted(_SOURCE.iterdir())
    for source in sources:
        digest.update(source.read_bytes())
    target = cache_folder() / "images" / f"pod-tool-{digest.hexdigest()[:12]}.tar"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            shutil.copytree(_SOURCE, folder, dirs_exist_ok=True)
            _build(Path(folder)).rename(target)
    return read_archive(target)


def _build(folder: Path) -> Path:
    _run(folder, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", "pod-tool", "main.go")
    # A store of its own, so that the user's is neither needed nor touched.
    buildah = ["buildah", f"--root={folder}/store", f"--runroot={folder}/run"]
    buildah += ["--storage-driver=vfs"]
    _run(folder, *buildah, "bud", "--quiet", "--isolation=chroot", f"--tag={POD_TOOL}", ".")
    archive = folder / "image.tar"
    _run(folder, *buildah, "push", "--quiet", POD_TOOL, f"oci-archive:{archive}:{POD_TOOL}")
    return archive


def _run(folder: Path, *argv: str) -> None:
    environment = {**os.environ, "CGO_ENABLED": "0", "GO111MODULE": "off", "GOFLAGS": ""}
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        raise ClusterError(f"building {POD_TOOL}: {argv[0]}: {done.stderr.strip()}")
