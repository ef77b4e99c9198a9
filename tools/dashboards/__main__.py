"""Write the dashboards' JSON. Usage: python -m dashboards FOLDER."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards import controller, jobs, training

BOARDS = {"jobs": jobs.build, "training": training.build, "operator": controller.build}


def main() -> None:
    """Write one file for each dashboard; the same bytes at each run."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, build in BOARDS.items():
        board = json.loads(json.dumps(build().build(), cls=JSONEncoder))
        # Grafana numbers panels that have no number at each load, so that links to them break.
        for number, panel in enumerate(board["panels"], start=1):
            panel["id"] = number
        text = json.dumps(board, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        (folder / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
