"""Who calls and whether they may, and the sealing of secrets. The authorizer is called on every RPC."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller, such as user:alice."""

    name: str


class Authenticator(Protocol):
    """Finds out who calls."""

    async def authenticate(self, metadata: Mapping[str, str], peer: str) -> Principal:
        """The caller; raises EgressError UNAUTHENTICATED."""


class Authorizer(Protocol):
    """Decides whether a caller may."""

    async def authorize(self, principal: Principal, permission: str, mesh: str) -> None:
        """Returns where allowed; raises PermissionDenied."""


class Sealer(Protocol):
    """Seals text under the key of the installation. Equal texts are sealed alike, so that a repeated request is the
    same one."""

    def seal(self, text: str) -> str:
        """The sealed form, printable ASCII."""

    def open(self, sealed: str) -> str:
        """The text. Raises PermanentError CREDENTIALS_UNREADABLE where the key is another, or the text is damaged."""
