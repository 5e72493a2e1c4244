"""Without authentication every caller may do everything, so the server listens on loopback and unix sockets only. Who
called is recorded as far as the kernel vouches for it."""

import pwd
from collections.abc import Mapping

from egress_server.ports.identity import Principal

PEER_UID = "uid:"
"""Begins the peer of a call whose user the kernel has named (SO_PEERCRED)."""
_UNKNOWN = Principal("local:unknown")


class LocalUser:
    """Authenticator and Authorizer for a server without authentication."""

    async def authenticate(self, metadata: Mapping[str, str], peer: str) -> Principal:
        """The user at the other end of a unix socket. Of a TCP connection, and of gRPC, nothing is known but that it
        comes from this machine."""
        if not peer.startswith(PEER_UID):
            return _UNKNOWN
        uid = peer.removeprefix(PEER_UID)
        try:
            return Principal(f"user:{pwd.getpwuid(int(uid)).pw_name}")
        except KeyError:
            return Principal(f"user:{uid}")  # for example that of a container with an arbitrary user id

    async def authorize(self, principal: Principal, permission: str, mesh: str) -> None:
        """Everything is allowed."""
