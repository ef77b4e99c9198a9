"""The job's own rules: first match decides, all that a rule asks for must be true."""

import pytest
from core_builders import T0, Cluster, a_job, a_running_job, a_spec, failed
from efficientnet_operator.core.failure import Outcome, Verdict
from efficientnet_operator.core.failure_rules import overrule


def rules(*given):
    spec = a_spec(runPolicy={"failurePolicy": {"rules": list(given)}})
    return spec.run_policy.failure_policy.rules


def codes(action, *values, operator="In"):
    return {"action": action, "onExitCodes": {"operator": operator, "values": list(values)}}


def reasons(action, *values):
    return {"action": action, "onReasons": list(values)}


def a_verdict(outcome=Outcome.FAILED, code=1, reason="Error"):
    failure = {"reason": reason} | ({} if code is None else {"exitCode": code})
    return Verdict(outcome, failure)


@pytest.mark.parametrize(
    ("given", "code", "reason", "outcome"),
    [
        ([], 1, "Error", Outcome.FAILED),
        ([codes("FailJob", 1)], 1, "Error", Outcome.PERMANENT),
        ([codes("FailJob", 2)], 1, "Error", Outcome.FAILED),
        ([codes("FailJob", 2, operator="NotIn")], 1, "Error", Outcome.PERMANENT),
        ([codes("FailJob", 1, operator="NotIn")], 1, "Error", Outcome.FAILED),
        ([codes("FailJob", 1, operator="NotIn")], None, "PodDeleted", Outcome.FAILED),
        ([codes("RestartUncharged", 75)], 75, "Transient", Outcome.FORGIVEN),
        ([reasons("RestartUncharged", "OOMKilled")], 137, "OOMKilled", Outcome.FORGIVEN),
        ([reasons("FailJob", "OOMKilled")], 137, "Error", Outcome.FAILED),
        ([codes("FailJob", 137), codes("Restart", 137)], 137, "Error", Outcome.PERMANENT),
        ([codes("Restart", 137), codes("FailJob", 137)], 137, "Error", Outcome.FAILED),
        ([codes("FailJob", 137) | reasons("", "OOMKilled") | {"action": "FailJob"}], 137, "Error",
         Outcome.FAILED),
        ([codes("FailJob", 137) | {"onReasons": ["OOMKilled"]}], 137, "OOMKilled",
         Outcome.PERMANENT),
    ],
)  # fmt: skip
def test_the_first_rule_that_matches_decides(given, code, reason, outcome):
    found = overrule(a_verdict(code=code, reason=reason), rules(*given))
    assert found.outcome is outcome
    assert bool(found.rule) == any(
        f"rules[{i}]" in found.rule for i in range(len(given))
    )  # named where one decided


def test_rules_reach_permanent_codes_and_disruptions_too():
    bad_data = a_verdict(Outcome.PERMANENT, 3, "BadData")
    assert overrule(bad_data, rules(codes("Restart", 3))).outcome is Outcome.FAILED
    evicted = a_verdict(Outcome.DISRUPTED, None, "Evicted")
    assert overrule(evicted, rules(reasons("FailJob", "Evicted"))).outcome is Outcome.PERMANENT


def test_nothing_is_overruled_while_reports_come_in():
    verdict = a_verdict(Outcome.UNDECIDED)
    assert overrule(verdict, rules(codes("FailJob", 1))) == verdict


def end_with(code, **run_policy):
    cluster = Cluster(a_job(4, scheduling={"npusPerHost": 2}, runPolicy=run_policy))
    cluster.run()
    after_s = (cluster.now - T0).total_seconds()
    cluster.pods["b0-1-1"] = failed(cluster.pods["b0-1-1"], code, after_s=after_s)
    cluster.turn()
    return cluster, cluster.turn(5)


def test_a_job_failed_by_a_rule_names_it():
    cluster, _ = end_with(9, failurePolicy={"rules": [codes("FailJob", 9)]})
    assert cluster.condition("Failed") == ("True", "FailurePolicy")
    assert "failurePolicy.rules[0]: FailJob" in cluster.message("Failed")
    assert cluster.status["failure"]["exitCode"] == 9


def test_a_forgiven_failure_restarts_without_a_charge():
    policy = {"rules": [codes("RestartUncharged", 75)]}
    cluster, plan = end_with(75, backoffLimit=0, failurePolicy=policy)
    assert (cluster.status["attempt"], cluster.status["chargedRestarts"]) == (2, 0)
    assert cluster.status["history"][0]["charged"] is False
    assert "rules[0]: RestartUncharged" in cluster.message("Restarting")
    # The siblings may hang all the same.
    assert {d.grace_s for d in plan.deletes} == {5}


def test_a_restart_by_rule_counts_against_the_limit():
    policy = {"rules": [codes("Restart", 3)]}
    cluster, _ = end_with(3, backoffLimit=1, failurePolicy=policy)
    assert (cluster.status["attempt"], cluster.status["chargedRestarts"]) == (2, 1)
    cluster, _ = end_with(3, backoffLimit=0, failurePolicy=policy)
    assert cluster.condition("Failed") == ("True", "BackoffLimitExceeded")


@pytest.mark.parametrize("action", ["Restart", "RestartUncharged"])
@pytest.mark.parametrize("died_midway", [False, True])
def test_a_rule_leaves_the_ranks_of_an_evicted_pod_their_time_to_save(action, died_midway):
    policy = {"rules": [reasons(action, "EvictionByEvictionAPI")]}
    cluster = a_running_job(failurePolicy=policy)
    cluster.change("b0-1-1", disrupted="drained", disruption="EvictionByEvictionAPI")
    plan = cluster.turn()
    if died_midway:  # the status was stored, and nothing deleted
        for name in cluster.pods:
            cluster.change(name, deleting=False)
        plan = cluster.turn()
    assert cluster.status["history"][0]["charged"] is (action == "Restart")
    assert [d.grace_s for d in plan.deletes] == [None] * 4


def test_the_mates_of_a_forgiven_failure_are_cut_short_by_a_new_operator_too():
    policy = {"rules": [codes("RestartUncharged", 75)]}
    cluster, _ = end_with(75, failurePolicy=policy)
    for name in cluster.pods:
        cluster.change(name, deleting=False)
    assert [d.grace_s for d in cluster.turn().deletes] == [5] * 4
