"""The dashboards as the chart ships them: their JSON, by name."""

from __future__ import annotations

import json
from pathlib import Path

_FOLDER = Path(__file__).resolve().parents[2] / "charts/efficientnet-operator/files/dashboards"
BOARDS = {path.stem: json.loads(path.read_text()) for path in sorted(_FOLDER.glob("*.json"))}
