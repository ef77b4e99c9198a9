"""No right is too many: without any one of them the operator is refused something it does.

tests/deploy/test_rbac.py compares the roles with the calls in the source. Here each verb of
each rule is taken away in turn, and a real API server says no.
"""

import re
from contextlib import contextmanager
from typing import NamedTuple

import pytest
import yaml
from operator_lab.identity import DEPLOY, NAME
from operator_lab.job import CONFIGURATION, HASH, LABEL
from operator_lab.waiting import wait_until

FOR_PEOPLE = {f"{NAME}-view", f"{NAME}-edit"}


class Right(NamedTuple):
    """One verb of one rule, and where that stands."""

    roles: str
    namespace: str
    role: str
    resource: str
    verb: str

    def __str__(self):
        return f"{self.role.removeprefix(NAME)} {self.verb} {self.resource}".strip()


def find_rights():
    """Yield each right that the operator is shipped with."""
    for file in sorted((DEPLOY / "rbac").glob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text()):
            metadata = document["metadata"]
            if document["kind"] not in {"Role", "ClusterRole"} or metadata["name"] in FOR_PEOPLE:
                continue
            where = document["kind"].lower() + "s", metadata.get("namespace", ""), metadata["name"]
            for rule in document["rules"]:
                for verb in rule["verbs"]:
                    yield Right(*where, rule["resources"][0], verb)


@contextmanager
def taken_away(api, right):
    """Take a right away, and give it back."""
    where = right.roles, right.namespace, right.role
    rules = api.get(*where)["rules"]
    fewer = [
        {**rule, "verbs": [v for v in rule["verbs"] if v != right.verb]}
        if rule["resources"] == [right.resource]
        else rule
        for rule in rules
    ]
    assert fewer != rules
    # A rule without verbs is refused.
    api.patch(*where, {"rules": [rule for rule in fewer if rule["verbs"]]})
    try:
        yield
    finally:
        api.patch(*where, {"rules": rules})


class Play:
    """Jobs that bring the operator to do all that it ever does.

    One loses a pod twice, starts again, succeeds and is deleted as its TTL is over; two find
    names of their children taken.
    """

    def __init__(self, lab):
        self.lab = lab
        table = {"metadata": {"name": "table-1-rank-table"}}
        group = {"schedulingPolicy": {"gang": {"minCount": 1}}}
        lab.api.create("configmaps", lab.namespace, table)
        lab.api.create("podgroups", lab.namespace, {"metadata": {"name": "gang-1"}, "spec": group})
        lab.job("table", npus=1, scheduling={"gang": "None"})
        lab.job("gang", npus=1, scheduling={"gang": "Native"})
        run_policy = {"ttlSecondsAfterFinished": 0}
        self.job = lab.job("lives", npus=2, scheduling={"gang": "Native"}, runPolicy=run_policy)
        self.lost = 0

    def go_on(self):
        """Do what a device plugin, the trainers and somebody who deletes a pod do next."""
        pods = [p for p in self.job.pods() if p["status"].get("podIP")]
        for pod in pods:
            metadata = pod["metadata"]
            annotations = metadata.get("annotations") or {}
            if CONFIGURATION not in annotations:
                self.job.allocate(pod, [int(metadata["labels"][f"{LABEL}/replica-index"])])
            elif HASH not in annotations or pod["status"]["phase"] != "Running":
                continue
            elif metadata["labels"][f"{LABEL}/attempt"] == "3":
                self.job.end(pod, 0)
            elif self.is_first_look(pod) and self.job.status.get("phase") == "Running":
                self.lost += 1
                self.lab.api.delete("pods", self.lab.namespace, metadata["name"])

    def is_first_look(self, pod):
        """Whether no pod of this attempt was deleted yet."""
        return pod["metadata"]["labels"][f"{LABEL}/attempt"] == str(self.lost + 1)

    def told(self):
        """Return what the jobs themselves say, as text."""
        return str(self.lab.api.list_all("efficientnetjobs", self.lab.namespace))


def find_refusal(right, operator, told):
    """Return whether the operator was refused a right, by its log, its metrics or the jobs."""
    words = rf'cannot {right.verb} resource \\?"{right.resource}\\?"'
    if right.resource == "efficientnetjobs/finalizers":
        words = "cannot set blockOwnerDeletion"
    try:
        metrics = operator.fetch("/metrics")
    except OSError:
        metrics = ""  # not started yet
    counted = rf'code="403",resource="{right.resource}",verb="{right.verb}"}} [1-9]'
    said = operator.log.read_text() + told
    return re.search(words, said) or re.search(counted, metrics)


@pytest.mark.parametrize("right", list(find_rights()), ids=str)
def test_without_any_one_right_something_is_refused(right, lab, api):
    lab.may_be_refused = True
    with taken_away(api, right):
        play = Play(lab)
        lab.operator.launch()

        def refused():
            play.go_on()
            return find_refusal(right, lab.operator, play.told())

        said = lab.operator.log.read_text
        wait_until(f"the operator may not {right}", refused, state=said)
        lab.operator.kill()
