"""How an API server is reached. Configuration, authentication and TLS come from the Kubernetes client, requests do not.

The client's own kubeconfig loader runs programs, reads files, and leaves keys in files of its own until the process
ends. So a kubeconfig is read as data, and a client certificate is in a file only while it is loaded. Inside a cluster
the loader is used: it follows the token as Kubernetes renews it.
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
# A watch may be silent for a long time. Without keepalive a lost peer is noticed after hours; with it, in seconds.
_KEEPALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPIDLE", 0), 4),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPINTVL", 0), 2),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPCNT", 0), 3),
)


class ApiConnection(RESTClientObject):
    """Sessions with one API server. Creating one may read files: do it in a thread."""

    def __init__(self, configuration: Configuration) -> None:
        # As kubectl does: many clusters have a CA that Python's strict mode rejects.
        configuration.disable_strict_ssl_verification = True
        super().__init__(configuration)

    @property
    def url(self) -> str:
        """The address of the API server."""
        host: str = self.configuration.host
        return host

    def session(self) -> aiohttp.ClientSession:
        """A new session, which the caller closes."""
        return self._create_pool_manager()

    async def headers(self) -> dict[str, str]:
        """Authentication headers as of now: a token may be renewed at any time."""
        settings: Mapping[str, Any] = await self.configuration.auth_settings()
        return {setting["key"]: setting["value"] for setting in settings.values()}

    @property
    def options(self) -> dict[str, Any]:
        """Options of each request."""
        options: dict[str, Any] = {}
        if self.configuration.tls_server_name:
            options["server_hostname"] = self.configuration.tls_server_name
        if self.proxy:
            options["proxy"] = self.proxy
        return options

    def _create_connector(self) -> aiohttp.TCPConnector:
        return aiohttp.TCPConnector(limit=0, ssl=self.ssl_context, socket_factory=_socket)


async def kubeconfig_connection(text: str, context: str = "") -> ApiConnection:
    """From the kubeconfig in `text`. Raises PermanentError CREDENTIALS_REFUSED."""
    try:
        config = read_kubeconfig(parse_kubeconfig(text), context)
        return await asyncio.to_thread(_connection, config)
    except KubeconfigError as error:
        raise PermanentError(CREDENTIALS_REFUSED, f"the kubeconfig can't be used: {error}") from None
    except ssl.SSLError as error:
        raise PermanentError(CREDENTIALS_REFUSED, f"a certificate or key can't be used: {error.reason}") from None


async def service_account_connection() -> ApiConnection:
    """With the service account of the pod this process runs in. Raises PermanentError NOT_IN_CLUSTER."""
    configuration = Configuration()
    try:
        load_incluster_config(configuration)  # type: ignore[no-untyped-call]
        return await asyncio.to_thread(ApiConnection, configuration)
    except ConfigException as error:
        raise PermanentError("NOT_IN_CLUSTER", f"this process does not run in a cluster: {error}") from None


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
