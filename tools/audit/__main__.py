"""Audit the repository; exit code 1 where something has to be done.

Secrets in what git tracks, licences of what is installed, advisories on what the operator
locks. The trainer locks TensorFlow 1.15, which ended in 2021 and has many advisories that
nobody will mend: docs/security.md says what follows from that.

    make audit
"""

import json
import subprocess
import sys
from pathlib import Path

from audit.verdict import judge

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.executable).parent

# Licences that ask for no more than to be named, and MPL, which covers its own files only.
LICENCES = (
    "Apache",
    "BSD",
    "MIT",
    "ISC",
    "Python Software Foundation",
    "PSF-2.0",
    "MPL-2.0",
    "Mozilla Public License 2.0",
    "Historical Permission Notice and Disclaimer (HPND)",
)
# Their metadata names no licence; the file beside it does: Apache-2.0, MIT, and ours.
READ_BY_HAND = ("cel-python", "dumb-init", "efficientnet-operator", "efficientnet-trainer")
# Hashes of packages, which look like keys.
LOCKS = {"uv.lock", "go.sum"}


def main() -> int:
    """Run all three; return the exit code."""
    problems = [*find_secrets(), *find_licences("operator"), *find_licences("trainer")]
    problems += find_vulnerabilities()
    for problem in problems:
        print(f"audit: {problem}", file=sys.stderr)
    return 1 if problems else 0


def find_secrets() -> list[str]:
    """Return a line for each file with what looks like a secret."""
    command = ("git", "-c", "safe.directory=*", "ls-files", "-z")
    files = [f for f in run(*command).stdout.split("\0") if f and Path(f).name not in LOCKS]
    done = run(TOOLS / "detect-secrets", "scan", *files)
    if done.returncode or not files:
        return [f"detect-secrets, {len(files)} files that git tracks: {done.stderr.strip()}"]
    found = json.loads(done.stdout)["results"]
    return [
        f"{secret['filename']}:{secret['line_number']}: {secret['type']}; take it out, or mark "
        "the line 'pragma: allowlist secret' if it is none"
        for secrets in found.values()
        for secret in secrets
    ]


def find_licences(project: str) -> list[str]:
    """Return the words of pip-licenses about a package whose licence is none of ours."""
    done = run(
        TOOLS / "pip-licenses",
        f"--python={project}/.venv/bin/python",
        f"--allow-only={';'.join(LICENCES)}",
        "--partial-match",
        "--ignore-packages",
        *READ_BY_HAND,
    )
    return [] if done.returncode == 0 else [f"{project}: {done.stderr.strip()}"]


def find_vulnerabilities() -> list[str]:
    """Return a line for each known vulnerability of what the operator is installed with."""
    locked = run("uv", "export", "--quiet", "--locked", "--all-extras", "--no-dev",
                 "--no-emit-project", "--project", "operator").stdout  # fmt: skip
    command = [TOOLS / "pip-audit", "--disable-pip", "--require-hashes", "--format=json"]
    done = run(*command, "--progress-spinner=off", "--requirement=/dev/stdin", input=locked)
    if not done.stdout:
        return [f"pip-audit: {done.stderr.strip()}"]
    verdict = judge(json.loads(done.stdout))
    if verdict.unknown:
        print(
            f"audit: no advisories are to be had here on {len(verdict.unknown)} packages "
            f"({', '.join(verdict.unknown[:3])}, ...); {verdict.audited} were looked up",
            file=sys.stderr,
        )
    return list(verdict.vulnerable)


def run(*command: str | Path, **options: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the repository; its exit code is the caller's to read."""
    return subprocess.run(
        list(map(str, command)), cwd=ROOT, capture_output=True, text=True, check=False, **options
    )


if __name__ == "__main__":
    sys.exit(main())
