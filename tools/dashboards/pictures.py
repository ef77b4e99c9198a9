"""Run the digits' job beside a real Prometheus, and draw the dashboards with what it scraped.

    make dashboard-pictures    (needs the cluster of `make demo`, whose job it runs anew)

``--again`` draws the last recording.
"""

from __future__ import annotations

import argparse
import json
import sys

from demo import stage
from demo.__main__ import follow
from localcluster.cluster import Cluster
from localcluster.errors import ClusterError
from monitoring_lab.scrapes import watching

from dashboards.boards import BOARDS
from dashboards.drawing import draw
from dashboards.recording import NAMESPACE, PODS, Recording, record

KEPT = stage.ROOT / "build/dashboards.json"
PICTURES = stage.ROOT / "docs/images"
CAPTION = "deploy/examples/digits-b0.yaml on two nodes; the series of chips are samples"


def main() -> int:
    """Record and draw; the exit code is 0 once all pictures stand."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--name", default="dev", help="the cluster (default: dev)")
    parser.add_argument("--again", action="store_true", help="draw the last recording")
    arguments = parser.parse_args()
    if not arguments.again:
        try:
            recording = run_and_record(stage.find_cluster(arguments.name))
        except (stage.DemoError, ClusterError, ValueError) as error:
            parser.exit(2, f"dashboard-pictures: {error}\n")
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_text(json.dumps(recording))
    if not KEPT.exists():
        parser.exit(2, f"dashboard-pictures: there is no {KEPT} to draw; leave --again away\n")
    answers = json.loads(KEPT.read_text())
    for name, board in BOARDS.items():
        picture = PICTURES / f"dashboard-{name}.png"
        draw(board, answers[name], CAPTION).savefig(picture, dpi=80)
        stage.say(f"drawn: {picture.relative_to(stage.ROOT)}")
    return 0


def run_and_record(cluster: Cluster) -> Recording:
    """Run the job to its end; return what the dashboards showed of it."""
    with watching(cluster, NAMESPACE, PODS) as prometheus:
        stage.remove_job(cluster, stage.JOB)
        cluster.kubectl("apply", "-f", str(stage.EXAMPLES / f"{stage.JOB}.yaml"))
        return record(prometheus, follow(cluster))


if __name__ == "__main__":
    sys.exit(main())
