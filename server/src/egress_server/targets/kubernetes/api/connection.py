"""How an API server is reached: configuration, authentication and TLS by the Kubernetes client, its requests not.

The client's own loader of a kubeconfig runs programs, reads files, and leaves keys behind in files of its own until
the process ends; so a kubeconfig is read as data, and a client certificate is in a file only while it is loaded. In a
cluster the loader is used: it follows the token that Kubernetes renews.
"""

import asyncio
import socket
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes.aio.client import Configuration
from kubernetes.aio.client.rest import RESTClientObject
from kubernetes.aio.config import ConfigException, load_incluster_config

from egress_server.domain.model.errors import PermanentError
from egress_server.formats.kubeconfig import Kubeconfig, KubeconfigError, parse_kubeconfig, read_kubeconfig

CREDENTIALS_REFUSED = "CREDENTIALS_REFUSED"
# A watch is silent for long. Without these a peer that vanished would be noticed after hours; with them, in seconds.
_KEEPALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPIDLE", 0), 4),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPINTVL", 0), 2),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPCNT", 0), 3),
)


class ApiConnection(RESTClientObject):
    """Sessions with one API server. Making one may read files: do it in a thread."""

    def __init__(self, configuration: Configuration) -> None:
        # As kubectl does: many clusters' authorities are not what Python's strict mode asks for.
        configuration.disable_strict_ssl_verification = True
        super().__init__(configuration)

    @property
    def url(self) -> str:
        """Where the API server is."""
        host: str = self.configuration.host
        return host

    def session(self) -> aiohttp.ClientSession:
        """A new session; to be closed by who asked for it."""
        return self._create_pool_manager()

    async def headers(self) -> dict[str, str]:
        """Who we are, as of now: a token may be renewed at any time."""
        settings: Mapping[str, Any] = await self.configuration.auth_settings()
        return {setting["key"]: setting["value"] for setting in settings.values()}

    @property
    def options(self) -> dict[str, Any]:
        """Of each request."""
        options: dict[str, Any] = {}
        if self.configuration.tls_server_name:
            options["server_hostname"] = self.configuration.tls_server_name
        if self.proxy:
            options["proxy"] = self.proxy
        return options

    def _create_connector(self) -> aiohttp.TCPConnector:
        return aiohttp.TCPConnector(limit=0, ssl=self.ssl_context, socket_factory=_socket)


async def by_kubeconfig(text: str, context: str = "") -> ApiConnection:
    """By the kubeconfig in `text`. Raises PermanentError CREDENTIALS_REFUSED."""
    try:
        config = read_kubeconfig(parse_kubeconfig(text), context)
        return await asyncio.to_thread(_connection, config)
    except KubeconfigError as error:
        raise PermanentError(CREDENTIALS_REFUSED, f"the kubeconfig can't be used: {error}") from None
    except ssl.SSLError as error:
        raise PermanentError(CREDENTIALS_REFUSED, f"a certificate or key can't be used: {error.reason}") from None


async def by_service_account() -> ApiConnection:
    """By the service account of the pod that we run in. Raises PermanentError NOT_IN_CLUSTER."""
    configuration = Configuration()
    try:
        load_incluster_config(configuration)  # type: ignore[no-untyped-call]
        return await asyncio.to_thread(ApiConnection, configuration)
    except ConfigException as error:
        raise PermanentError(
            "NOT_IN_CLUSTER", f"this process runs in no cluster that it could drive: {error}"
        ) from None


def _connection(config: Kubeconfig) -> ApiConnection:
    configuration = Configuration(host=config.server, ca_cert_data=config.authority or None)
    configuration.verify_ssl = not config.insecure_skip_verify
    configuration.tls_server_name = config.server_name
    configuration.proxy = config.proxy or None
    if config.token:
        configuration.api_key["BearerToken"] = f"Bearer {config.token}"
    elif config.username:
        configuration.username, configuration.password = config.username, config.password
        configuration.api_key["BearerToken"] = configuration.get_basic_auth_token() or ""
    if not config.client_certificate:
        return ApiConnection(configuration)
    with tempfile.TemporaryDirectory(prefix="egress-") as folder:
        for name, pem in (("cert_file", config.client_certificate), ("key_file", config.client_key)):
            path = Path(folder, name)
            path.touch(mode=0o600)
            path.write_text(pem)
            setattr(configuration, name, str(path))
        return ApiConnection(configuration)


def _socket(address: tuple[Any, ...]) -> socket.socket:
    family, kind, protocol = address[:3]
    made = socket.socket(family=family, type=kind, proto=protocol)
    for level, option, value in _KEEPALIVE:
        if option:
            made.setsockopt(level, option, value)
    return made
