"""The command line of egressd: generated from the settings, readable, and with our own errors."""

import re
from typing import Any

import pytest
from pydantic_settings import BaseSettings
from typer.testing import CliRunner

from egress_server.cli.main import app
from egress_server.config import AgentSettings, ApplySettings, Option, RunSettings, ServeSettings

PROCESS = {"data-dir", "credentials-key-file", "log-level", "trace-ratio", "otlp-endpoint"}
API = {"grpc-address", "http-address", "cors-origin", "drain-seconds"}
FLAGS: dict[str, set[str]] = {
    "run": PROCESS | API | {"redis-url", "local-cluster", "resolve", "directory-root"},
    "serve": PROCESS | API | {"redis-url"},
    "apply": PROCESS
    | {"redis-url", "cluster", "in-cluster", "kubeconfig", "context", "directory-root", "metrics-address"},
    "agent": {
        *("server", "cluster", "mesh", "namespace", "labels", "name", "workload-cluster", "envoy-admin"),
        *("capture-port", "log-level"),
    },
    "demo": {"examples", "stay"},
    "doctor": {"data-dir"},
}
"""Existing flags don't disappear."""
AGENT = ("agent", "--server", "unix:x", "--cluster", "c")
MODELS: dict[str, type[BaseSettings]] = {
    "run": RunSettings,
    "serve": ServeSettings,
    "apply": ApplySettings,
    "agent": AgentSettings,
}


def output(*words: str, **environment: str) -> tuple[int, str]:
    """The exit code and the output."""
    done = CliRunner().invoke(app, list(words), env={"COLUMNS": "200", **environment})
    return done.exit_code, done.output


@pytest.mark.parametrize("command", FLAGS)
def test_every_flag_is_there(command: str) -> None:
    """With its help, and the type of its value as kubectl and gh show it."""
    code, text = output(command, "--help")
    assert code == 0
    found = set(re.findall(r"^  --([a-z-]+)", text, re.MULTILINE))
    assert found == FLAGS[command] | {"help"}
    assert not re.search(r"<\w|\bTEXT\b|\bstr\b|list\[|bool|float|None", text)


@pytest.mark.parametrize("command", MODELS)
def test_help_comes_from_the_settings(command: str) -> None:
    """Each with its text, its default and its environment variable; a setting without a text would show nothing."""
    text = " ".join(output(command, "--help")[1].split())
    for name, field in MODELS[command].model_fields.items():
        if not any(isinstance(each, Option) for each in field.metadata):
            assert name == "kubernetes_service_host"
            continue
        assert field.description, name
        assert " ".join(field.description.split()).removesuffix(".") in text
        assert f"[env: {MODELS[command].model_config['env_prefix']}{name.upper()}]" in text
    assert "(default 127.0.0.1:9090)" in text or command in {"apply", "agent"}
    assert "--log-level debug|info|warning|error" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "--log-level", "loud"], "--log-level: must be one of debug, info, warning, error"),
        (["run", "--trace-ratio", "much"], "--trace-ratio: must be a number"),
        (["run", "--trace-ratio", "2"], "--trace-ratio: must be between 0 and 1"),
        (["serve"], "--redis-url: is required (or set EGRESSD_REDIS_URL)"),
        (["serve", "--redis-url", ""], "--redis-url: must not be empty"),
        (["apply", "--redis-url", "x", "--in-cluster"], "--in-cluster: requires --cluster, exactly once"),
        (
            ["apply", "--redis-url", "x", "--cluster", "a", "--in-cluster", "--kubeconfig", "f"],
            "--kubeconfig: can't be combined with --in-cluster",
        ),
        (["apply", "--redis-url", "x", "--context", "c"], "--context: requires --kubeconfig"),
        (
            ["agent", "--server", "unix:x", "--cluster", "c", "--capture-port", "x"],
            "--capture-port: must be a whole number",
        ),
    ],
)
def test_refusals(words: list[str], said: str) -> None:
    """One line that names the flag, and exit code 2."""
    assert output(*words) == (2, f"egressd: {said}\n")


def test_refusals_of_the_environment() -> None:
    """They name the variable, and all problems are listed."""
    code, text = output("apply", EGRESSD_LOG_LEVEL="loud", EGRESSD_IN_CLUSTER="maybe", EGRESSD_REDIS_URL="x")
    assert code == 2
    assert sorted(text.splitlines()) == [
        "egressd: EGRESSD_IN_CLUSTER: must be true or false",
        "egressd: EGRESSD_LOG_LEVEL: must be one of debug, info, warning, error",
    ]


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("1", True), ("Yes", True), ("off", False), ("0", False), ("F", False)]
)
def test_switches_of_the_environment(monkeypatch: pytest.MonkeyPatch, text: str, value: bool) -> None:
    """Everything that pydantic accepts as a boolean."""
    monkeypatch.setenv("EGRESSD_IN_CLUSTER", text)
    settings: Any = ApplySettings(redis_url="x", clusters=("c0",))
    assert settings.in_cluster is value
