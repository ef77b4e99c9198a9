"""Who may write to a model directory."""

import json
import threading
import time

import pytest
from efficientnet_trainer.owner import (
    Owner,
    OwnerLostError,
    Ownership,
    claim,
    find_refusal,
    watch,
)

NOW = 1000.0
ME = Owner("job-a", 2)

REFUSALS = {
    "nobody is on record": (None, None),
    "I am on record": (Owner("job-a", 2, NOW), None),
    "an earlier attempt of my job is": (Owner("job-a", 1, NOW), None),
    "a later attempt of my job is": (Owner("job-a", 3, NOW), "attempt 3 of this job took over"),
    "a later attempt is, long ago": (Owner("job-a", 3, 0.0), "attempt 3 of this job took over"),
    "another job that was seen 59 s ago": (
        Owner("job-b", 1, NOW - 59, "job b0, pod b0-1-0"),
        "job b0, pod b0-1-0 (UID job-b, attempt 1) writes there, last seen 59 s ago",
    ),
    "another job, of an operator that left no name": (
        Owner("job-b", 1, NOW - 59),
        "job (UID job-b, attempt 1) writes there",
    ),
    "another job that was seen 60 s ago": (Owner("job-b", 9, NOW - 60), None),
}


@pytest.mark.parametrize("found, refusal", REFUSALS.values(), ids=REFUSALS)
def test_find_refusal(found, refusal):
    reason = find_refusal(found, ME, NOW)
    assert (reason is None) if refusal is None else (refusal in reason)


def test_a_lower_attempt_loses_the_folder_and_says_so(tmp_path):
    old = Ownership(str(tmp_path), "job-a", 1, clock=lambda: NOW)
    old.renew()
    new = Ownership(str(tmp_path), "job-a", 2, clock=lambda: NOW + 1)
    new.renew()
    with pytest.raises(
        OwnerLostError, match=r"attempt 1\) may not save to .*: attempt 2"
    ) as caught:
        old.check()
    assert caught.value.exit_code == 75
    new.check()
    record = json.loads((tmp_path / ".owner").read_text())
    assert record == {"jobUID": "job-a", "attempt": 2, "renewed": NOW + 1, "name": ""}


def test_releasing_leaves_what_another_took(tmp_path):
    old = Ownership(str(tmp_path), "job-a", 1, clock=lambda: NOW)
    old.renew()
    new = Ownership(str(tmp_path), "job-a", 2, clock=lambda: NOW)
    new.renew()
    old.release()
    assert (tmp_path / ".owner").exists()
    new.release()
    assert not (tmp_path / ".owner").exists()


@pytest.fixture
def make_renewing(tmp_path):
    """Make ownerships of job-a that show life every 10 ms."""
    made = []

    def make(attempt):
        made.append(Ownership(str(tmp_path), "job-a", attempt, renew_every_s=0.01))
        made[-1].renew()
        made[-1].keep_renewing()
        return made[-1]

    yield make
    for each in made:
        each.release()


def renewing_threads():
    return [thread for thread in threading.enumerate() if thread.name == "owner"]


def test_a_released_folder_stays_released(tmp_path, make_renewing, eventually):
    ownership = make_renewing(1)
    record = tmp_path / ".owner"
    first = record.read_text()
    eventually(lambda: record.read_text() != first, 10, "the claim is renewed")
    ownership.release()
    assert not renewing_threads()
    time.sleep(0.1)
    assert list(tmp_path.iterdir()) == []
    ownership.release()


def test_releasing_ends_the_renewals_also_where_a_later_attempt_took_over(tmp_path, make_renewing):
    old, new = make_renewing(1), make_renewing(2)
    old.release()
    assert len(renewing_threads()) == 1
    assert json.loads((tmp_path / ".owner").read_text())["attempt"] == 2
    new.release()
    assert not (tmp_path / ".owner").exists()


def test_a_record_that_cannot_be_deleted_does_not_hide_why_the_run_ended(tmp_path):
    ownership = Ownership(str(tmp_path), "job-a", 1)
    (tmp_path / ".owner").mkdir()
    ownership.release()


def test_an_unreadable_record_owns_nothing(tmp_path):
    (tmp_path / ".owner").write_text("{")
    Ownership(str(tmp_path), "job-a", 1, clock=lambda: NOW).renew()


def test_a_second_job_is_refused_by_name_until_the_first_is_dead(tmp_path):
    first = {"ENJ_JOB_UID": "job-a", "ENJ_JOB_NAME": "b0", "JOB_POD_NAME": "b0-3-0"}
    second = {"ENJ_JOB_UID": "job-b", "ENJ_JOB_NAME": "b1", "JOB_POD_NAME": "b1-1-0"}
    owner = claim(str(tmp_path), dict(first, ENJ_ATTEMPT="3"))
    with pytest.raises(OwnerLostError) as caught:
        claim(str(tmp_path), second)
    message = str(caught.value)
    assert message.startswith("job b1, pod b1-1-0 (UID job-b, attempt 1) may not save to ")
    assert "job b0, pod b0-3-0 (UID job-a, attempt 3) writes there, last seen 0 s ago" in message
    record = json.loads((tmp_path / ".owner").read_text())
    owner.release()
    # Killed, it would have left its record behind.
    (tmp_path / ".owner").write_text(json.dumps(dict(record, renewed=record["renewed"] - 60)))
    successor = claim(str(tmp_path), second)
    assert json.loads((tmp_path / ".owner").read_text())["jobUID"] == "job-b"
    successor.release()


def test_a_run_by_hand_owns_nothing(tmp_path):
    assert claim(str(tmp_path), {}) is None
    assert not (tmp_path / ".owner").exists()


def test_a_rank_that_watches_claims_nothing_and_sees_a_later_attempt(tmp_path):
    env = {"ENJ_JOB_UID": "job-a", "ENJ_ATTEMPT": "1"}
    watching = watch(str(tmp_path), env)
    watching.check()
    assert list(tmp_path.iterdir()) == []
    Ownership(str(tmp_path), "job-a", 2).renew()
    with pytest.raises(OwnerLostError, match="attempt 2 of this job took over"):
        watching.check()
    assert watch(str(tmp_path), {}) is None
