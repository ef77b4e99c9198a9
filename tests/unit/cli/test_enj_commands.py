"""Each command from its words to what a person or a script gets."""

import json

import pytest
import yaml
from api_stand_in import EVENTS, JOBS, MAPS, status
from sdk_builders import SPEC, a_job, a_pod, condition, failed, running, succeeded

OPTIONS = ("--image=trainer:1", "--npus=8", "--dataset=/data", "--output-path=/out")


def test_submit_by_options(api, enj):
    claims = ("--dataset-claim=imagenet", "--set", "training.epochs=3", "--set=npusPerPod=8")
    code, out, _ = enj("submit", "b0", *OPTIONS, *claims)
    assert (code, out) == (0, "efficientnetjob.efficientnet.dev/b0 created in namespace team\n")
    spec = api.objects[f"{JOBS}/b0"]["spec"]
    assert spec["dataset"]["volume"] == {"persistentVolumeClaim": {"claimName": "imagenet"}}
    assert (spec["training"], spec["npusPerPod"]) == ({"epochs": 3}, 8)


def test_submit_a_file_with_another_name_and_some_fields_anew(api, enj, tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text(yaml.safe_dump(a_job()))
    code, *_ = enj("submit", "b1", "-f", path, "--npus=4", "--set=training.trainSteps=10")
    assert code == 0
    spec = api.objects[f"{JOBS}/b1"]["spec"]
    assert spec == {**SPEC, "npus": 4, "training": {"trainSteps": 10}}


def test_submit_from_standard_input(api, enj):
    assert enj("submit", "-f", "-", stdin=json.dumps(a_job()))[0] == 0
    assert f"{JOBS}/b0" in api.objects


def test_submit_as_a_rehearsal(api, enj):
    code, out, _ = enj("submit", "b0", *OPTIONS, "--dry-run")
    assert (code, yaml.safe_load(out)["spec"]["npus"], api.requests) == (0, 8, [])


def test_submit_and_wait(api, enj):
    api.script["b0"] = [running(5), succeeded()]
    code, out, _ = enj("submit", "b0", *OPTIONS, "--wait")
    assert code == 0
    assert (
        out.splitlines()[-1]
        == "team/b0 Succeeded, attempt 1, step 100/100, loss 0.0600, top-1 0.987"
    )


def test_submit_prints_the_stored_job(enj):
    _, out, _ = enj("submit", "b0", *OPTIONS, "-o", "json")
    assert json.loads(out)["metadata"]["uid"] == "uid-1"


WRONG_SUBMITS = {
    "nothing named": ([], "name a job or a manifest"),
    "a value out of range": (["b0", *OPTIONS, "--npus=0"], "spec.npus"),
    "no such field": (["b0", *OPTIONS, "--set=epochs=3"], 'unknown field "spec.epochs"'),
    "no value": (["b0", *OPTIONS, "--set=epochs"], "want FIELD=VALUE, such as training.epochs=3"),
    "no YAML": (["b0", *OPTIONS, "--set=podTemplate={"], "the value is no YAML"),
    "a field of a number": (["b0", *OPTIONS, "--set=npus.x=1"], "npus is no object"),
    "no such file": (["-f", "/no/job.yaml"], "/no/job.yaml: No such file or directory"),
}  # fmt: skip


@pytest.mark.parametrize("words, want", WRONG_SUBMITS.values(), ids=WRONG_SUBMITS)
def test_wrong_jobs_are_refused_before_anything_is_sent(api, enj, words, want):
    code, out, err = enj("submit", *words)
    assert (code, out, api.requests) == (2, "", [])
    assert err.startswith("kubectl enj: ")
    assert want in err


def test_list(api, enj):
    api.add_job(a_job("b1", **running(7)))
    api.add_job(a_job("b0"))
    code, out, _ = enj("list")
    head, first, second = out.splitlines()
    assert (code, head.split()[:3]) == (0, ["NAMESPACE", "NAME", "PHASE"])
    assert first.split()[:4] == ["team", "b0", "New", "2"]
    assert second.split()[:5] == ["team", "b1", "Running", "2", "7/100"]
    assert "no operator has looked at it yet" in enj("list", "-o", "wide")[1]
    assert enj("list", "-o", "name")[1].splitlines()[1] == "efficientnetjob.efficientnet.dev/b1"
    assert len(yaml.safe_load(enj("list", "-A", "-o", "yaml")[1])["items"]) == 2


def test_list_of_nothing(enj):
    assert enj("list") == (0, "", "There are no jobs in namespace team.\n")
    assert json.loads(enj("list", "-o", "json")[1])["items"] == []


def test_status_in_a_pipe(api, enj):
    api.add_job(a_job(**running(41, npus={"total": 2, "allocated": 2})))
    api.add_gang(a_pod(0), a_pod(1), ranks=[0, 1])
    code, out, _ = enj("status", "b0")
    assert code == 0
    assert "\x1b" not in out
    assert "  progress  [############------------------] 41.0 %, step 41/100, training" in out
    assert out.splitlines()[-1].split() == ["1", "b0-1-1", "n1", "Running"]
    data = json.loads(enj("status", "b0", "-o", "json")[1])
    assert [rank["pod"] for rank in data["ranks"]] == ["b0-1-0", "b0-1-1"]


def test_status_that_goes_on_in_a_pipe(api, enj):
    api.add_job(a_job())
    api.script["b0"] = [running(5), running(5), succeeded()]
    code, out, _ = enj("status", "b0", "--watch")
    assert code == 0
    assert [line.split(",")[0].split(":")[0] for line in out.splitlines()] == [
        "team/b0 New",
        "team/b0 Running",
        "team/b0 Succeeded",
    ]


def test_status_of_a_job_that_is_deleted_meanwhile(api, enj):
    api.add_job(a_job())
    api.script["b0"] = [running(5), None]
    code, out, err = enj("status", "b0", "--watch")
    assert (code, len(out.splitlines())) == (4, 2)
    assert err == (
        "kubectl enj: EfficientNetJob team/b0 was deleted; its checkpoints stay in its output\n"
    )


def test_logs(api, enj):
    api.add_job(a_job(**running(5)))
    api.add_gang(a_pod(0), a_pod(1), ranks=[0, 1])
    api.logs = {"b0-1-0": ["2026-01-01T10:00:02Z b"], "b0-1-1": ["2026-01-01T10:00:01Z a"]}
    assert enj("logs", "b0")[1] == "[1] a\n[0] b\n"
    assert enj("logs", "b0", "--rank=1")[1] == "a\n"
    assert enj("logs", "b0", "-r0", "--timestamps")[1] == "2026-01-01T10:00:02.000000000Z b\n"
    assert enj("logs", "b0", "-r9")[::2] == (
        4,
        "kubectl enj: there is no rank 9; ranks are 0 to 1\n",
    )


def test_ranktable(api, enj):
    api.add_job(a_job(**running(5)))
    assert enj("ranktable", "b0")[0] == 9
    api.add_gang(ranks=[0])
    device = {"device_id": "3", "device_ip": "1.1.1.3", "rank_id": "0"}
    table = {"server_list": [{"server_id": "10.0.0.1", "device": [device]}]}
    api.objects[f"{MAPS}/b0-1-rank-table"]["data"]["hccl.json"] = json.dumps(table)
    assert json.loads(enj("ranktable", "b0")[1]) == table
    lines = enj("ranktable", "b0", "-o", "table")[1].splitlines()
    assert [line.split() for line in lines[1:]] == [["0", "10.0.0.1", "3", "1.1.1.3"]]


def test_events(api, enj):
    api.add_job(a_job())
    assert enj("events", "b0")[::2] == (
        0,
        "There are no events; the cluster keeps them for an hour.\n",
    )
    api.objects[f"{EVENTS}/1"] = {
        "type": "Warning",
        "reason": "BadData",
        "message": "cut\noff",
        "lastTimestamp": "2026-01-01T10:00:00Z",
    }
    assert enj("events", "b0")[1].splitlines()[1].split()[1:] == [
        "Warning",
        "BadData",
        "1",
        "cut",
        "off",
    ]
    assert json.loads(enj("events", "b0", "-o", "json")[1])[0]["reason"] == "BadData"


def test_suspend_and_resume(api, enj):
    api.add_job(a_job(**running(5)))
    assert enj("suspend", "b0")[1] == "efficientnetjob.efficientnet.dev/b0 is being suspended\n"
    assert api.objects[f"{JOBS}/b0"]["spec"]["runPolicy"]["suspend"] is True
    suspended = running(5) | {"conditions": [condition("Suspended")], "phase": "Suspended"}
    api.script["b0"] = [suspended]
    assert enj("suspend", "b0", "--wait")[0] == 0
    api.script["b0"] = [running(6)]
    code, out, _ = enj("resume", "b0", "--wait", "--timeout=1m")
    assert (code, out.splitlines()[0]) == (
        0,
        "efficientnetjob.efficientnet.dev/b0 is being resumed",
    )
    assert api.objects[f"{JOBS}/b0"]["spec"]["runPolicy"]["suspend"] is False


WAITS = {
    "it succeeds": ([running(5), succeeded()], [], 0),
    "it fails": ([running(5), failed()], [], 1),
    "its failure is waited for": ([failed()], ["--for=Failed"], 0),
    "an end of either kind": ([failed()], ["--for=Finished"], 0),
    "the time is over": ([running(5)], ["--timeout=0.2s"], 3),
    "it is deleted": ([running(5), None], [], 4),
    "nothing to wait for": ([], ["--for=Done"], 2),
    "no duration": ([], ["--timeout=soon"], 2),
}


@pytest.mark.parametrize("script, words, want", WAITS.values(), ids=WAITS)
def test_what_a_script_learns_from_wait(api, enj, script, words, want):
    api.add_job(a_job())
    api.script["b0"] = list(script)
    code, out, err = enj("wait", "b0", *words)
    assert code == want
    assert len((out + err).splitlines()) == 1


def test_delete(api, enj):
    for name in ("b0", "b1"):
        api.add_job(a_job(name))
    code, out, _ = enj("delete", "b0", "b1", "--wait")
    assert (code, len(out.splitlines())) == (0, 2)
    assert not [path for path in api.objects if path.startswith(JOBS)]


def test_nothing_is_deleted_where_one_name_is_wrong(api, enj):
    api.add_job(a_job())
    assert enj("delete", "b0", "b9")[0] == 4
    assert f"{JOBS}/b0" in api.objects


def test_pods_that_stay_after_a_deletion(api, enj):
    api.add_job(a_job())
    api.add_gang(a_pod(0))
    code, _, err = enj("delete", "b0", "--wait", "--timeout=0.1s")
    assert code == 3
    assert "is deleted, but pods of it are left after 0.1s" in err


def test_top(api, enj):
    api.add_job(a_job("small", **running(5, npus={"allocated": 1})))
    api.add_job(a_job("large", **running(5, npus={"allocated": 8})))
    api.add_job(a_job("over", **succeeded(npus={"allocated": 8})))
    lines = enj("top", "-A")[1].splitlines()
    assert [line.split()[1] for line in lines[1:3]] == ["large", "small"]
    assert lines[3].split() == ["2", "jobs", "9", "2,900.0"]
    assert "181.2" in lines[1]


def test_explain_a_manifest(enj, tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text(yaml.safe_dump(a_job()))
    code, out, _ = enj("explain", "-f", path)
    assert (code, [d["kind"] for d in yaml.safe_load_all(out)]) == (0, ["ConfigMap", "Pod", "Pod"])
    path.write_text(yaml.safe_dump(a_job(spec={"npus": 0})))
    code, _, err = enj("explain", "-f", path)
    assert (code, "spec.npus" in err) == (2, True)
    assert enj("explain")[0] == 2
    assert enj("explain", "b0")[0] == 4


REFUSALS = {
    "no permission": ((403, status(403, "Forbidden", "no list")), 6, "no list; ask whoever runs"),
    "no operator": ((404, b"404 page not found"), 8, "install the operator"),
    "something else": ((500, b"oops"), 1, "cannot be listed: oops"),
}


@pytest.mark.parametrize("refusal, code, words", REFUSALS.values(), ids=REFUSALS)
def test_refusals_are_one_line_and_a_code(api, enj, refusal, code, words):
    api.refusals["GET", "/apis"] += [refusal]
    found, out, err = enj("list")
    assert (found, out, len(err.splitlines())) == (code, "", 1)
    assert words in err


def test_a_name_that_is_taken(api, enj):
    api.add_job(a_job())
    code, _, err = enj("submit", "b0", *OPTIONS)
    assert (code, "b0 exists already; take another name" in err) == (5, True)


def test_a_server_that_is_not_there(enj, tmp_path):
    api = tmp_path / "none"
    from api_stand_in import write_kubeconfig

    code, _, err = enj("list", "--kubeconfig", write_kubeconfig(api, "http://127.0.0.1:9"))
    assert (code, len(err.splitlines())) == (7, 1)
    assert "the API server at http://127.0.0.1:9 cannot be reached: Connection refused" in err


def test_no_kubeconfig(enj, tmp_path):
    code, _, err = enj("list", "--kubeconfig", tmp_path / "none")
    assert (code, "name a kubeconfig with --kubeconfig" in err) == (7, True)
