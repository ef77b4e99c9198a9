"""Build a release into a folder: wheels, chart, bills of materials, checksums.

Everything is dated by the commit, so that whoever builds the same commit again gets the
same bytes and can compare them with what was published.

    make release
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from localcluster.binaries import find_binaries

from release.archives import list_sums, repack, settle_bill

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts/efficientnet-operator"
# Ascend's image brings TensorFlow: what comes with the trainer elsewhere is the group's.
GROUPS = {"operator": ("--all-extras", "--no-dev"), "trainer": ("--no-dev", "--group", "cpu")}


def main() -> int:
    """Build into the folder that the command line names; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("target", type=Path)
    target = parser.parse_args().target.resolve()
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    moment = commit_moment()
    with tempfile.TemporaryDirectory() as folder:
        for project in GROUPS:
            build_wheel(project, target, moment)
            write_bill(project, target, moment)
        package_chart(target, Path(folder), moment)
    built = sorted(target.iterdir())
    (target / "SHA256SUMS").write_text(list_sums(built))
    print((target / "SHA256SUMS").read_text(), end="")
    return 0


def commit_moment() -> int:
    """Return when the commit was made that is checked out, in Unix seconds."""
    command = ("git", "-c", "safe.directory=*", "log", "-1", "--format=%ct")
    return int(run(*command))


def build_wheel(project: str, target: Path, moment: int) -> None:
    """Build one project's wheel."""
    command = ("uv", "build", "--quiet", "--wheel", "--out-dir", str(target), project)
    command += ("--python", f"{project}/.venv/bin/python")
    run(*command, SOURCE_DATE_EPOCH=str(moment))
    (target / ".gitignore").unlink(missing_ok=True)


def write_bill(project: str, target: Path, moment: int) -> None:
    """Write what one project depends on, with versions and hashes, as CycloneDX."""
    command = ("uv", "export", "--quiet", "--locked", "--project", project)
    found = run(*command, "--format=cyclonedx1.5", *GROUPS[project])
    path = target / f"efficientnet-{project}.cdx.json"
    path.write_text(settle_bill(found, moment))


def package_chart(target: Path, folder: Path, moment: int) -> None:
    """Package the chart as helm does, and settle its archive."""
    run(str(find_binaries("helm")["helm"]), "package", str(CHART), "--destination", str(folder))
    (archive,) = folder.glob("*.tgz")
    (target / archive.name).write_bytes(repack(archive.read_bytes(), moment))


def run(*command: str, **environment: str) -> str:
    """Run a command at the repository's root; return what it printed."""
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"release: {' '.join(command)} failed: {error}") from error
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
