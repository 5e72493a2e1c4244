"""Authentication, authorization, and the sealing of secrets. The authorizer is called on every RPC."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller, such as user:alice."""

    name: str


class Authenticator(Protocol):
    """Identifies the caller."""

    async def authenticate(self, metadata: Mapping[str, str], peer: str) -> Principal:
        """The caller; raises EgressError UNAUTHENTICATED."""


class Authorizer(Protocol):
    """Decides whether a caller is allowed to do something."""

    async def authorize(self, principal: Principal, permission: str, mesh: str) -> None:
        """Returns if it is allowed; raises PermissionDenied otherwise."""


class Sealer(Protocol):
    """Seals text under the key of the installation. Equal texts have equal sealed forms, so that a repeated request is
    recognized as such."""

    def seal(self, text: str) -> str:
        """The sealed form, printable ASCII."""

    def open(self, sealed: str) -> str:
        """The text. Raises PermanentError CREDENTIALS_UNREADABLE if it was sealed with another key, or is damaged."""
