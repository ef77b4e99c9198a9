"""The alerts: promtool's tests of them, their runbook, and what the chart makes of the rules."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from monitoring_lab.exported import exported_metrics, used_metrics

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/efficientnet-operator"
RULES = CHART / "files/alerts.yaml"
CASES = sorted((Path(__file__).parent / "alerts").glob("*.yaml"))
ALERTS = {
    rule["alert"]: rule
    for group in yaml.safe_load(RULES.read_text())["groups"]
    for rule in group["rules"]
}
FULL = "efficientnet-operator"
OF_TRAINING = {"EfficientNetCheckpointTooOld", "EfficientNetLossNotANumber"}
LEFT_OUT = OF_TRAINING | {"EfficientNetRankStraggler", "EfficientNetJobPending"}
RULE = ("PrometheusRule", FULL)
SERVED = "--api-versions=monitoring.coreos.com/v1/PrometheusRule"


def promtool(*arguments):
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_finds_no_fault_in_the_rules():
    promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_alerts_fire_when_they_should_and_only_then(case):
    promtool("test", "rules", case)


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_is_seen_firing_and_silent(name):
    seen = {
        bool(case["exp_alerts"])
        for path in CASES
        for test in yaml.safe_load(path.read_text())["tests"]
        for case in test["alert_rule_test"]
        if case["alertname"] == name
    }
    assert seen == {True, False}


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_reads_what_is_exported(name):
    used = used_metrics(ALERTS[name]["expr"])
    assert used
    assert used <= exported_metrics()


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_what_to_do(name):
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{name.lower()}"


def test_the_runbook_has_an_entry_for_each_alert_and_no_other():
    runbook = (ROOT / "docs/runbook.md").read_text()
    section = re.split(r"^## ", runbook.partition("\n## Alerts\n")[2], flags=re.MULTILINE)[0]
    assert re.findall(r"^### (\w+)$", section, re.MULTILINE) == list(ALERTS)


def test_the_chart_hands_the_rules_over_as_they_are(helm, kubeconform):
    rule = helm.render(SERVED)[RULE]
    assert rule["spec"] == yaml.safe_load(RULES.read_text())
    assert kubeconform(yaml.safe_dump(rule)) == ["Valid"]


RENDERED = {
    "without the Prometheus Operator": ((), False),
    "with it": ((SERVED,), True),
    "where it is wanted": (("--set", "prometheusRule.enabled=true"), True),
    "where it is not": ((SERVED, "--set", "prometheusRule.enabled=false"), False),
}


@pytest.mark.parametrize("options, want", RENDERED.values(), ids=RENDERED)
def test_the_rules_are_where_somebody_reads_them(helm, options, want):
    assert (RULE in helm.render(*options)) is want


def test_alerts_can_be_labelled_left_out_and_linked(helm, kubeconform):
    rule = helm.render(
        SERVED,
        "--set",
        f"prometheusRule.disabled={{{','.join(LEFT_OUT)}}}",
        "--set",
        "prometheusRule.labels.release=stack,prometheusRule.alertLabels.team=ml",
        "--set",
        "prometheusRule.runbookUrl=https://wiki.example/enj",
    )[RULE]
    assert kubeconform(yaml.safe_dump(rule)) == ["Valid"]
    assert rule["metadata"]["labels"]["release"] == "stack"
    # A group without rules is left out too.
    groups = [group["name"] for group in rule["spec"]["groups"]]
    assert groups == ["efficientnet-jobs", "efficientnet-operator"]
    left = {r["alert"]: r for group in rule["spec"]["groups"] for r in group["rules"]}
    assert ALERTS.keys() - left == LEFT_OUT
    for name, alert in left.items():
        assert alert["labels"] == {**ALERTS[name]["labels"], "team": "ml"}
        url = f"https://wiki.example/enj#{name.lower()}"
        assert alert["annotations"]["runbook_url"] == url
        assert alert["expr"] == ALERTS[name]["expr"]


def test_an_alert_that_is_misspelt_cannot_be_left_out(helm):
    done = helm.run("template", "x", str(CHART), "--set", "prometheusRule.disabled={JobPending}")
    assert done.returncode != 0
    assert "'/prometheusRule/disabled/0': value must be one of 'EfficientNet" in done.stderr


def test_the_schema_knows_each_alert():
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    disabled = schema["properties"]["prometheusRule"]["properties"]["disabled"]
    assert disabled["items"]["enum"] == list(ALERTS)
