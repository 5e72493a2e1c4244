"""The machine's own user may do everything; nobody else can reach a server that listens on loopback only."""

import os
import pwd
from collections.abc import Mapping

from egress_server.ports.identity import Principal


class LocalUser:
    """Authenticator and Authorizer for a server without authentication."""

    def __init__(self) -> None:
        uid = os.getuid()
        try:
            name = pwd.getpwuid(uid).pw_name
        except KeyError:
            name = str(uid)  # as in a container that runs with a number of its own
        self._principal = Principal(f"user:{name}")

    async def authenticate(self, metadata: Mapping[str, str], peer: str) -> Principal:
        """The user that runs the server."""
        return self._principal

    async def authorize(self, principal: Principal, permission: str, mesh: str) -> None:
        """Everything is allowed."""
