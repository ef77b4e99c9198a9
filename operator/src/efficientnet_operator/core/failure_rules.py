"""Let the job's own rules overrule what a failure would usually mean.

Source: the pod failure policy of Kubernetes' Job, whose rules are matched in
order and whose first match decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from efficientnet_operator.api.run_policy import FailureRule
from efficientnet_operator.core.failure import Outcome, Verdict

OUTCOMES = {
    "FailJob": Outcome.PERMANENT,
    "Restart": Outcome.FAILED,
    "RestartUncharged": Outcome.FORGIVEN,
}


def overrule(verdict: Verdict, rules: Sequence[FailureRule]) -> Verdict:
    """Return the verdict after the first rule that matches; as it was where none does.

    A rule waits for the siblings' reports as every judgement does: until then
    nobody knows which failure was the first.
    """
    if verdict.outcome is Outcome.UNDECIDED:
        return verdict
    for index, rule in enumerate(rules):
        if matches(rule, verdict):
            words = f"runPolicy.failurePolicy.rules[{index}]: {rule.action}"
            return replace(verdict, outcome=OUTCOMES[rule.action], rule=words)
    return verdict


def matches(rule: FailureRule, verdict: Verdict) -> bool:
    """Tell whether all that a rule asks for is true of a failure.

    A failure without an exit code, such as a deleted pod, matches no list of codes.
    """
    if rule.on_exit_codes:
        code = verdict.failure.get("exitCode")
        listed = code in rule.on_exit_codes.values
        if code is None or listed != (rule.on_exit_codes.operator == "In"):
            return False
    return not rule.on_reasons or verdict.failure["reason"] in rule.on_reasons
