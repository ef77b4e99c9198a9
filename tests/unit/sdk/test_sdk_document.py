"""The examples of docs/sdk.md, as they stand there, against a job that trains."""

import doctest
import json
from pathlib import Path

from sdk_builders import a_pod, condition, ended, running, succeeded

PAGE = Path(__file__).parents[3] / "docs/sdk.md"
STEPS = 218949


def figures(step, rate):
    return running(step) | {
        "progress": {"step": step, "totalSteps": STEPS, "imagesPerSecond": rate},
    }


def test_the_pages_examples_hold(api, kubeconfig, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", kubeconfig)
    waiting = {"phase": "Pending", "attempt": 1}
    waiting["conditions"] = [condition("Scheduled", "Unschedulable", status="False")]
    over = succeeded()
    over["progress"] = {"step": STEPS, "totalSteps": STEPS, "top1": 0.763}
    api.script["b0-8p"] = [waiting, running() | {"progress": {}}, figures(100, 11584.2),
                           figures(200, 11590.1), over]  # fmt: skip
    word = json.dumps({"rank": 0, "checkpoint": f"/output/model.ckpt-{STEPS}"})
    for index, said in enumerate((word, "{}")):
        pod = a_pod(index, job="b0-8p", state=ended(0, said), phase="Succeeded")
        api.add_gang(pod)
        api.logs[f"b0-8p-1-{index}"] = [f"2026-01-01T10:00:0{index}Z step 100, loss 6.9"]
    api.add_table("b0-8p", [0, 1])
    outcome = doctest.testfile(str(PAGE), module_relative=False, encoding="utf-8")
    assert outcome.attempted > 15
    assert not outcome.failed
