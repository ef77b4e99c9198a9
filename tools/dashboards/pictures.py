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
from dashboards.recording import NAMESPACE, PODS, Recording, record, silent_queries

KEPT = stage.ROOT / "build/dashboards.json"
PICTURES = stage.ROOT / "docs/images"
CAPTION = "deploy/examples/digits-b0.yaml on two nodes; the series of chips are samples"


def main() -> int:
    """Record and draw; the exit code is 0 once all pictures stand."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--name", default="dev", help="the cluster (default: dev)")
    parser.add_argument("--again", action="store_true", help="draw the last recording")
    arguments = parser.parse_args()
    try:
        if not arguments.again:
            recording = run_and_record(stage.find_cluster(arguments.name))
            KEPT.parent.mkdir(exist_ok=True)
            KEPT.write_text(json.dumps(recording))
        answers = read_recording()
    except (stage.DemoError, ClusterError, ValueError) as error:
        parser.exit(2, f"dashboard-pictures: {error}\n")
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


def read_recording() -> Recording:
    """Return the last recording; say which queries have nothing to show.

    Raises:
        DemoError: there is none, or it is not one of these dashboards.
    """
    try:
        recording: Recording = json.loads(KEPT.read_text())
        silent = silent_queries(recording)
    except (OSError, ValueError, KeyError) as error:
        raise stage.DemoError(
            f"{KEPT} is no recording of these dashboards ({error!r}); without --again it is made"
        ) from error
    stage.say(f"without data: {', '.join(sorted(silent)) or 'no query'}")
    return recording


if __name__ == "__main__":
    sys.exit(main())
