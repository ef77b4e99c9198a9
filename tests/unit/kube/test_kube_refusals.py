"""Refused lists: doubted for a while where they could be read, asked for ever more seldom."""

from efficientnet_operator.kube.refusals import DOUBTED, Refusals


def test_a_list_that_was_never_read_is_believed_to_be_closed_at_once():
    assert Refusals().add(was_read=False)


def test_a_list_that_was_read_is_doubted_for_a_few_refusals_in_a_row():
    refusals = Refusals()
    believed = [refusals.add(was_read=True) for _ in range(DOUBTED + 1)]
    assert believed == [False] * DOUBTED + [True]
    refusals.forget()
    assert not refusals.add(was_read=True)


def test_it_is_asked_for_after_twice_as_long_each_time_up_to_a_minute():
    refusals = Refusals()
    pauses = []
    for _ in range(9):
        refusals.add(was_read=False)
        pauses.append(refusals.pause_s)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
