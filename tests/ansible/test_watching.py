"""What the role for Prometheus writes: whom it asks, how, and what it wakes an operator for; tried by its own tools."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ansible.running import run_ansible

MASTERS = ("a", "b", "c")


def written(directory: Path, variables: dict[str, object]) -> dict[str, Path]:
    """The role's files for three masters, of which one has a port of its own, and two agents."""
    # Any: an inventory, as YAML has it.
    hosts: dict[str, Any] = {name: {"mesos_common_address": f"192.0.2.{n}"} for n, name in enumerate("abcde", 1)}
    for host in hosts.values():
        host["ansible_python_interpreter"] = sys.executable
    hosts["b"]["mesos_master_port"] = 15050
    hosts["e"]["mesos_common_address"] = "2001:db8::5"
    children: dict[str, Any] = {
        group: {"hosts": {name: {} for name in names}}
        for group, names in (("mesos_masters", MASTERS), ("mesos_agents", "de"), ("prometheus", "c"))
    }
    inventory = directory / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": hosts, "children": children}}))
    files = {name: directory / name for name in ("prometheus.yml", "rules.yml")}
    roles = Path(__file__).parents[2] / "ansible" / "roles"
    tasks: list[dict[str, Any]] = [{"ansible.builtin.import_role": {"name": "mesos_common", "tasks_from": "facts"}}]
    # For its variables; it does nothing here.
    tasks.append({"ansible.builtin.import_role": {"name": "prometheus", "tasks_from": "verify"}, "when": False})
    tasks += [
        {"ansible.builtin.template": {"src": str(roles / "prometheus" / "templates" / f"{name}.j2"), "dest": str(path)}}
        for name, path in files.items()
    ]
    play = {"hosts": "c", "connection": "local", "gather_facts": False, "tasks": tasks, "vars": variables}
    playbook = directory / "play.yml"
    playbook.write_text(yaml.safe_dump([play]))
    done = run_ansible("ansible-playbook", "-i", str(inventory), str(playbook))
    assert done.returncode == 0, done.stdout + done.stderr
    return files


def promtool(*arguments: str) -> str:
    if (program := shutil.which("promtool")) is None:
        pytest.skip("real part not installed: promtool (the Debian package prometheus)")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_masters_and_agents_are_asked_where_they_listen(tmp_path: Path) -> None:
    files = written(tmp_path, {"prometheus_config_dir": str(tmp_path), "prometheus_alertmanagers": ["192.0.2.9:9093"]})
    config = yaml.safe_load(files["prometheus.yml"].read_text())
    asked = {
        job["job_name"]: {entry["labels"]["host"]: entry["targets"] for entry in job["static_configs"]}
        for job in config["scrape_configs"]
    }
    assert asked == {
        "mesos_masters": {"a": ["192.0.2.1:5050"], "b": ["192.0.2.2:15050"], "c": ["192.0.2.3:5050"]},
        "mesos_agents": {"d": ["192.0.2.4:5051"], "e": ["[2001:db8::5]:5051"]},
    }
    assert {job["scheme"] for job in config["scrape_configs"]} == {"http"}
    promtool("check", "config", str(files["prometheus.yml"]))


def test_m_se_16_m_se_18_they_are_asked_over_tls_and_by_somebody(tmp_path: Path) -> None:
    """M-SE-16, M-SE-18: the secret is in a file of its own."""
    variables: dict[str, object] = {
        "prometheus_config_dir": str(tmp_path),
        "mesos_common_config_dir": str(tmp_path),
        "mesos_common_tls_cert": "/dev/null",
        "mesos_common_tls_key": "/dev/null",
        "mesos_common_tls_ca": "/dev/null",
        "mesos_common_credentials": [{"principal": "ops", "secret": "x1y2z3"}, {"principal": "watch", "secret": "q"}],
        "prometheus_principal": "watch",
    }
    files = written(tmp_path, variables)
    text = files["prometheus.yml"].read_text()
    assert "x1y2z3" not in text
    for job in yaml.safe_load(text)["scrape_configs"]:
        assert job["scheme"] == "https"
        assert job["tls_config"]["ca_file"] == f"{tmp_path}/tls/ca.pem"
        assert job["basic_auth"] == {"username": "watch", "password_file": f"{tmp_path}/secret"}
    (tmp_path / "secret").write_text("q")
    (tmp_path / "tls").mkdir()
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (tmp_path / "tls" / name).touch()
    promtool("check", "config", "--syntax-only", str(files["prometheus.yml"]))


def test_alerts_are_raised_by_what_they_are_for_and_by_nothing_else(tmp_path: Path) -> None:
    """Prometheus' own test of rules: a quarter of an hour in which all is well, then what each is for."""
    group = {"name": "mine", "rules": [{"alert": "Mine", "expr": "vector(1)"}]}
    files = written(tmp_path, {"prometheus_config_dir": str(tmp_path), "prometheus_rule_groups": [group]})
    promtool("check", "rules", str(files["rules.yml"]))
    # Each series: fifteen minutes as it should be, then fifteen of what is wrong.
    series = {
        'mesos_master_elected{host="a"}': "1x15 0x15",
        'mesos_master_elected{host="b"}': "0x30",
        'up{job="mesos_masters",host="b"}': "1x15 0x15",
        'up{job="mesos_agents",host="d"}': "1x15 0x15",
        'mesos_master_slaves_unreachable{host="a"}': "0x15 2x15",
        'mesos_registrar_state_store_ms_p99{host="a"}': "40x15 1001x15",
        'mesos_master_allocator_failures{host="a"}': "3x15 4x15",
        'mesos_master_uptime_secs{host="a",job="mesos_masters"}': "100+60x15 1 2 1 2 1 2 1 2 1 2 1 2 1 2 1",
    }
    alerts = {
        "MesosNoLeader": {},
        "MesosMasterDown": {"job": "mesos_masters", "host": "b"},
        "MesosAgentDown": {"job": "mesos_agents", "host": "d"},
        "MesosAgentsUnreachable": {},
        "MesosRegistrarSlow": {"host": "a"},
        "MesosAllocatorInterrupted": {"host": "a"},
        "MesosServiceKeepsEnding": {"host": "a", "job": "mesos_masters"},
    }
    rules = yaml.safe_load(files["rules.yml"].read_text())
    severities = {
        rule["alert"]: rule["labels"]["severity"]
        for one in rules["groups"]
        if one["name"] == "mesos-service"
        for rule in one["rules"]
    }
    assert set(alerts) | {"MesosTwoLeaders"} == set(severities)

    def samples(text: str) -> str:
        return " ".join(
            f"{part.split('x')[0]}+0x{part.split('x')[1]}" if "x" in part and "+" not in part else part
            for part in text.split()
        )

    tests = [
        {
            "interval": "1m",
            "input_series": [{"series": name, "values": samples(values)} for name, values in series.items()],
            "promql_expr_test": [
                {
                    "expr": 'count by (alertname) (ALERTS{alertstate="firing",alertname!="Mine"}) or vector(0)',
                    "eval_time": "15m",
                    "exp_samples": [{"labels": "{}", "value": 0}],
                },
                {
                    "expr": 'count by (alertname, severity) (ALERTS{alertstate="firing",alertname!="Mine"})',
                    "eval_time": "24m",
                    "exp_samples": [
                        {"labels": f'{{alertname="{name}",severity="{severities[name]}"}}', "value": 1}
                        for name in alerts
                    ],
                },
            ],
        },
        {
            "interval": "1m",
            "input_series": [
                {"series": 'mesos_master_elected{host="a"}', "values": "1+0x10"},
                {"series": 'mesos_master_elected{host="b"}', "values": "0+0x2 1+0x8"},
            ],
            "promql_expr_test": [
                {
                    "expr": 'ALERTS{alertstate="firing",alertname!="Mine"}',
                    "eval_time": "6m",
                    "exp_samples": [
                        {
                            "labels": '{__name__="ALERTS",alertname="MesosTwoLeaders",alertstate="firing",'
                            'severity="critical"}',
                            "value": 1,
                        }
                    ],
                }
            ],
        },
    ]
    file = tmp_path / "tests.yml"
    file.write_text(
        yaml.safe_dump({"rule_files": [str(files["rules.yml"])], "evaluation_interval": "1m", "tests": tests})
    )
    promtool("test", "rules", str(file))
