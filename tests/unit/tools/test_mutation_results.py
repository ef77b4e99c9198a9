"""Scores of mutation testing, from what mutmut prints."""

from mutation.results import Score, build_table, parse_verdicts, score_modules

PRINTED = """\
    efficientnet_operator.core.failure.x_judge__mutmut_1: killed
    efficientnet_operator.core.failure.x_judge__mutmut_2: survived
    efficientnet_operator.core.failure.x_judge__mutmut_3: timeout
    efficientnet_operator.core.failure.x_judge__mutmut_4: no tests
    efficientnet_operator.core.stages.judging.xǁDraftǁbegin__mutmut_1: killed
    efficientnet_operator.core.stages.judging.xǁDraftǁbegin__mutmut_2: not checked
To show a mutant: mutmut show <name>
"""


def test_a_mutant_that_no_test_reaches_has_survived_and_one_by_the_clock_has_not():
    scores = score_modules(parse_verdicts(PRINTED))
    assert list(scores) == ["failure", "stages.judging"]
    failure = scores["failure"]
    assert (failure.killed, failure.run, failure.percent) == (2, 4, 50.0)
    assert [name.rpartition("_")[2] for name in failure.survivors] == ["2", "4"]


def test_what_was_not_tried_counts_for_nothing_and_is_told():
    assert score_modules(parse_verdicts(PRINTED))["stages.judging"] == Score(1, 1, (), left=1)


def test_the_table_has_a_line_for_each_module_and_one_for_all():
    table = build_table(score_modules(parse_verdicts(PRINTED)))
    assert [line.split() for line in table.splitlines()] == [
        ["module", "mutants", "killed", "%"],
        ["failure", "4", "2", "50.0"],
        ["stages.judging", "1", "1", "100.0", "(1", "not", "tried)"],
        ["all", "5", "3", "60.0", "(1", "not", "tried)"],
    ]


def test_a_module_without_mutants_lacks_nothing():
    assert Score(0, 0, ()).percent == 100.0
