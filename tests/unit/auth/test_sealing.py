"""Credentials are sealed with a key that is created once, and opened only with that key."""

import base64
from pathlib import Path

import pytest

from egress_server.auth.sealing import KeyFileSealer
from egress_server.domain.model.errors import FailedPrecondition, PermanentError


def test_what_was_sealed_is_opened(tmp_path: Path) -> None:
    """Also by a later process, and equal texts have equal sealed forms."""
    path = tmp_path / "made" / "credentials.key"
    sealer = KeyFileSealer(path, make=True)
    sealer.check()
    assert not path.exists()
    sealed = sealer.seal("secret ä")
    assert sealed.isascii()
    assert "secret" not in sealed
    later = KeyFileSealer(path, make=True)
    assert later.open(sealed) == "secret ä"
    assert later.seal("secret ä") == sealed
    assert later.seal("secret") != sealed


def test_the_key_is_ours_alone(tmp_path: Path) -> None:
    """It is 64 random bytes in base64, readable by its owner only."""
    path = tmp_path / "credentials.key"
    KeyFileSealer(path, make=True).seal("x")
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(base64.b64decode(path.read_bytes())) == 64
    assert [p.name for p in tmp_path.iterdir()] == ["credentials.key"]


@pytest.mark.parametrize("sealed", ["", "1:", "1:ä", "1:AAAA", "2:AAAA", "plain"])
def test_what_is_damaged_is_not_opened(tmp_path: Path, sealed: str) -> None:
    """The error has the reason and what to do."""
    sealer = KeyFileSealer(tmp_path / "key", make=True)
    sealer.seal("x")
    with pytest.raises(PermanentError, match="register the cluster again") as caught:
        sealer.open(sealed)
    assert caught.value.reason == "CREDENTIALS_UNREADABLE"


def test_another_key_opens_nothing(tmp_path: Path) -> None:
    """Nor does a missing one; opening does not create one."""
    sealed = KeyFileSealer(tmp_path / "one", make=True).seal("x")
    other = KeyFileSealer(tmp_path / "two", make=True)
    with pytest.raises(PermanentError):
        other.open(sealed)
    assert not (tmp_path / "two").exists()
    other.seal("x")
    with pytest.raises(PermanentError):
        other.open(sealed)


@pytest.mark.parametrize(
    ("content", "text"), [(None, "No such file"), (b"!", "is not base64"), (b"AAAA", "has 3 bytes")]
)
def test_a_key_that_is_none(tmp_path: Path, content: bytes | None, text: str) -> None:
    """A named key must exist and be complete before anything starts."""
    path = tmp_path / "key"
    if content:
        path.write_bytes(content)
    with pytest.raises(FailedPrecondition, match=text) as caught:
        KeyFileSealer(path, make=False).check()
    assert caught.value.reason == "CREDENTIALS_KEY_INVALID"


def test_a_key_that_can_not_be_made(tmp_path: Path) -> None:
    """It is reported, and nothing is sealed."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FailedPrecondition):
        KeyFileSealer(tmp_path / "file" / "key", make=True).seal("x")
