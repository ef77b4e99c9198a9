"""The examples that need no NPU run: trained on CPUs, evaluated, exported.

In networks that are built in seconds, and on the digits where an example speaks of ImageNet.
"""

import json

import pytest
import yaml
from demo.small_job import QUICK
from demo.stage import EXAMPLES

STEPS = 4
RESTRICTED = "pod-security.kubernetes.io/enforce"

pytestmark = pytest.mark.timeout(600)


def read(name):
    return yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())


@pytest.fixture(scope="module")
def trained(equipped, run_for_all):
    """The example for CPUs as it stands, but for a few steps, under the restricted profile."""
    job = read("cpu")
    job["spec"]["training"] |= {
        "trainSteps": STEPS,
        "saveCheckpointsSteps": STEPS,
        "extraArgs": [*QUICK],
    }
    equipped.kubectl("label", "namespace", "default", f"{RESTRICTED}=restricted", "--overwrite")
    try:
        started = run_for_all(job)
        return job, started, started.wait_for_phase("Succeeded")
    finally:
        equipped.kubectl("label", "namespace", "default", f"{RESTRICTED}-")


def on_the_digits(name, trained):
    """An example about another job's output, made to be about that of the one on CPUs."""
    job = read(name)
    wanted = trained[0]["spec"]
    job["spec"] |= {field: wanted[field] for field in ("image", "model", "dataset", "output")}
    training = job["spec"]["training"]
    # A digit's centre is no digit: without it the two would evaluate other images.
    training["augmentation"] = wanted["training"]["augmentation"]
    training["extraArgs"] = [*training.get("extraArgs", []), *QUICK]
    return job


def test_the_example_for_cpus_trains_under_the_restricted_profile(equipped, trained):
    *_, status = trained
    assert status["progress"]["step"] == STEPS
    table = equipped.kubectl.get("configmap", status["rankTable"]["configMap"])["data"]
    assert json.loads(table["hccl.json"])["status"] == "completed"
    assert [p["rank"] for p in json.loads(table["peers.json"])] == [0, 1]


def test_the_example_for_evaluation_evaluates_the_last_checkpoint(trained, run):
    job = on_the_digits("evaluate", trained)
    job["spec"]["training"] |= {"trainSteps": STEPS, "evalBatchSize": 60}
    evaluation = run(job)
    assert evaluation.wait_for_phase("Succeeded")["progress"]["step"] == STEPS
    # Not the top-1: a network of four steps hardly tells images apart.
    assert evaluation.evaluated_loss() == pytest.approx(trained[1].evaluated_loss(), rel=1e-5)


def test_the_example_for_export_leaves_what_serving_needs(equipped, trained, run):
    run(on_the_digits("export", trained)).wait_for_phase("Succeeded")
    exported = equipped.folder / "volumes" / "cpu-output" / "export"
    found = {str(path.relative_to(exported)) for path in exported.rglob("*") if path.is_file()}
    assert f"saved_model/{STEPS}/saved_model.pb" in found
    assert f"efficientnet-b0-{STEPS}.pb" in found
    report = json.loads((exported / f"efficientnet-b0-{STEPS}.json").read_text())
    assert {"saved_model", "graph_def"} <= set(report)
