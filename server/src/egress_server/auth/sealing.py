"""Seals credentials of clusters wherever they are stored: in Redis, its history, its backups.

AES-SIV needs no nonce: equal texts under one key have equal sealed forms, so a repeated request is recognized as such.
The price is that equality shows. Without the key the data is useless.
"""

import base64
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from egress_server.domain.model.errors import FailedPrecondition, PermanentError
from egress_server.durable import create_secret

KEY_BYTES = 64  # AES-256-SIV takes two keys of 256 bits
_VERSION = "1:"
_PURPOSE = [b"mesh-egress credentials"]


class KeyFileSealer:
    """See ports.identity.Sealer. The key is base64 in a file, which is read once, when it is first needed. With `make`,
    a missing file is created at the first sealing."""

    def __init__(self, path: Path, *, make: bool) -> None:
        self._path = path
        self._make = make
        self._cipher: AESSIV | None = None

    def check(self) -> None:
        """Raises FailedPrecondition CREDENTIALS_KEY_INVALID if the key is invalid, or missing without `make`."""
        if self._path.exists() or not self._make:
            self._loaded()

    def seal(self, text: str) -> str:
        """See the port. Raises as `check` does."""
        if self._make and not self._path.exists():
            self._create()
        sealed = self._loaded().encrypt(text.encode(), _PURPOSE)
        return _VERSION + base64.b64encode(sealed).decode()

    def open(self, sealed: str) -> str:
        """See the port."""
        try:
            cipher = self._loaded()
            if not sealed.startswith(_VERSION):
                raise ValueError("unknown version")
            return cipher.decrypt(base64.b64decode(sealed[len(_VERSION) :], validate=True), _PURPOSE).decode()
        except (FailedPrecondition, InvalidTag, ValueError):
            raise PermanentError(
                "CREDENTIALS_UNREADABLE",
                f"the cluster's credentials were not sealed with the key in {self._path}: give this process the "
                "installation's key (EGRESSD_CREDENTIALS_KEY_FILE), or register the cluster again",
            ) from None

    def _loaded(self) -> AESSIV:
        if self._cipher is None:
            self._cipher = AESSIV(self._read())
        return self._cipher

    def _create(self) -> None:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            create_secret(self._path, base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
        except OSError as error:
            raise self._invalid(error.strerror or "can't be created") from None

    def _read(self) -> bytes:
        try:
            key = base64.b64decode(self._path.read_bytes().strip(), validate=True)
        except OSError as error:
            raise self._invalid(error.strerror or "can't be read") from None
        except ValueError:
            raise self._invalid("is not base64") from None
        if len(key) != KEY_BYTES:
            raise self._invalid(f"has {len(key)} bytes")
        return key

    def _invalid(self, problem: str) -> FailedPrecondition:
        return FailedPrecondition(
            f"credentials key {self._path}: {problem}; it must hold {KEY_BYTES} random bytes in base64: "
            f"head -c {KEY_BYTES} /dev/urandom | base64 -w0",
            reason="CREDENTIALS_KEY_INVALID",
            metadata={"path": str(self._path)},
        )
