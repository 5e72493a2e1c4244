"""The canonical form in which a kubeconfig is stored, and refusals that never quote its contents."""

import json
from typing import Any

import pytest

from egress_server.formats.kubeconfig import KubeconfigError, extract_context, read_kubeconfig
from egress_server.formats.strict_yaml import dump
from tests.support.kubeconfigs import CANARY, SERVER, kubeconfig, pem


def parts(text: str, context: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
    """Cluster and user of the stored form."""
    kept = json.loads(extract_context(text, context).text)
    assert [len(kept[field]) for field in ("contexts", "clusters", "users")] == [1, 1, 1]
    return kept["clusters"][0]["cluster"], kept["users"][0]["user"]


def refusal(text: str, context: str = "") -> str:
    """The message for a kubeconfig that can't be used."""
    with pytest.raises(KubeconfigError) as caught:
        extract_context(text, context)
    assert CANARY not in str(caught.value)
    return str(caught.value)


def test_only_the_chosen_context_is_kept() -> None:
    """With its cluster and user; other users are ignored."""
    kept = extract_context(kubeconfig())
    assert kept.context == "c0"
    assert "198.51.100.7" not in kept.text
    assert parts(kubeconfig()) == ({"server": SERVER}, {"token": CANARY})
    assert extract_context(kubeconfig(current="other"), "c0") == kept


def test_every_way_of_writing_it_comes_to_one_text() -> None:
    """So that a repeated registration is the same request."""
    as_yaml = dump(json.loads(kubeconfig()))
    assert extract_context(as_yaml) == extract_context(kubeconfig())
    kept = extract_context(kubeconfig())
    assert extract_context(kept.text) == kept


def test_what_is_needed_to_connect_is_kept() -> None:
    """It reads the same as the original, and everything else is dropped."""
    cluster = {
        "server": SERVER,
        "certificate-authority-data": pem("ca"),
        "tls-server-name": "api",
        "proxy-url": "http://proxy:3128",
        "insecure-skip-tls-verify": True,
    }
    user = {"client-certificate-data": pem("cert"), "client-key-data": pem("key"), "username": "u", "password": "p"}
    assert parts(kubeconfig(user, {**cluster, "extensions": [{"name": "minikube"}]})) == (cluster, user)
    text = kubeconfig(user, cluster)
    sent = {**json.loads(text), "users": json.loads(text)["users"][:1]}
    assert read_kubeconfig(json.loads(extract_context(text).text)) == read_kubeconfig(sent)


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ({"exec": {"command": CANARY}}, "'admin' has exec"),
        ({"auth-provider": {"name": "gcp", "config": {"access-token": CANARY}}}, "has auth-provider"),
        ({"tokenFile": "/token"}, "tokenFile"),
        ({"client-certificate": "c", "client-key": "k"}, "refers to a file in client-certificate"),
        ({"client-certificate-data": pem()}, "or neither"),
        ({"client-key-data": CANARY, "client-certificate-data": pem()}, "client-key-data must be base64-encoded PEM"),
        ({"token": 5}, "token must be a string"),
        ({"as": "root", "token": "t"}, "uses impersonation (as)"),
    ],
)
def test_users_that_can_not_sign_in_here(user: dict[str, Any], said: str) -> None:
    """Each with its reason."""
    assert said in refusal(kubeconfig(user))


@pytest.mark.parametrize(
    "server",
    [None, "", "203.0.113.5:6443", "ftp://x", "https://", f"https://u:{CANARY}@x", "https://x:99999", "https://x y\t"],
)
def test_servers_that_are_none(server: object) -> None:
    """Only http and https, without credentials in the URL."""
    assert "server must be" in refusal(kubeconfig(cluster={"server": server}))


@pytest.mark.parametrize(
    ("text", "context", "said"),
    [
        (kubeconfig(), "nope", "contexts has no entry 'nope'"),
        (kubeconfig(current=""), "", "no current-context"),
        (kubeconfig(contexts=[]), "", "contexts has no entry 'c0'"),
        (kubeconfig(contexts=CANARY), "", "contexts must be a list"),
        (kubeconfig(contexts=[{"name": "c0", "context": CANARY}]), "", "context must be a mapping"),
        (kubeconfig(users=[]), "", "users has no entry 'admin'"),
        (kubeconfig(users=[CANARY]), "", "users has no entry 'admin'"),
        (kubeconfig(users=[{"name": "admin", "user": CANARY}]), "", "user must be a mapping"),
        (kubeconfig(clusters=None), "", "clusters has no entry 'one'"),
        ("", "", "can't be parsed"),
        (f"- {CANARY}", "", "can't be parsed"),
        (f"a: 1\n{CANARY}: 1\n{CANARY}: 2", "", "can't be parsed (line 3)"),
        (f"token: !{CANARY} x", "", "can't be parsed (line 1)"),
        (f"spec:\n{CANARY}: x", "", "can't be parsed (line 1)"),
        ("x" * (64 * 1024 + 1), "", "more than 65536 bytes"),
        ("[" * 1000, "", "can't be parsed"),
    ],
)
def test_texts_that_are_no_kubeconfig_of_ours(text: str, context: str, said: str) -> None:
    """Refusals give the line, and never quote the contents."""
    assert said in refusal(text, context)
