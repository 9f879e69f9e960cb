"""The alerts of the gateway and the page on its operation use the metrics that it exports, and no others."""

import re
import subprocess
from collections.abc import Iterable

import pytest
import yaml

from unbroken_gateway.admin.metrics import GatewayCollector
from unbroken_gateway.audit import Audit
from unbroken_gateway.traffic import Traffic

from ..programs import binary, need
from .gateway_pages import DEPLOY, PAGES, rows, words

FILE = DEPLOY / "prometheus-alerts.yaml"
RULES = {rule["alert"]: rule for group in yaml.safe_load(FILE.read_text("utf-8"))["groups"] for rule in group["rules"]}
NAME = r"\bunbroken_gateway_\w+"
EXAMPLE = """
rule_files: [{file}]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - series: unbroken_gateway_alerts_total{{problem="upstream_unavailable"}}
        values: _x20 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1
      - series: unbroken_gateway_calls_total{{route="/v1/messages", upstream="claude", ending="failed"}}
        values: 0+1x60
      - series: unbroken_gateway_calls_total{{route="/v1/messages", upstream="claude", ending="success"}}
        values: 0+9x60
    alert_rule_test:
      - {{eval_time: 19m, alertname: UnbrokenGatewayOperator, exp_alerts: []}}
      - eval_time: 22m
        alertname: UnbrokenGatewayOperator
        exp_alerts: [{{exp_labels: {{severity: critical, problem: upstream_unavailable}}, exp_annotations: {told}}}]
      - {{eval_time: 35m, alertname: UnbrokenGatewayOperator, exp_alerts: []}}
      - eval_time: 30m
        alertname: UnbrokenGatewayFailing
        exp_alerts: [{{exp_labels: {{severity: warning, upstream: claude}}, exp_annotations: {failing}}}]
"""


@pytest.fixture(scope="module")
def families() -> Iterable[dict[str, tuple[str, set[str]]]]:
    """The metrics by the name in an expression: their type and labels."""
    found = {}
    for family in GatewayCollector(Traffic(), lambda: Audit().status).collect():
        name = family.name + ("_total" if family.type == "counter" else "")
        found[name] = (family.type, set(family._labelnames))
    return found


@pytest.mark.parametrize("alert", RULES)
def test_an_alert_uses_metrics_and_labels_that_are_exported(alert: str, families) -> None:
    """Apart from `up`, which Prometheus makes itself."""
    expression = RULES[alert]["expr"]
    used = {re.sub(r"_bucket\Z", "", name) for name in re.findall(NAME, expression)}
    assert used <= set(families)
    labels = {label for name in used for label in families[name][1]} | {"le", "job"}
    given = re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", "".join(re.findall(r"\{([^}]*)\}", expression)))
    summed = [label for group in re.findall(r"\bby \(([^)]*)\)", expression) for label in group.split(", ")]
    assert {*given, *summed} <= labels


def test_the_page_lists_the_alerts_with_their_severity() -> None:
    """In the order of the file."""
    told = [(words(name)[0], severity) for name, severity, _ in rows(PAGES["operate"], "alert")]
    assert told == [(name, rule["labels"]["severity"]) for name, rule in RULES.items()]


def test_the_page_lists_the_metrics(families) -> None:
    """No more and no less, with types and labels."""
    told = {words(name)[0]: (kind, set(words(labels))) for name, kind, labels, _ in rows(PAGES["operate"], "metric")}
    assert told == families


def test_prometheus_accepts_the_rules_and_they_fire(tmp_path) -> None:
    """A counter that appears with its first problem included."""
    promtool = binary("promtool")
    need("promtool", promtool, "apt-get install prometheus")
    told = yaml.safe_load(FILE.read_text("utf-8"))["groups"][0]["rules"]
    by_name = {rule["alert"]: rule["annotations"] for rule in told}
    operator = {
        key: str(text).replace("{{ $labels.problem }}", "upstream_unavailable")
        for key, text in by_name["UnbrokenGatewayOperator"].items()
    }
    failing = {
        key: str(text).replace("{{ $value | humanizePercentage }}", "10%").replace("{{ $labels.upstream }}", "claude")
        for key, text in by_name["UnbrokenGatewayFailing"].items()
    }
    file = tmp_path / "test.yaml"
    file.write_text(
        EXAMPLE.format(
            file=FILE,
            told=yaml.dump(operator, default_flow_style=True, width=9999),
            failing=yaml.dump(failing, default_flow_style=True, width=9999),
        )
    )
    ran = subprocess.run([str(promtool), "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
