"""Without authentication every caller is the user that runs the server, and may do everything: it listens on loopback
only."""

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
            name = str(uid)  # for example in a container with an arbitrary user id
        self._principal = Principal(f"user:{name}")

    async def authenticate(self, metadata: Mapping[str, str], peer: str) -> Principal:
        """The user that runs the server."""
        return self._principal

    async def authorize(self, principal: Principal, permission: str, mesh: str) -> None:
        """Everything is allowed."""
