"""Trainer pods: what each has, where it goes, and what no template can take from it."""

import pytest
from core_builders import JOB, UID, a_spec
from efficientnet_operator.core.pods import PodBuilder
from hypothesis import given
from hypothesis import strategies as st

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
CPU = {"accelerator": "CPU"}


def build_pod(job, spec, attempt, index, excluded=(), patch=None):
    everywhere = dict.fromkeys(range(spec.npus), excluded)
    return PodBuilder(job, spec, attempt, everywhere, patch).build(index)


def container_of(pod):
    return next(c for c in pod["spec"]["containers"] if c["name"] == "trainer")


def groups_of(pod, affinity):
    """Return (operator, values) of the pod's one required term about host groups."""
    (term,) = pod["spec"]["affinity"][affinity][REQUIRED]
    (expression,) = term["labelSelector"]["matchExpressions"]
    assert expression["key"] == "efficientnet.dev/host-group"
    assert term["topologyKey"] == "kubernetes.io/hostname"
    assert term["labelSelector"]["matchLabels"] == {
        "efficientnet.dev/job-uid": UID,
        "efficientnet.dev/attempt": "2",
    }
    return expression["operator"], expression["values"]


PLACEMENTS = {
    "one pod": ({"npus": 1}, 0, None, None),
    "one host of two pods": ({"npus": 2}, 1, "0", None),
    "hosts of one pod each": ({"npus": 16, "npusPerPod": 8}, 1, None, "1"),
    "two hosts of two pods": ({"npus": 4, "scheduling": {"npusPerHost": 2}}, 3, "1", "1"),
    "two pods of two chips to a host": (
        {"npus": 8, "npusPerPod": 2, "scheduling": {"npusPerHost": 4}},
        2,
        "1",
        "1",
    ),
}


@pytest.mark.parametrize("spec, index, mates, apart", PLACEMENTS.values(), ids=PLACEMENTS)
def test_host_groups_by_affinity(spec, index, mates, apart):
    pod = build_pod(JOB, a_spec(**spec), 2, index)
    affinity = pod["spec"].get("affinity", {})
    assert ("podAffinity" in affinity, "podAntiAffinity" in affinity) == (
        mates is not None,
        apart is not None,
    )
    if mates is not None:
        assert groups_of(pod, "podAffinity") == ("In", [mates])
        assert pod["metadata"]["labels"]["efficientnet.dev/host-group"] == mates
    if apart is not None:
        assert groups_of(pod, "podAntiAffinity") == ("NotIn", [apart])


def test_cpu_pods_go_anywhere():
    pod = build_pod(JOB, a_spec(4, **CPU), 1, 3)
    assert "affinity" not in pod["spec"]
    assert "nodeSelector" not in pod["spec"]
    assert "efficientnet.dev/host-group" not in pod["metadata"]["labels"]


def fields_of(pod):
    terms = pod["spec"]["affinity"]["nodeAffinity"][REQUIRED]["nodeSelectorTerms"]
    return [[(f["key"], f["operator"], f["values"]) for f in t["matchFields"]] for t in terms]


def test_excluded_nodes_are_each_a_requirement_of_their_own():
    pod = build_pod(JOB, a_spec(2), 1, 0, excluded=["n2", "n1", "n2"])
    want = [("metadata.name", "NotIn", ["n1"]), ("metadata.name", "NotIn", ["n2"])]
    assert fields_of(pod) == [want]
    assert "podAffinity" in pod["spec"]["affinity"]


def test_excluded_nodes_narrow_each_alternative_of_the_template():
    rack = {"matchExpressions": [{"key": "rack", "operator": "In", "values": ["r1"]}]}
    own = {"matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["n9"]}]}
    weight = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1}]}
    affinity = {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [rack, own]}, **weight}}
    spec = a_spec(2, podTemplate={"spec": {"affinity": affinity}})
    pod = build_pod(JOB, spec, 1, 0, excluded=["n1"])
    first, second = pod["spec"]["affinity"]["nodeAffinity"][REQUIRED]["nodeSelectorTerms"]
    assert first["matchExpressions"] == rack["matchExpressions"]
    assert [f["values"] for f in first["matchFields"]] == [["n1"]]
    assert [f["values"] for f in second["matchFields"]] == [["n9"], ["n1"]]
    assert pod["spec"]["affinity"]["nodeAffinity"].items() >= weight.items()
    assert (
        build_pod(JOB, spec, 1, 0)["spec"]["affinity"]["nodeAffinity"] == affinity["nodeAffinity"]
    )


@pytest.mark.parametrize("accelerator", ["CPU", "Ascend910", "Ascend910B"])
def test_pods_meet_the_restricted_profile(accelerator):
    pod = build_pod(JOB, a_spec(accelerator=accelerator), 1, 0)
    security = pod["spec"]["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] == 1000
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container_of(pod)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        **({"readOnlyRootFilesystem": True} if accelerator == "CPU" else {}),
    }
    assert not any("hostPath" in v for v in pod["spec"]["volumes"])
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert pod["spec"]["restartPolicy"] == "Never"


def test_an_npu_pod_asks_for_its_chips():
    pod = build_pod(JOB, a_spec(8, npusPerPod=4), 1, 1)
    assert container_of(pod)["resources"] == {"limits": {"huawei.com/Ascend910": "4"}}
    assert pod["spec"]["nodeSelector"] == {"accelerator": "huawei-Ascend910"}
    assert pod["spec"]["terminationGracePeriodSeconds"] == 600
    ports = {p["name"]: p["containerPort"] for p in container_of(pod)["ports"]}
    assert ports == {"http": 8080, "rank-0": 2222, "rank-1": 2223, "rank-2": 2224, "rank-3": 2225}


def test_a_cpu_pod_asks_for_none():
    pod = build_pod(JOB, a_spec(**CPU), 1, 0)
    assert "resources" not in container_of(pod)
    assert pod["spec"]["terminationGracePeriodSeconds"] == 120


def test_the_environment_is_the_contracts():
    env = {
        e["name"]: e for e in container_of(build_pod(JOB, a_spec(8, npusPerPod=2), 3, 1))["env"]
    }
    paths = {
        n: e["valueFrom"]["fieldRef"]["fieldPath"] for n, e in env.items() if "valueFrom" in e
    }
    assert paths == {
        "JOB_POD_NAME": "metadata.name",
        "POD_IP": "status.podIP",
        "HOST_IP": "status.hostIP",
    }
    values = {n: e["value"] for n, e in env.items() if n.startswith("ENJ_")}
    assert values == {
        "ENJ_JOB_NAME": "b0",
        "ENJ_JOB_UID": UID,
        "ENJ_ATTEMPT": "3",
        "ENJ_NPUS": "8",
        "ENJ_NPUS_PER_POD": "2",
        "ENJ_ACCELERATOR": "Ascend910",
        "ENJ_STOP_GRACE_S": "590",
    }
    assert "POD_NAME" not in env  # HCCL would prefer it to RANK_ID


def test_files_are_mounted_as_folders():
    pod = build_pod(JOB, a_spec(), 2, 0)
    mounts = {m["mountPath"]: m for m in container_of(pod)["volumeMounts"]}
    volumes = {v["name"]: v for v in pod["spec"]["volumes"]}
    assert not any("subPath" in m for m in mounts.values())
    table = mounts["/user/serverid/devindex/config"]
    assert volumes[table["name"]]["configMap"] == {"name": "b0-2-rank-table"}
    (item,) = volumes[mounts["/etc/podinfo"]["name"]]["downwardAPI"]["items"]
    assert item == {"path": "annotations", "fieldRef": {"fieldPath": "metadata.annotations"}}
    assert volumes[mounts["/dev/shm"]["name"]]["emptyDir"] == {"medium": "Memory"}


def test_data_and_output_volumes_are_mounted_where_the_trainer_looks():
    claim = {"persistentVolumeClaim": {"claimName": "c"}}
    spec = a_spec(
        dataset={"path": "/data", "volume": claim}, output={"path": "/out", "volume": claim}
    )
    pod = build_pod(JOB, spec, 1, 0)
    mounts = {m["name"]: m for m in container_of(pod)["volumeMounts"]}
    assert mounts["dataset"] == {"name": "dataset", "mountPath": "/data", "readOnly": True}
    assert mounts["output"] == {"name": "output", "mountPath": "/out"}
    volumes = {v["name"]: v for v in pod["spec"]["volumes"]}
    assert volumes["dataset"] == {"name": "dataset", **claim}


def test_scheduler_and_priority():
    wish = {"priorityClassName": "high", "schedulerName": "mine"}
    pod = build_pod(JOB, a_spec(scheduling=wish), 1, 0)
    assert pod["spec"].items() >= wish.items()
    assert not wish.keys() & build_pod(JOB, a_spec(), 1, 0)["spec"].keys()


def test_every_volume_that_is_mounted_exists():
    for accelerator in ("CPU", "Ascend910"):
        pod = build_pod(JOB, a_spec(accelerator=accelerator), 1, 0)
        names = [v["name"] for v in pod["spec"]["volumes"]]
        assert sorted(names) == sorted(m["name"] for m in container_of(pod)["volumeMounts"])


TEMPLATE = {
    "metadata": {"labels": {"team": "vision"}, "annotations": {"note": "n"}},
    "spec": {
        "tolerations": [{"key": "npu"}],
        "containers": [
            {"name": "trainer", "env": [{"name": "TF_CPP_MIN_LOG_LEVEL", "value": "1"}]},
            {"name": "side", "image": "s"},
        ],
        "volumes": [{"name": "driver", "hostPath": {"path": "/usr/local/Ascend/driver"}}],
    },
}


def test_a_template_adds_without_repeating():
    pod = build_pod(JOB, a_spec(podTemplate=TEMPLATE), 1, 0)
    assert pod["metadata"]["labels"]["team"] == "vision"
    assert pod["metadata"]["annotations"] == {"note": "n"}
    assert pod["spec"]["tolerations"] == [{"key": "npu"}]
    assert [c["name"] for c in pod["spec"]["containers"]] == ["trainer", "side"]
    env = {e["name"] for e in container_of(pod)["env"]}
    assert {"TF_CPP_MIN_LOG_LEVEL", "ENJ_NPUS"} <= env
    assert container_of(pod)["command"][-2:] == ["efficientnet-trainer", "launch"]
    assert "driver" in [v["name"] for v in pod["spec"]["volumes"]]


FOREIGN = {
    "name": {"metadata": {"name": "other"}},
    "namespace": {"metadata": {"namespace": "other"}},
    "job label": {"metadata": {"labels": {"efficientnet.dev/job-name": "other"}}},
    "attempt label": {"metadata": {"labels": {"efficientnet.dev/attempt": "9"}}},
    "host group label": {"metadata": {"labels": {"efficientnet.dev/host-group": "9"}}},
    "owner": {"metadata": {"ownerReferences": [{"kind": "Job", "name": "x", "controller": True}]}},
    "finalizer": {"metadata": {"finalizers": ["x/y"]}},
    "kind": {"kind": "Job", "apiVersion": "batch/v1"},
    "restart policy": {"spec": {"restartPolicy": "Always"}},
    "nothing at all": {"metadata": None, "spec": None},
}


@pytest.mark.parametrize("template", FOREIGN.values(), ids=FOREIGN)
def test_no_template_takes_a_pods_identity(template):
    assert build_pod(JOB, a_spec(podTemplate=template), 1, 2) == build_pod(JOB, a_spec(), 1, 2)


WORDS = st.sampled_from(
    [
        "name",
        "labels",
        "ownerReferences",
        "efficientnet.dev/job-uid",
        "containers",
        "affinity",
        "x",
    ]
)
TREES = st.recursive(
    st.none() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)


@given(spec=st.dictionaries(WORDS, TREES, max_size=4))
def test_any_pod_spec_in_a_template_leaves_the_identity(spec):
    pod = build_pod(JOB, a_spec(podTemplate={"spec": spec}), 1, 0)
    assert pod["metadata"] == build_pod(JOB, a_spec(), 1, 0)["metadata"]
    assert pod["spec"]["restartPolicy"] == "Never"


@pytest.mark.parametrize(("grace_s", "told"), [(60, "50"), (8, "4"), (1, "1"), (3600, "3590")])
def test_the_trainer_knows_the_grace_that_a_template_gives(grace_s, told):
    spec = a_spec(podTemplate={"spec": {"terminationGracePeriodSeconds": grace_s}})
    env = {e["name"]: e.get("value") for e in container_of(build_pod(JOB, spec, 1, 0))["env"]}
    assert env["ENJ_STOP_GRACE_S"] == told
