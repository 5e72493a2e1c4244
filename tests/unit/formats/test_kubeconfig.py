"""Kubeconfigs: what is read from them, and that nothing they name is ever run or read."""

import base64
import copy
from typing import Any

import pytest

from egress_server.formats.kubeconfig import KubeconfigError, read_kubeconfig, refuse_references

PEM = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"


def inline(pem: str) -> str:
    """A PEM in the form that a kubeconfig contains."""
    return base64.b64encode(pem.encode()).decode()


CONFIG: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "one",
    "clusters": [
        {"name": "c", "cluster": {"server": "https://one:6443/", "certificate-authority-data": inline(PEM)}},
        {"name": "d", "cluster": {"server": "https://two", "insecure-skip-tls-verify": True, "tls-server-name": "t"}},
    ],
    "users": [
        {"name": "u", "user": {"token": "secret"}},
        {"name": "v", "user": {"client-certificate-data": inline(PEM), "client-key-data": inline(PEM)}},
    ],
    "contexts": [
        {"name": "one", "context": {"cluster": "c", "user": "u"}},
        {"name": "two", "context": {"cluster": "d", "user": "v", "namespace": "ignored"}},
        {"name": "nobody", "context": {"cluster": "c"}},
        {"name": "dangling", "context": {"cluster": "gone", "user": "u"}},
    ],
}


def test_the_current_context_is_read() -> None:
    """Without a name the current context is used, with server, CA and token."""
    read = read_kubeconfig(CONFIG)
    assert (read.server, read.authority, read.token) == ("https://one:6443", PEM, "secret")
    assert not read.insecure_skip_verify


def test_a_context_is_chosen_by_name() -> None:
    """Each context has its own cluster and user."""
    read = read_kubeconfig(CONFIG, "two")
    assert (read.server, read.server_name, read.insecure_skip_verify) == ("https://two", "t", True)
    assert (read.client_certificate, read.client_key, read.token) == (PEM, PEM, "")


def test_a_context_may_have_no_user() -> None:
    """Then there are no credentials."""
    assert read_kubeconfig(CONFIG, "nobody").token == ""


def test_secrets_are_not_shown() -> None:
    """Its repr contains no token and no key."""
    assert "secret" not in repr(read_kubeconfig(CONFIG))


@pytest.mark.parametrize(
    ("section", "part", "key", "value"),
    [
        ("users", "user", "exec", {"command": "/bin/sh"}),
        ("users", "user", "auth-provider", {"name": "gcp"}),
        ("users", "user", "tokenFile", "/var/run/token"),
        ("users", "user", "client-certificate", "/etc/cert.pem"),
        ("users", "user", "client-key", "/etc/key.pem"),
        ("clusters", "cluster", "certificate-authority", "/etc/ca.pem"),
    ],
)
@pytest.mark.parametrize("index", [0, 1])
def test_programs_and_files_are_refused(section: str, part: str, key: str, value: Any, index: int) -> None:
    """By the name of the field, in any context."""
    config = copy.deepcopy(CONFIG)
    config[section][index][part][key] = value
    with pytest.raises(KubeconfigError, match=key):
        refuse_references(config)
    with pytest.raises(KubeconfigError, match=key):
        read_kubeconfig(config, "one")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"current-context": None}, "no current-context"),
        ({"current-context": "dangling"}, "'gone'"),
        ({"current-context": "three"}, "'three'"),
        ({"contexts": "one"}, "contexts must be a list"),
        ({"clusters": [{"name": "c", "cluster": {"server": "one:6443"}}]}, "must be a URL"),
        ({"clusters": [{"name": "c", "cluster": "one"}]}, "cluster must be a mapping"),
        ({"clusters": [{"name": "c", "cluster": {"server": 1}}]}, "server must be a string"),
        (
            {"clusters": [{"name": "c", "cluster": {"server": "https://x", "certificate-authority-data": "%"}}]},
            "certificate-authority-data must be base64-encoded PEM",
        ),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], says: str) -> None:
    """Each problem has a message."""
    with pytest.raises(KubeconfigError, match=says):
        read_kubeconfig({**CONFIG, **change})
