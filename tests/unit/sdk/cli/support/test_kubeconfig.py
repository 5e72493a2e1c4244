"""What egressctl sends of a kubeconfig."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import typer

from egress.cli.support.kubeconfig import inlined
from tests.support.kubeconfigs import CANARY, SERVER, kubeconfig


def written(folder: Path, text: str) -> Path:
    """The kubeconfig in a file."""
    path = folder / "config"
    path.write_text(text)
    return path


def sent(folder: Path, text: str, context: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
    """The cluster and user that would be sent."""
    whole = json.loads(inlined(written(folder, text), context))
    assert whole["current-context"] == whole["contexts"][0]["name"]
    return whole["clusters"][0]["cluster"], whole["users"][0]["user"]


def refusal(path: Path, context: str = "") -> str:
    """The error for a kubeconfig that cannot be sent."""
    with pytest.raises(typer.BadParameter) as caught:
        inlined(path, context)
    assert CANARY not in caught.value.message
    return caught.value.message


def test_one_context_goes(tmp_path: Path) -> None:
    """Only the current context, or the one that is named, is sent."""
    assert sent(tmp_path, kubeconfig()) == ({"server": SERVER}, {"token": CANARY})
    assert sent(tmp_path, kubeconfig(current="other"), "c0") == ({"server": SERVER}, {"token": CANARY})


def test_files_go_along(tmp_path: Path) -> None:
    """File names are relative to the kubeconfig's directory, or absolute."""
    (tmp_path / "pki").mkdir()
    (tmp_path / "pki" / "ca.pem").write_bytes(b"ca")
    (tmp_path / "cert.pem").write_bytes(b"cert")
    (tmp_path / "token").write_bytes(b"t\n")
    cluster = {"server": SERVER, "certificate-authority": "pki/ca.pem"}
    user = {
        "client-certificate": str(tmp_path / "cert.pem"),
        "client-key": "absent",
        "client-key-data": "a2V5",
        "tokenFile": "token",
        "token": "old",
    }
    encoded = {name: base64.b64encode(name.encode()).decode() for name in ("ca", "cert")}
    assert sent(tmp_path, kubeconfig(user, cluster)) == (
        {"server": SERVER, "certificate-authority-data": encoded["ca"]},
        {"client-certificate-data": encoded["cert"], "client-key-data": "a2V5", "token": "t"},
    )


@pytest.mark.parametrize(
    ("user", "text"),
    [
        ({"exec": {"command": "aws", "args": [CANARY]}}, "authenticates with the program aws"),
        ({"exec": None}, "authenticates with a program"),
        ({"auth-provider": {"name": "gcp", "config": {"token": CANARY}}}, "authenticates with an auth-provider"),
    ],
)
def test_programs_stay_here(tmp_path: Path, user: dict[str, Any], text: str) -> None:
    """The error says what to do instead."""
    said = refusal(written(tmp_path, kubeconfig(user)))
    assert text in said
    assert "kubectl create token" in said


@pytest.mark.parametrize(
    ("text", "context", "said"),
    [
        (kubeconfig(), "x", "no context x (it has: c0, other)"),
        (kubeconfig(current=""), "", "choose one with --context"),
        (kubeconfig(contexts=None), "", "it has: none"),
        (kubeconfig(contexts=["x"]), "", "contexts is not a list"),
        (kubeconfig(users=[]), "", "refers to the user admin, which does not exist"),
        (kubeconfig({"tokenFile": "/nonexistent"}), "", "/nonexistent, which cannot be read"),
        (f"a: [{CANARY}", "", "is not valid YAML"),
        ("- a", "", "is not a kubeconfig"),
        ("", "", "is not a kubeconfig"),
    ],
)
def test_what_can_not_be_sent(tmp_path: Path, text: str, context: str, said: str) -> None:
    """The error does not repeat any of the file's content."""
    assert said in refusal(written(tmp_path, text), context)


def test_no_file(tmp_path: Path) -> None:
    """A missing file is an error that names it."""
    assert "cannot be read" in refusal(tmp_path / "none")
