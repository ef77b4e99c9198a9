"""Find the cluster's binaries, and have `tools/binaries.sh` build those that are missing."""

import subprocess
from pathlib import Path

from localcluster.errors import ClusterError

_SCRIPT = Path(__file__).resolve().parent.parent / "binaries.sh"

CONTROL_PLANE = ("kubernetes", "etcd")
NODES = (*CONTROL_PLANE, "containerd")


def find_binaries(*components: str) -> dict[str, Path]:
    """Return the path of every binary by name, after building what is missing.

    Args:
        components: what must be there, as `tools/binaries.sh` names it; its
            progress goes to this process's standard output.

    Raises:
        ClusterError: a build failed.
    """
    listed = subprocess.run([_SCRIPT, "list"], check=True, capture_output=True, text=True)
    paths = {name: Path(path) for name, path in map(str.split, listed.stdout.splitlines())}
    folders = {path.parent.name.rpartition("-")[0]: path.parent for path in paths.values()}
    missing = [component for component in components if not folders[component].is_dir()]
    if missing and subprocess.run([_SCRIPT, "build", *missing]).returncode != 0:
        raise ClusterError(
            f"building {', '.join(missing)} failed, see the lines above; "
            f"`{_SCRIPT.relative_to(_SCRIPT.parent.parent)} build {missing[0]}` tries again"
        )
    return paths
