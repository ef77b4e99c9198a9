"""Own ranks and child environments, against the golden files of the contract."""

import hashlib
import json
from pathlib import Path

import pytest
from efficientnet_trainer.cluster import ContradictionError, Pod, find_gang
from efficientnet_trainer.environment import build_child_environment
from efficientnet_trainer.rank_files import (
    RANK_TABLE_ANNOTATION,
    NotReadyError,
    parse_annotations,
    parse_rank_files,
)

CONTRACT = Path(__file__).resolve().parents[2] / "contract"
GOLDEN = {
    "{} {} {}".format(path.stem, pod["podEnvironment"]["JOB_POD_NAME"], number): (case, pod)
    for path in sorted(CONTRACT.glob("environments-*.json"))
    for case in [json.loads(path.read_text(encoding="utf-8"))]
    for number, pod in enumerate(case["pods"])
}
ALLOCATION = "ascend.kubectl.kubernetes.io/ascend-910-configuration"


def publish(case, annotations):
    """Return the files as the operator would publish them."""
    table = json.dumps(case["hccl.json"]).encode()
    peers = json.dumps(case["peers.json"]).encode()
    digest = hashlib.sha256(table).hexdigest()
    return parse_rank_files(table, peers, dict(annotations, **{RANK_TABLE_ANNOTATION: digest}))


def pod_of(environment):
    return Pod(
        name=environment["JOB_POD_NAME"],
        host_ip=environment["HOST_IP"],
        accelerator=environment["ENJ_ACCELERATOR"],
        npus=int(environment["ENJ_NPUS"]),
    )


def test_there_are_golden_environments():
    assert len(GOLDEN) >= 10


@pytest.mark.parametrize("case, pod", GOLDEN.values(), ids=GOLDEN)
def test_child_environments_are_the_golden_ones(case, pod):
    inherited = dict(pod["podEnvironment"], PATH="/bin", POD_NAME="stray")
    gang = find_gang(publish(case, pod["annotations"]), pod_of(inherited), pod["annotations"])
    children = [
        build_child_environment(
            inherited, gang, own, "/run/enj/hccl.json", with_tf_config=not pod["npuBridge"]
        )
        for own in gang.own
    ]
    assert len(children) == len(pod["ranks"])
    for child, golden in zip(children, pod["ranks"]):
        want = dict(golden["set"])
        if "TF_CONFIG" in want:
            assert json.loads(child["TF_CONFIG"]) == want.pop("TF_CONFIG")
        assert {name: child.get(name) for name in want} == want
        assert not set(golden["unset"]) & set(child)
        assert child["PATH"] == "/bin"


def first_pod(name):
    case = json.loads((CONTRACT / f"environments-{name}.json").read_text(encoding="utf-8"))
    return case, case["pods"][0]


def test_ranks_that_form_tensorflows_cluster_have_few_arenas_unless_told():
    case, pod = first_pod("cpu")
    gang = find_gang(
        publish(case, pod["annotations"]), pod_of(pod["podEnvironment"]), pod["annotations"]
    )

    def arenas(with_tf_config, **told):
        inherited = dict(pod["podEnvironment"], **told)
        child = build_child_environment(
            inherited, gang, gang.own[0], "/run/enj/hccl.json", with_tf_config
        )
        return child.get("MALLOC_ARENA_MAX")

    assert arenas(True) == "2"
    assert arenas(True, MALLOC_ARENA_MAX="9") == "9"
    assert arenas(False) is None


def change(allocation, **fields):
    return {ALLOCATION: json.dumps(dict(json.loads(allocation[ALLOCATION]), **fields))}


CONTRADICTIONS = {
    "no peer has this pod's name": (
        lambda case, pod: pod["podEnvironment"].update(JOB_POD_NAME="stranger-1-0"),
        "lists no rank of pod stranger-1-0",
    ),
    "the plugin gave another chip than the table says": (
        lambda case, pod: pod["annotations"].update(
            change(pod["annotations"], devices=[{"device_id": "7", "device_ip": "192.168.9.9"}])
        ),
        "was allocated devices ['7']",
    ),
    "the peers give this pod another rank than its device has": (
        lambda case, pod: [
            peer.update(pod={"b0-1-0": "b0-1-2", "b0-1-2": "b0-1-0"}.get(peer["pod"], peer["pod"]))
            for peer in case["peers.json"]
        ],
        "holds the devices of ranks [1] by hccl.json, but peers.json gives it ranks [0]",
    ),
    "the pod has no allocation": (
        lambda case, pod: pod["annotations"].clear(),
        "has no annotation ascend.kubectl",
    ),
    "the allocation is no JSON": (
        lambda case, pod: pod["annotations"].update({ALLOCATION: "{"}),
        "is unusable",
    ),
    "the table has fewer devices than there are peers": (
        lambda case, pod: case["hccl.json"]["server_list"].pop(),
        "hccl.json has 2 devices, peers.json has 4 ranks",
    ),
    "the job is of another size": (
        lambda case, pod: pod["podEnvironment"].update(ENJ_NPUS="8"),
        "has 4 ranks, the job has 8",
    ),
    "the table has no form that we know": (
        lambda case, pod: case["hccl.json"].pop("server_list"),
        "neither the form 1.0 nor the legacy one",
    ),
}


@pytest.mark.parametrize("spoil, message", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_a_contradiction_is_transient_and_says_what_disagrees(spoil, message):
    case, pod = first_pod("host")
    spoil(case, pod)
    with pytest.raises(ContradictionError) as caught:
        find_gang(
            publish(case, pod["annotations"]), pod_of(pod["podEnvironment"]), pod["annotations"]
        )
    assert message in str(caught.value)
    assert caught.value.exit_code == 75


def test_annotations_come_back_from_the_downward_api_form():
    text = 'a="plain"\nb="say \\"hi\\" \\\\ \\u00fc\\nnext"\nnonsense\nc="x=y"\n'
    assert parse_annotations(text) == {"a": "plain", "b": 'say "hi" \\ ü\nnext', "c": "x=y"}


COMPLETE = b'{"status":"completed"}'
NOT_READY = {
    "still initializing": (b'{"status":"initializing"}', b"[]", {}, "'initializing'"),
    "not annotated yet": (COMPLETE, b"[]", {}, "no annotation efficientnet.dev/rank-table"),
    "the table of another publication": (
        COMPLETE,
        b"[]",
        {RANK_TABLE_ANNOTATION: "0" * 64},
        "the mounted hccl.json has the hash",
    ),
    "half a file": (b'{"status":', b"[]", {}, "hccl.json is no JSON"),
}


@pytest.mark.parametrize("table, peers, annotations, reason", NOT_READY.values(), ids=NOT_READY)
def test_rank_files_are_not_ready(table, peers, annotations, reason):
    with pytest.raises(NotReadyError, match=reason):
        parse_rank_files(table, peers, annotations)
