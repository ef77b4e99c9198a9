"""Find the gang of an attempt, and wait where its scheduler is not there or not ready for pods."""

from __future__ import annotations

from datetime import timedelta

from efficientnet_operator.core.draft import Draft
from efficientnet_operator.core.gang import Gang, build_gang, strategy_of
from efficientnet_operator.core.gang.strategy import Attempt
from efficientnet_operator.core.view import FORBIDDEN, Refusal

LOOK_AGAIN_S = 10.0
TRY_AGAIN = timedelta(seconds=60)
"""How long a group stands that the API server stored without what was asked, before a new one."""


def find_gang(draft: Draft) -> Gang | None:
    """Return the attempt's gang; None, with the condition set, where its API cannot be used."""
    attempt = attempt_of(draft)
    gang = build_gang(attempt, draft.view.absent)
    if gang is not None:
        return gang
    strategy = strategy_of(attempt)
    wanted = strategy.resources[0]
    forbidden = draft.view.absent.get(wanted) == FORBIDDEN
    where = f"{wanted.plural} of {wanted.api_version}"
    message = f"spec.scheduling.gang {draft.spec.scheduling.gang} needs {where}, "
    if forbidden:
        message += "which the operator may not list: grant it (deploy/rbac/operator-role.yaml)"
    else:
        message += f"which is not served here: {strategy.remedy}"
    reason = "GangApiForbidden" if forbidden else "GangApiMissing"
    draft.conditions.set("Created", False, reason, f"{message}; it is looked for each minute")
    draft.wait(f"{where} to be served", LOOK_AGAIN_S)
    return None


def wait_for_gang(draft: Draft, gang: Gang) -> bool:
    """Tell whether pods have to wait for their group; say in the conditions what for."""
    attempt, group = attempt_of(draft), draft.group
    if gang.group is None or not draft.missing or not gang.strategy.inspects(attempt):
        return False
    if group is None:
        message = f"attempt {draft.attempt}: PodGroup {attempt.group_name} comes before the pods"
        draft.conditions.set("Created", False, "Creating", message)
        draft.wait("the API server to store it", LOOK_AGAIN_S)
        return True
    flaw = gang.strategy.find_flaw(attempt, group)
    if flaw:
        draft.conditions.set("Created", False, "TopologyGateOff", flaw)
        if group.created is None or draft.now - group.created >= TRY_AGAIN:
            draft.delete_group(group)
        draft.wait(f"another PodGroup {group.name}", LOOK_AGAIN_S)
        return True
    if gang.strategy.may_start(group):
        return False
    words = gang.strategy.explain(group) or f"nothing was heard of PodGroup {group.name} yet"
    message = f"no pod is created before its scheduler admits PodGroup {group.name}"
    draft.conditions.set("Created", False, "WaitingForGang", message)
    draft.conditions.set("Scheduled", False, "Unschedulable", words)
    draft.wait(f"PodGroup {group.name} to be admitted: {words}")
    return True


def explain_group(draft: Draft) -> str:
    """Return why the gang does not start, in its scheduler's words; "" where it says nothing."""
    group = draft.group
    return strategy_of(attempt_of(draft)).explain(group) if group else ""


def explain_refusal(draft: Draft, refusal: Refusal) -> str:
    """Return what may be done about a PodGroup that the API server refused."""
    hints = strategy_of(attempt_of(draft)).hints
    return next((f"; {hint}" for words, hint in hints.items() if words in refusal.message), "")


def attempt_of(draft: Draft) -> Attempt:
    """Return the attempt that a gang is built for."""
    return Attempt(draft.job, draft.spec, draft.attempt)
