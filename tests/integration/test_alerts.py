"""The alert rules and the dashboard: they hold together, and name only what /metrics has."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from harness.log_calls import troubles
from harness.processes import ROOT

ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
ALERTS_TEST = ROOT / "deploy" / "prometheus" / "alerts_test.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "dashboard.json"
OPERATIONS = ROOT / "docs" / "operations.md"

# Every series of /metrics, with its labels.
METRICS: dict[str, set[str]] = {
    "bronze_rows_committed_total": {"topic"},
    "bronze_bytes_committed_total": {"topic"},
    "bronze_messages_consumed_total": {"topic"},
    "bronze_consumer_lag": {"topic", "partition"},
    "bronze_consumer_lag_seconds": {"topic"},
    "bronze_oldest_unwritten_seconds": {"topic"},
    "bronze_commit_duration_seconds": {"le"},
    "bronze_commits_total": {"topic", "outcome"},
    "bronze_retries_total": set(),
    "bronze_rebalances_total": set(),
    "bronze_paused_partitions": set(),
    "bronze_stopped_partitions": set(),
    "bronze_files_written_total": set(),
    "bronze_checkpoints_total": set(),
    "bronze_cache_hits_total": set(),
    "bronze_cache_misses_total": set(),
    "bronze_cache_errors_total": set(),
    "bronze_dead_letters_total": {"topic", "type"},
    "bronze_buffered_bytes": set(),
    "bronze_memory_budget_bytes": set(),
    "bronze_memory_resident_bytes": set(),
    "bronze_build_info": {"version"},
    "bronze_retention_risk_seconds": {"topic"},
    "bronze_ready": set(),
    "bronze_healthy": set(),
}
HISTOGRAMS = {"bronze_commit_duration_seconds"}
LABELS_OF_SCRAPES = {"job", "instance"}


def metric_of(name: str) -> str:
    base = re.sub(r"_(bucket|sum|count)$", "", name)
    return base if base in HISTOGRAMS else name


def rules() -> list[dict]:
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    return group["rules"]


def panels() -> list[dict]:
    return json.loads(DASHBOARD.read_text())["panels"]


def queries_of_dashboard() -> Iterator[str]:
    dashboard = json.loads(DASHBOARD.read_text())
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel.get("targets", []))
    for variable in dashboard["templating"]["list"]:
        yield variable.get("definition", "")
    for annotation in dashboard["annotations"]["list"]:
        yield annotation["expr"]


def queries() -> list[str]:
    return [*(rule["expr"] for rule in rules()), *queries_of_dashboard()]


def promtool(*arguments: str | Path) -> str:
    done = subprocess.run(
        ["promtool", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ALERTS.parent,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_rules_are_well_formed():
    assert f"{len(rules())} rules found" in promtool("check", "rules", ALERTS)


def test_the_rules_fire_when_they_should_and_only_then():
    assert "SUCCESS" in promtool("test", "rules", ALERTS_TEST)


def test_each_rule_is_seen_firing_and_seen_silent():
    cases = [
        case
        for test in yaml.safe_load(ALERTS_TEST.read_text())["tests"]
        for case in test["alert_rule_test"]
    ]
    fires = {case["alertname"] for case in cases if case["exp_alerts"]}
    silent = {case["alertname"] for case in cases if not case["exp_alerts"]}
    names = {rule["alert"] for rule in rules()}
    assert fires == silent == names


def test_alerts_and_dashboard_name_only_series_and_labels_that_there_are():
    for query in queries():
        for name in re.findall(r"\bbronze_\w+", query):
            assert metric_of(name) in METRICS, f"{name} in {query}"
        for name, matchers in re.findall(r"\b(bronze_\w+)\{([^}]*)\}", query):
            known = METRICS[metric_of(name)] | LABELS_OF_SCRAPES
            used = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", matchers))
            assert used <= known, f"{name} has no label {used - known}: {query}"
    tests = ALERTS_TEST.read_text()
    for name, labels in re.findall(r"'(bronze_\w+)\{([^}]*)\}'", tests):
        used = set(re.findall(r"(\w+)=", labels)) - LABELS_OF_SCRAPES
        assert used == METRICS[metric_of(name)], f"{name} in alerts_test.yml"


def test_the_dashboard_shows_every_series():
    shown = {
        metric_of(name)
        for query in queries_of_dashboard()
        for name in re.findall(r"\bbronze_\w+", query)
    }
    assert shown == set(METRICS)


def test_the_queries_of_the_dashboard_are_well_formed(tmp_path):
    """promtool knows rules only, so each query is made one."""
    made = [
        {"record": f"query:{number}", "expr": query.replace("$__rate_interval", "1m")}
        for number, query in enumerate(queries_of_dashboard())
        if query and not query.startswith("label_values(")
    ]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": made}]}))
    assert f"{len(made)} rules found" in promtool("check", "rules", path)


def test_the_dashboard_marks_starts_and_nothing_else(tmp_path):
    annotations = json.loads(DASHBOARD.read_text())["annotations"]["list"]
    (expr,) = [one["expr"].replace("$job", "bronze") for one in annotations]
    here = '{job="bronze",instance="a"}'
    built = '{job="bronze",instance="a",version="0.1.0"}'
    started = {5: 0, 11: 1, 15: 0}
    test = {
        "interval": "30s",
        "input_series": [
            {"series": f"process_start_time_seconds{here}", "values": "1000x20 1600x40"},
            {"series": f"bronze_build_info{built}", "values": "1x60"},
            {"series": 'process_start_time_seconds{job="bronze",instance="other"}', "values": "5"},
        ],
        "promql_expr_test": [
            {
                "expr": f"count({expr}) or vector(0)",
                "eval_time": f"{minutes}m",
                "exp_samples": [{"labels": "{}", "value": count}],
            }
            for minutes, count in started.items()
        ],
    }
    path = tmp_path / "starts.yml"
    path.write_text(yaml.safe_dump({"evaluation_interval": "30s", "tests": [test]}))
    assert "SUCCESS" in promtool("test", "rules", path)


def test_the_panels_of_the_dashboard_do_not_overlap():
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells
    numbers = [panel["id"] for panel in panels()]
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_each_alert_is_explained(rule):
    heading = f"### {rule['alert']}"
    assert heading in OPERATIONS.read_text().splitlines()
    assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"


# --- messages -----------------------------------------------------------------------------------


def messages() -> Iterator[tuple[str, str]]:
    """The fixed text of each warning and error in the source: the longest piece between values."""
    for path, whole in troubles():
        piece = max(re.split(r"\{[^}]*\}", whole), key=len).strip(" .:;,()")
        if len(piece) >= 8:
            yield f"{path.stem}: {piece[:40]}", piece


def flat(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize("piece", [piece for _, piece in messages()])
def test_each_warning_and_error_is_explained(piece):
    assert flat(piece) in flat(OPERATIONS.read_text())
