"""The dashboards say what they show, and every query returns data on a real Prometheus.

It scrapes what operator and trainers export, and samples of the NPU exporter in the form
that its reference shows.
"""

import itertools
import json
import math
import re
from pathlib import Path

import pytest
from dashboards.answers import fill
from dashboards.boards import BOARDS
from monitoring_lab import npu_samples
from monitoring_lab.exported import exported_metrics, expose_trainer, used_metrics
from monitoring_lab.exporter import exporting
from monitoring_lab.operator_samples import BusyOperator
from monitoring_lab.prometheus import Prometheus

PANELS = {
    f"{name}: {panel['title']}": panel
    for name, board in BOARDS.items()
    for panel in board["panels"]
    if panel["type"] != "row"
}
QUERIES = {
    f"{title} {target['refId']}": target["expr"]
    for title, panel in PANELS.items()
    for target in panel["targets"]
}
VARIABLES = {
    f"{name}: {variable['name']}": variable["query"]["query"]
    for name, board in BOARDS.items()
    for variable in board["templating"]["list"]
    if variable["type"] == "query"
}
SERVED = "--api-versions=monitoring.coreos.com/v1/ServiceMonitor"
JOB, NAMESPACE, PODS = "b0", "a", ["b0-1-0", "b0-1-1"]
CHOSEN = {"job": JOB, "__rate_interval": "1m"}


def test_there_are_three_dashboards():
    assert set(BOARDS) == {"jobs", "training", "operator"}
    assert {b["uid"] for b in BOARDS.values()} == {f"efficientnet-{name}" for name in BOARDS}
    assert len(PANELS) == sum(p["type"] != "row" for b in BOARDS.values() for p in b["panels"])


@pytest.mark.parametrize("panel", PANELS.values(), ids=PANELS)
def test_a_panel_says_what_it_shows(panel):
    assert len(panel["description"]) > 20 and panel["description"].endswith(".")
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"] and defaults["thresholds"]["steps"][0]["value"] is None
    assert panel["targets"]
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_can_be_used_without_another(name):
    board = BOARDS[name]
    variables = {v["name"] for v in board["templating"]["list"]}
    assert "datasource" in variables
    text = json.dumps(board["panels"]) + json.dumps(board["templating"])
    used = set(re.findall(r"\$\{?([a-z]+)\b", text)) - {"__data"}
    assert used <= variables
    (links,) = board["links"]
    assert links["tags"] == board["tags"] and links["includeVars"]
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))


def test_the_page_about_them_speaks_of_panels_that_are_there():
    page = Path(__file__).parents[2] / "docs/dashboards.md"
    named = re.findall(r"(?<!\*)\*([A-Z][^*\n]+)\*(?!\*)", page.read_text())
    titles = {panel["title"] for panel in PANELS.values()} | {"Jobs", "Training", "Operator"}
    assert len(named) > 20
    assert set(named) <= titles


def test_a_job_in_the_table_leads_to_its_training():
    (link,) = PANELS["jobs: Jobs"]["fieldConfig"]["defaults"]["links"]
    path, _, query = link["url"].partition("?")
    assert path == f"/d/{BOARDS['training']['uid']}"
    variables = {v["name"] for v in BOARDS["training"]["templating"]["list"]}
    assert set(re.findall(r"var-(\w+)=", query)) == {"namespace", "job"} <= variables


@pytest.mark.parametrize("expr", QUERIES.values(), ids=QUERIES)
def test_a_query_reads_what_is_exported(expr):
    used = used_metrics(expr)
    assert used
    assert used <= exported_metrics() | npu_samples.METRICS


def lasting(texts):
    """Return an iterator that stays at the last text."""
    return itertools.chain(texts, itertools.repeat(texts[-1]))


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    """A Prometheus that scraped an operator, both pods of a job and a server's NPUs."""
    ranks = {pod: (2 * i, 2 * i + 1) for i, pod in enumerate(PODS)}
    trainers = {f"/{pod}": lasting(expose_trainer(*ranks[pod], scrapes=100)) for pod in PODS}
    pages = {
        "/operator": BusyOperator(NAMESPACE, JOB).expose,
        "/npus": lambda: npu_samples.expose(NAMESPACE, PODS),
        **{path: lambda texts=texts: next(texts) for path, texts in trainers.items()},
    }
    # The labels that the chart's monitors give.
    labels = {
        "/operator": {"namespace": "enj-system", "pod": "operator-1"},
        "/npus": {"namespace": "npu-exporter", "pod": "npu-exporter-1"},
        **{
            f"/{pod}": {"namespace": NAMESPACE, "pod": pod, "job_name": JOB, "attempt": "1"}
            for pod in PODS
        },
    }
    with exporting(pages) as address:
        scrapes = [
            {
                "job_name": path,
                "metrics_path": path,
                "honor_labels": path in {"/operator", "/npus"},
                "static_configs": [{"targets": [address], "labels": labels[path]}],
            }
            for path in pages
        ]
        with Prometheus(tmp_path_factory.mktemp("prometheus"), scrapes) as started:
            started.wait_for_scrapes(3, len(scrapes))
            yield started


def choose(name, text):
    """Return a query about the job, as a dashboard asks it."""
    namespace = "enj-system" if name.startswith("operator") else NAMESPACE
    return fill(text, {**CHOSEN, "namespace": namespace})


@pytest.mark.parametrize("name, expr", QUERIES.items(), ids=QUERIES)
def test_a_query_returns_data(prometheus, name, expr):
    found = prometheus.query(choose(name, expr))
    assert any(not math.isnan(value) for _, value in found), found


@pytest.mark.parametrize("name, query", VARIABLES.items(), ids=VARIABLES)
def test_a_variable_has_values(prometheus, name, query):
    metric, label = re.fullmatch(r"label_values\((.+), (\w+)\)", query).groups()
    values = prometheus.label_values(choose(name, metric), label)
    wanted = {"namespace": "enj-system" if name.startswith("operator") else NAMESPACE}
    assert wanted.get(label, JOB) in values


def test_a_chip_is_shown_with_the_job_that_holds_it(prometheus):
    """The NPU exporter names pods; the dashboard finds those of its job, and no others."""
    expr = next(e for name, e in QUERIES.items() if name == "training: Utilisation A")
    pods = {labels["pod_name"] for labels, _ in prometheus.query(choose("training", expr))}
    assert pods == set(PODS)
    assert prometheus.query(fill(expr, {"namespace": NAMESPACE, "job": "b"})) == []


def test_a_query_that_cannot_be_parsed_would_be_seen(prometheus):
    with pytest.raises(ValueError, match="parse error"):
        prometheus.query("sum(")


GIVEN = {
    "without the Prometheus Operator": ((), 0),
    "with it": ((SERVED,), 3),
    "where they are wanted": (("--set", "dashboards.enabled=true"), 3),
    "where they are not": ((SERVED, "--set", "dashboards.enabled=false"), 0),
}


@pytest.mark.parametrize("options, count", GIVEN.values(), ids=GIVEN)
def test_dashboards_are_where_somebody_reads_them(helm, options, count):
    assert len(config_maps(helm.render(*options))) == count


def config_maps(objects):
    return [o for (kind, _), o in objects.items() if kind == "ConfigMap"]


def test_the_chart_hands_the_dashboards_over_as_they_are(helm):
    maps = config_maps(helm.render(SERVED))
    texts = {name: text for m in maps for name, text in m["data"].items()}
    assert {name: json.loads(text) for name, text in texts.items()} == {
        f"efficientnet-{name}.json": board for name, board in BOARDS.items()
    }
    assert all(m["metadata"]["labels"]["grafana_dashboard"] == "1" for m in maps)


def test_dashboards_go_where_the_sidecar_looks(helm):
    there = "dashboards.namespace=grafana,dashboards.annotations.grafana_folder=ML"
    for found in config_maps(helm.render(SERVED, "--set", there)):
        assert found["metadata"]["namespace"] == "grafana"
        assert found["metadata"]["annotations"] == {"grafana_folder": "ML"}
