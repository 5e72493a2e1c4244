"""Settings of the agent: what is required, what is optional, and what is refused before it starts."""

import pytest
from pydantic import ValidationError

from egress_server.config import AgentSettings


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of the machine does not count here."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    for name in AgentSettings.model_fields:
        monkeypatch.delenv(f"EGRESSD_AGENT_{name.upper()}", raising=False)


def test_server_and_cluster_must_be_told() -> None:
    """The rest has a default, or comes from the sidecar."""
    with pytest.raises(ValidationError) as refused:
        AgentSettings()  # type: ignore[call-arg]
    assert [(error["loc"], error["type"]) for error in refused.value.errors()] == [
        (("server",), "missing"),
        (("cluster",), "missing"),
    ]
    settings = AgentSettings(server="unix:/run/egress.sock", cluster="c0")
    assert (settings.mesh, settings.envoy_admin, settings.capture_port) == ("default", "127.0.0.1:15000", 15001)
    assert (settings.namespace, settings.labels, settings.name, settings.kubernetes_service_host) == ("", (), "", "")


def test_the_environment_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels separated by commas; and the API server, from the variable that Kubernetes sets in every pod."""
    monkeypatch.setenv("EGRESSD_AGENT_SERVER", "egressd.egress-system:9090")
    monkeypatch.setenv("EGRESSD_AGENT_CLUSTER", "c0")
    monkeypatch.setenv("EGRESSD_AGENT_LABELS", "app=curl, version=, ")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    settings = AgentSettings()  # type: ignore[call-arg] # the environment has them
    assert (settings.server, settings.cluster) == ("egressd.egress-system:9090", "c0")
    assert settings.labels == (("app", "curl"), ("version", ""))
    assert settings.kubernetes_service_host == "10.96.0.1"


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"server": "egressd"}, "server", "must be HOST:PORT"),
        ({"server": "unix:"}, "server", "must be HOST:PORT"),
        ({"cluster": "C0"}, "cluster", "lowercase"),
        ({"cluster": ""}, "cluster", "lowercase"),
        ({"mesh": "a/b"}, "mesh", "lowercase"),
        ({"namespace": "Shop"}, "namespace", "lowercase"),
        ({"envoy_admin": "15000"}, "envoy_admin", "must be HOST:PORT"),
        ({"capture_port": 0}, "capture_port", "must be between 1 and 65535"),
        ({"labels": ["app"]}, "labels", "must be KEY=VALUE"),
        ({"labels": ["=curl"]}, "labels", "must be KEY=VALUE"),
        ({"log_level": "loud"}, "log_level", "must be one of debug, info, warning, error"),
    ],
)
def test_refused(fields: dict[str, object], field: str, said: str) -> None:
    """By the name of the setting, in a sentence."""
    whole: dict[str, object] = {"server": "unix:/x", "cluster": "c0", **fields}
    with pytest.raises(ValidationError) as refused:
        AgentSettings(**whole)  # type: ignore[arg-type]
    error = refused.value.errors()[0]
    assert error["loc"][0] == field
    assert said in error["msg"]
