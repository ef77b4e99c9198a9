"""Read what pip-audit found and say what it means."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Verdict:
    """What a list of locked packages is worth.

    Attributes:
        vulnerable: a line for each package with a known vulnerability: what, which, the way out.
        audited: how many packages were looked up.
        unknown: those of which nothing could be found out.
    """

    vulnerable: tuple[str, ...]
    audited: int
    unknown: tuple[str, ...]


def judge(report: Mapping[str, Any]) -> Verdict:
    """Return the verdict on a report of ``pip-audit --format json``."""
    packages: Iterable[Mapping[str, Any]] = report["dependencies"]
    unknown, vulnerable, audited = [], [], 0
    for package in packages:
        if "skip_reason" in package:
            unknown.append(package["name"])
            continue
        audited += 1
        for hole in package["vulns"]:
            mended = ", ".join(hole["fix_versions"]) or "nowhere yet"
            vulnerable.append(
                f"{package['name']} {package['version']}: {hole['id']}, mended in {mended}"
            )
    return Verdict(tuple(vulnerable), audited, tuple(unknown))
