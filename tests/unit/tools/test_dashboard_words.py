"""What pictures of dashboards write: values, names of series, tables, queries about a job."""

import re

import pytest
from dashboards.answers import fill
from dashboards.boards import BOARDS
from dashboards.words import color_of, format_value, name_series, tabulate

VALUES = [
    (0.9753, "percentunit", "97.5 %"),
    (41.0, "percent", "41 %"),
    (0.0213, "s", "21.3 ms"),
    (0, "s", "0 ms"),
    (75, "dtdurations", "75 s"),
    (3600, "dtdurations", "60 min"),
    (86400, "s", "24 h"),
    (200, "short", "200"),
    (11600, "short", "11.6 K"),
    (2_500_000, "short", "2.5 M"),
    (999.6, "short", "1000"),
    (12e12, "short", "12000 G"),
    (1023, "bytes", "1023 B"),
    (73.8 * 1024**2, "bytes", "73.8 MiB"),
    (2 * 1024**4, "bytes", "2 TiB"),
    (61, "celsius", "61 °C"),
    (0.25, "reqps", "0.25/s"),
    (float("nan"), "short", ""),
]


@pytest.mark.parametrize("value, unit, text", VALUES)
def test_a_value_is_written_in_its_unit(value, unit, text):
    assert format_value(value, unit) == text


@pytest.mark.parametrize(
    "legend, name", [("all ranks", "all ranks"), ("{{phase}}", "training"), ("{{ pod }} x", " x")]
)
def test_a_series_is_named_by_its_labels(legend, name):
    assert name_series(legend, {"phase": "training"}) == name


STEPS = [{"color": "green", "value": None}, {"color": "red", "value": 0.05}]


@pytest.mark.parametrize("value, color", [(-1, "green"), (0.049, "green"), (0.05, "red")])
def test_a_value_has_the_colour_of_its_threshold(value, color):
    panel = {"fieldConfig": {"defaults": {"thresholds": {"steps": STEPS}}}}
    assert color_of(value, panel) == color


def test_a_table_has_a_row_for_each_job():
    (panel,) = (p for p in BOARDS["jobs"]["panels"] if p["type"] == "table")
    first, second = ({"namespace": "a", "job_name": name} for name in ("x", "y"))
    found = {target["refId"]: [] for target in panel["targets"]}
    found["A"] = [({**job, "phase": "Running"}, [(0, 1.0)]) for job in (second, first)]
    found["B"] = [(second, [(0, 0.5)])]
    head, rows = tabulate(panel, found)
    assert head[:4] == ["namespace", "job_name", "phase", "Done"]
    assert [row[:4] for row in rows] == [["a", "x", "Running", ""], ["a", "y", "Running", "50 %"]]
    assert {len(row) for row in rows} == {len(head)}


def test_a_query_asks_about_what_is_chosen():
    values = {"job": "b0", "__rate_interval": "1m"}
    assert fill('rate(x{job="$job"}[$__rate_interval])', values) == 'rate(x{job="b0"}[1m])'
    assert fill('x{job="${job}"}', values) == 'x{job="b0"}'


@pytest.mark.parametrize("variable", ["$a", "${a}", "${job:regex}"])
def test_a_variable_without_a_value_is_named(variable):
    found = re.escape(f"x{variable}: {variable} has no value; there are some for job")
    with pytest.raises(ValueError, match=found):
        fill(f"x{variable}", {"job": "b0"})
