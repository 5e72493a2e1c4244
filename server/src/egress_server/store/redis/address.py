"""Where a server listens and how to log in, from a URL in the form that redis-py reads."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from redis.asyncio.connection import SSLConnection, parse_url

from egress_server.domain.model.errors import InvalidArgument

_P = TypeVar("_P", bound=asyncio.BaseProtocol)


@dataclass(frozen=True, slots=True)
class Address:
    """The `path` of a unix socket, or a host and port."""

    path: str = ""
    host: str = "localhost"
    port: int = 6379
    db: int = 0
    username: str = ""
    password: str = field(default="", repr=False)
    tls: ssl.SSLContext | None = None

    @classmethod
    def parse(cls, url: str) -> "Address":
        """From redis://, rediss:// (TLS; the query may name ssl_ca_certs, ssl_certfile, ssl_keyfile) or unix://.

        Raises InvalidArgument.
        """
        try:
            parts: dict[str, Any] = dict(parse_url(url))
            tls = _tls_context(parts) if parts.pop("connection_class", None) is SSLConnection else None
            return cls(tls=tls, **parts)
        except (ValueError, TypeError, OSError) as error:
            # The URL is not shown: it may contain a password.
            raise InvalidArgument(f"invalid store URL: {error}") from None

    def __str__(self) -> str:
        return f"unix:{self.path}" if self.path else f"{self.host}:{self.port}"

    async def open(self, factory: Callable[[], _P]) -> _P:
        """Connects; the socket is driven by the protocol that `factory` makes. Raises OSError."""
        loop = asyncio.get_running_loop()
        if self.path:
            _, protocol = await loop.create_unix_connection(factory, self.path)
        else:
            _, protocol = await loop.create_connection(factory, self.host, self.port, ssl=self.tls)
        return protocol

    def login(self) -> list[tuple[str | int, ...]]:
        """The commands that every connection starts with."""
        commands: list[tuple[str | int, ...]] = []
        if self.password:
            user = (self.username,) if self.username else ()
            commands.append(("AUTH", *user, self.password))
        if self.db:
            commands.append(("SELECT", self.db))
        return commands


def _tls_context(parts: dict[str, Any]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=parts.pop("ssl_ca_certs", None))
    if certificate := parts.pop("ssl_certfile", None):
        context.load_cert_chain(certificate, parts.pop("ssl_keyfile", None))
    return context
