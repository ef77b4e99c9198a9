"""Ranks that evaluate one checkpoint together, through files alone."""

import threading

import pytest
from efficientnet_trainer.gathering import Gathering, Member, RankMissingError, attempt_of
from efficientnet_trainer.totals import Totals

STEP = 300
PATH = "out/model.ckpt-300"


@pytest.fixture
def join(tmp_path):
    """Let a rank take part; patience is short, for nothing here takes long."""

    def make(rank, size=3, attempt="job/2", stopped=lambda: False, patience_s=5.0):
        member = Member(rank, size, attempt)
        return Gathering(str(tmp_path), member, stopped, patience_s, poll_s=0.01)

    return make


def test_the_shares_of_all_ranks_come_together(join):
    leader = join(0)

    def assist(rank):
        own = join(rank)
        while True:
            announcement = own.await_announcement()
            if announcement is None:
                return
            assert (announcement.path, announcement.step) == (PATH, STEP)
            own.leave_share(announcement, Totals(rank, rank / 8, rank, rank))

    others = [threading.Thread(target=assist, args=(rank,)) for rank in (1, 2)]
    for other in others:
        other.start()
    for _ in range(3):
        announcement = leader.announce(PATH, STEP)
        shares = leader.collect_shares(announcement)
        assert sorted(shares) == [Totals(1, 0.125, 1, 1), Totals(2, 0.25, 2, 2)]
    leader.dismiss()
    for other in others:
        other.join(5)
        assert not other.is_alive()


def test_a_missing_rank_is_named(join):
    leader, one = join(0, patience_s=0.05), join(1)
    announcement = leader.announce(PATH, STEP)
    one.leave_share(one.await_announcement(), Totals(1))
    wanted = r"step 300 lacks the share of rank 2 \(of 3\): no rank-2\.json in .*\.evaluation"
    with pytest.raises(RankMissingError, match=wanted) as caught:
        leader.collect_shares(announcement)
    assert caught.value.exit_code == 75


def test_a_share_of_an_earlier_evaluation_is_none(join):
    leader, one = join(0, size=2, patience_s=0.05), join(1, size=2)
    leader.announce(PATH, STEP)
    one.leave_share(one.await_announcement(), Totals(1))
    with pytest.raises(RankMissingError, match="lacks the share of rank 1"):
        leader.collect_shares(leader.announce(PATH, STEP))


def test_an_earlier_attempts_announcement_is_not_followed(join):
    join(0, attempt="job/1").dismiss()
    with pytest.raises(RankMissingError, match=r"rank 0 of 3 named no checkpoint .* 0\.05 s"):
        join(1, patience_s=0.05).await_announcement()


def test_a_half_written_file_is_waited_for(join, tmp_path):
    announcement = join(0).announce(PATH, STEP)
    (tmp_path / ".evaluation" / "rank-1.json").write_text('{"token": "')
    threading.Timer(0.05, lambda: join(1).leave_share(announcement, Totals(4))).start()
    assert join(0, size=2).collect_shares(announcement) == [Totals(4)]


def test_a_rank_that_is_to_stop_waits_for_nobody(join):
    leader = join(0, stopped=lambda: True)
    assert leader.collect_shares(leader.announce(PATH, STEP)) == []
    assert join(1, attempt="job/3", stopped=lambda: True).await_announcement() is None


def test_attempts_are_told_apart_by_job_and_number():
    env = {"ENJ_JOB_UID": "a", "ENJ_ATTEMPT": "2"}
    others = [{"ENJ_JOB_UID": "b", "ENJ_ATTEMPT": "2"}, {"ENJ_JOB_UID": "a"}, {}]
    assert attempt_of(env) not in {attempt_of(other) for other in others}
