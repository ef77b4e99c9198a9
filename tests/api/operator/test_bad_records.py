"""One rank meets a bad record, its seven siblings time out: the record is the diagnosis."""

import json
from pathlib import Path

from operator_lab.api import RefusedError

REPORT = json.loads((Path(__file__).parents[2] / "contract/termination-bad-data.json").read_text())
BAD = 5
"""The replica index of the pod whose rank met it."""
SIBLINGS = [index for index in range(8) if index != BAD]
ORDERS = {
    "first": [BAD, *SIBLINGS],
    "last": [*SIBLINGS, BAD],
    "midst": [*SIBLINGS[:4], BAD, *SIBLINGS[4:]],
    "alone": [BAD],
}
"""Job's name to the pods that end, in order; who does not end hangs in its collective."""


def test_a_bad_record_is_the_diagnosis_whoever_reports_first(lab):
    # On CPUs: with NPUs, four gangs of 8 compete for whole hosts, which is another test's matter.
    jobs = {name: lab.job(name, npus=8, accelerator="CPU") for name in ORDERS}
    pods = {name: job.run() for name, job in jobs.items()}
    ranks = {
        name: {peer["pod"]: peer["rank"] for peer in job.peers()} for name, job in jobs.items()
    }
    for name, order in ORDERS.items():
        for place, index in enumerate(order):
            pod = pods[name][index]
            rank = ranks[name][pod["metadata"]["name"]]
            late = {"rank": rank, "reason": "Transient", "message": "timed out in a collective"}
            code, report = (3, {**REPORT, "rank": rank}) if index == BAD else (75, late)
            # As they arrive, so they ended: the siblings of "last" all ended before. A little in
            # the future, so that the wait for siblings does not end before the last is told of.
            try:
                jobs[name].end(pod, code, report, ago_s=-3 if place < len(order) - 1 else -4)
            except RefusedError as gone:
                # The record is judged at once; later siblings may have been deleted by then.
                assert (gone.status, BAD in order[:place]) == (404, True)
    for name, job in jobs.items():
        status = job.wait_phase("Failed")
        failure = status["failure"]
        assert (failure["pod"], failure["exitCode"]) == (f"{name}-1-{BAD}", 3)
        assert (failure["reason"], failure["message"]) == ("BadData", REPORT["message"])
        assert failure["rank"] == ranks[name][f"{name}-1-{BAD}"]
        assert (status["attempt"], status["restarts"]) == (1, 0)
        assert job.condition("Failed")["reason"] == "BadData"
    wanted = sorted(f"{name}-1-{index}" for name in ORDERS for index in range(8))
    assert sorted(lab.created("pods")) == wanted
