"""The dashboard, the alert rules and the page on metrics use what is exported, and nothing else."""

import json
import re
from pathlib import Path

import pytest
import yaml

from unbroken_cli.top import _frame
from unbroken_metrics import Metrics, PrometheusCollector

DOCS = Path(__file__).parents[2] / "docs"
ALERTS = yaml.safe_load((DOCS / "prometheus-alerts.yaml").read_text("utf-8"))
DASHBOARD = json.loads((DOCS / "grafana-dashboard.json").read_text("utf-8"))
PAGE = (DOCS / "metrics.md").read_text("utf-8")

FAMILIES = list(PrometheusCollector(Metrics()).collect())
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
SAMPLES = {
    family.name + suffix: {*family._labelnames, *(["le"] if suffix == "_bucket" else [])}
    for family in FAMILIES
    for suffix in SUFFIXES[family.type]
}

RULES = {rule["alert"]: rule for group in ALERTS["groups"] for rule in group["rules"]}
EXPRESSIONS = {
    **{f"alert {name}": rule["expr"] for name, rule in RULES.items()},
    **{
        f"panel {panel['title']} {target['refId']}": target["expr"]
        for panel in DASHBOARD["panels"]
        for target in panel["targets"]
    },
    **{
        f"variable {variable['name']}": variable["query"]["query"]
        for variable in DASHBOARD["templating"]["list"]
        if variable["type"] == "query"
    },
}

every_expression = pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS)


def names(expression):
    return re.findall(r"\bunbroken_\w+", expression)


@every_expression
def test_every_metric_in_an_expression_is_exported(expression):
    """With its suffix, as Prometheus stores it."""
    assert set(names(expression)) <= set(SAMPLES)
    assert names(expression)


@every_expression
def test_every_label_in_an_expression_is_one_of_its_metric(expression):
    """In a selector, and where sums are made."""
    for name, selector in re.findall(r"\b(unbroken_\w+)\{([^}]*)\}", expression):
        assert set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector)) <= SAMPLES[name]
    labels = {label for group in re.findall(r"\bby \(([^)]*)\)", expression) for label in group.split(", ")}
    assert all(labels <= SAMPLES[name] for name in names(expression))


@every_expression
def test_expressions_are_whole(expression):
    """Each bracket has its other half, in order."""
    closing = {")": "(", "]": "[", "}": "{"}
    open_brackets = []
    for character in re.sub(r'"[^"]*"', '""', expression):
        if character in closing.values():
            open_brackets.append(character)
        elif character in closing:
            assert open_brackets.pop() == closing[character]
    assert not open_brackets


@every_expression
def test_counters_are_never_looked_at_without_their_growth(expression):
    """The number itself says when the process was started, and nothing else."""
    for name in names(expression):
        if name.endswith(("_total", "_bucket")) and not expression.startswith("label_values"):
            assert re.search(rf"\b(?:rate|increase)\({name}\b", expression)


@pytest.mark.parametrize(
    ("alert", "severity", "threshold"),
    [
        ("UnbrokenSuccessLow", "warning", f"< {_frame._SUCCESS[0]:g}"),
        ("UnbrokenSuccessCritical", "critical", f"< {_frame._SUCCESS[1]:g}"),
        ("UnbrokenSlow", "warning", f"> {_frame._SLOW:g}"),
        ("UnbrokenRetries", "warning", f"> {_frame._RETRIES:g}"),
        ("UnbrokenCircuitOpen", "critical", "> 0"),
    ],
)
def test_the_rules_have_the_thresholds_that_the_live_view_has(alert, severity, threshold):
    """One set of thresholds everywhere."""
    rule = RULES[alert]
    assert rule["expr"].strip().endswith(threshold)
    assert rule["labels"] == {"severity": severity}
    assert set(rule["annotations"]) == {"summary", "description"}


def test_there_is_no_rule_beside_those():
    """A new one needs a line in the table."""
    assert len(RULES) == 5


def test_the_thresholds_of_the_dashboard_are_those_of_the_rules():
    """Red where the rule is critical, or the only one."""
    steps = {
        panel["title"]: [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]
        for panel in DASHBOARD["panels"]
        if panel["type"] == "stat" and "thresholds" in panel["fieldConfig"]["defaults"]
    }
    low, critical = _frame._SUCCESS
    assert steps == {
        "Success": [None, critical, low],
        "Latency p95": [None, _frame._SLOW],
        "Retries per call": [None, _frame._RETRIES],
        "Open circuits": [None, 1],
    }


def test_the_panels_of_the_dashboard_do_not_overlap():
    """Each has an id and a place of its own within the 24 columns."""
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    cells = [
        (x, y) for at in places for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)


def test_the_dashboard_shows_every_metric():
    """Nothing is counted that nobody looks at."""
    shown = {name for key, expression in EXPRESSIONS.items() if key.startswith("panel") for name in names(expression)}
    assert {family.name for family in FAMILIES} == {re.sub(r"_(total|bucket)\Z", "", name) for name in shown}


def test_the_page_lists_every_metric_with_its_type_and_labels():
    """No more and no less."""
    listed = {
        name: (kind, set(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels in re.findall(r"^\| `(unbroken_\w+)` \| (\w+) \|([^|]*)\|", PAGE, re.MULTILINE)
    }
    assert listed == {
        family.name + ("_total" if family.type == "counter" else ""): (
            family.type,
            set(family._labelnames) - {"dialect", "model", "origin"},
        )
        for family in FAMILIES
    }
