"""Which Istio version a cluster runs, according to its control plane."""

from typing import Any

import pytest

from egress_server.targets.kubernetes.api.discovery import auto_allocates, istio_version


def deployment(image: str, **labels: str) -> dict[str, Any]:
    """A control plane."""
    containers = [{"name": "sidecar", "image": "x:9.9.9"}, {"name": "discovery", "image": image}]
    named = {key.replace("__", "/").replace("_", "."): value for key, value in labels.items()}
    return {"metadata": {"labels": named}, "spec": {"template": {"spec": {"containers": containers}}}}


@pytest.mark.parametrize(
    ("image", "labels", "version"),
    [
        ("docker.io/istio/pilot:1.31.1", {}, "1.31.1"),
        ("registry:5000/istio/pilot:1.31.1-distroless", {}, "1.31.1-distroless"),
        ("pilot:1.31.1@sha256:abc", {}, "1.31.1"),
        ("registry:5000/istio/pilot@sha256:abc", {"app_kubernetes_io__version": "1.30.2"}, "1.30.2"),
        ("pilot:latest", {"app_kubernetes_io__version": "1.30.2"}, "1.30.2"),
        ("pilot:latest", {}, ""),
        ("pilot:1.31.1", {"istio_io__rev": "canary"}, ""),
    ],
)
def test_the_version_comes_from_the_image_or_the_label(image: str, labels: dict[str, str], version: str) -> None:
    """Of the default revision."""
    assert istio_version([deployment(image, **labels)], "") == version


def test_each_revision_has_its_own_version() -> None:
    """They may differ, as during an upgrade."""
    both = [deployment("pilot:1.30.0", istio_io__rev="default"), deployment("pilot:1.31.1", istio_io__rev="canary")]
    assert istio_version(both, "canary") == "1.31.1"
    assert istio_version(both, "") == istio_version(both, "default") == "1.30.0"
    assert istio_version(both, "other") == ""


@pytest.mark.parametrize(
    ("version", "env", "allocates"),
    [
        ("1.31.1", [], True),
        ("1.25.0", [], True),
        ("1.24.3", [], False),
        ("", [], True),
        ("1.24.3", [{"name": "PILOT_ENABLE_IP_AUTOALLOCATE", "value": "true"}], True),
        ("1.31.1", [{"name": "PILOT_ENABLE_IP_AUTOALLOCATE", "value": "false"}], False),
        ("1.31.1", [{"name": "OTHER"}], True),
    ],
)
def test_istiod_allocates_addresses_by_its_environment_or_version(
    version: str, env: list[dict[str, str]], allocates: bool
) -> None:
    """It does so by default since 1.25."""
    there = deployment(f"pilot:{version}")
    there["spec"]["template"]["spec"]["containers"][1]["env"] = env
    assert auto_allocates([there], "", version) is allocates
