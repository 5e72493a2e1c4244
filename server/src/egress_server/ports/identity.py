"""Who calls, and may they. Called on every RPC; the local implementations trust the machine's own user."""

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
