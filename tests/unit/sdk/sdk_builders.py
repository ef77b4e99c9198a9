"""Jobs, pods and tables as a cluster stores them, for the tests of SDK and commands."""

import json

SPEC = {
    "npus": 2,
    "accelerator": "Ascend910",
    "image": "trainer:1",
    "dataset": {"path": "/data"},
    "output": {"path": "/output"},
    "model": {"name": "efficientnet-b0"},
}


def a_job(name="b0", spec=None, **status):
    """Return a job as it comes from a user, with what the operator would have written."""
    job = {
        "apiVersion": "efficientnet.dev/v1alpha1",
        "kind": "EfficientNetJob",
        "metadata": {"name": name},
        "spec": {**SPEC, **(spec or {})},
    }
    return job | ({"status": status} if status else {})


def condition(kind, reason="Because", message="", status="True"):
    return {"type": kind, "status": status, "reason": reason, "message": message}


def running(step=0, **more):
    figures = {"step": step, "totalSteps": 100, "percent": float(step), "phase": "training"}
    figures |= {"imagesPerSecond": 1450.0, "loss": 2.5, "etaSeconds": 300}
    conditions = [condition("Running", "AllRanksReady")]
    return {"phase": "Running", "attempt": 1, "conditions": conditions, "progress": figures} | more


def succeeded(**more):
    figures = {"step": 100, "totalSteps": 100, "percent": 100.0, "loss": 0.06, "top1": 0.987}
    conditions = [condition("Succeeded", "Completed", "step 100, top-1 0.987")]
    times = {"startTime": "2026-01-01T10:00:00Z", "completionTime": "2026-01-01T10:05:00Z"}
    ended = {"phase": "Succeeded", "attempt": 1, "conditions": conditions, "progress": figures}
    return ended | times | more


def failed(**more):
    failure = {"rank": 1, "pod": "b0-1-1", "node": "n1", "exitCode": 3, "reason": "BadData"}
    failure |= {"message": "cut off record", "attempt": 1}
    conditions = [condition("Failed", "BadData", "rank 1 failed")]
    ended = {"phase": "Failed", "attempt": 1, "conditions": conditions, "failure": failure}
    return ended | more


def a_pod(index, attempt=1, job="b0", uid="uid-1", state=None, **status):
    """Return a trainer pod; ``state`` is the container's, running by default."""
    prefix = "efficientnet.dev/"
    labels = {"job-name": job, "job-uid": uid, "attempt": attempt, "replica-index": index}
    name = f"{job}-{attempt}-{index}"
    container = {"name": "trainer", "state": state or {"running": {}}}
    ready = [{"type": "Ready", "status": "True"}]
    return {
        "metadata": {
            "name": name,
            "namespace": "team",
            "uid": f"uid-of-{name}",
            "labels": {prefix + k: str(v) for k, v in labels.items()},
        },
        "spec": {"nodeName": f"n{index}"},
        "status": {"phase": "Running", "conditions": ready, "containerStatuses": [container]}
        | status,
    }


def ended(code=0, message=""):
    return {"terminated": {"exitCode": code, "reason": "Completed", "message": message}}


def peers(*pods, attempt=1, job="b0"):
    """Return the ConfigMap of an attempt whose ranks are in these pods, in order."""
    entries = [{"rank": rank, "pod": f"{job}-{attempt}-{i}"} for rank, i in enumerate(pods)]
    table = {"status": "completed", "version": "1.0", "server_list": []}
    return {"data": {"hccl.json": json.dumps(table), "peers.json": json.dumps(entries)}}
