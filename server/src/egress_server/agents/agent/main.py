"""The agent process: composed, identified by its sidecar, and kept running.

It uses nothing of the server but the contract, so that it stays small: it runs once in each workload.
"""

import asyncio
import os
import socket
from collections.abc import Collection
from importlib.metadata import version as version_of

import structlog

from egress_server.agents.agent.attach import Agent
from egress_server.agents.agent.evaluator import Evaluator
from egress_server.agents.agent.pod_dialer import PodDialer, listener, own_ports, read_tables
from egress_server.agents.agent.prober import Prober
from egress_server.agents.agent.resolver import Resolver, system_lookup
from egress_server.agents.sidecar.envoy_admin import AdminPages, EnvoySidecar, SidecarNode, parse_node
from egress_server.aio.backoff import Backoff
from egress_server.aio.supervisor import supervise
from egress_server.aio.tasks import Task
from egress_server.config import AgentSettings, split_address
from egress_server.ports.agents import AgentInfo

VERSION = version_of("egress-server")
_NAMESPACE = "default"
_API_SERVER_PORT = 443
_SIDECAR = Backoff(0.5, 4.0)
_log = structlog.get_logger(__name__)


async def run_agent(settings: AgentSettings) -> None:
    """Waits for the sidecar, then serves until cancelled. Nothing else ends it: if the sidecar or the server goes away,
    it waits for them."""
    admin = AdminPages(*split_address(settings.envoy_admin))
    api_server, node = await _wait_for_sidecar(settings, admin)
    _warn(settings, node, read_tables())
    resolver = Resolver({}, api_server=api_server)
    probe = Prober(
        resolver,
        PodDialer(own_ports(), settings.capture_port),
        EnvoySidecar(admin.get),
        version=VERSION,
    )
    info = agent_info(settings, node)
    agent = Agent(settings.server, settings.mesh, info, probe, Evaluator(resolver, admin.get))
    _log.info("agent_ready", server=settings.server, agent=info.agent, namespace=info.namespace, labels=info.labels)
    await supervise(Task.AGENT_STREAM, agent.run, agent=info.agent)


def agent_info(settings: AgentSettings, node: SidecarNode) -> AgentInfo:
    """The agent's identity: what was configured, else what the sidecar says."""
    return AgentInfo(
        agent=settings.name or node.pod or socket.gethostname(),
        cluster=settings.cluster,
        namespace=settings.namespace or node.namespace or _NAMESPACE,
        workload_cluster=settings.workload_cluster or node.cluster,
        version=VERSION,
        labels=dict(settings.labels or node.labels),
    )


async def _wait_for_sidecar(settings: AgentSettings, admin: AdminPages) -> tuple[Collection[str], SidecarNode]:
    """The addresses of the API server, and the sidecar once it is ready."""
    failures = 0
    while True:
        try:
            return await _api_server(settings.kubernetes_service_host), parse_node(await admin.get("/server_info"))
        except OSError as error:
            _log.warning("sidecar_not_ready", envoy_admin=settings.envoy_admin, error=str(error) or "timed out")
            failures += 1
            await asyncio.sleep(_SIDECAR.pause(failures))


async def _api_server(host: str) -> Collection[str]:
    return await system_lookup(host, _API_SERVER_PORT) if host else ()


def _warn(settings: AgentSettings, node: SidecarNode, tables: bytes) -> None:
    """Warns if probes would see less than applications do."""
    owner = listener(tables, settings.capture_port)
    if owner is None:
        _log.warning("no_capture_listener", port=settings.capture_port, effect="captured connections fail")
    elif owner == os.geteuid():
        _log.warning(
            "agent_has_sidecars_user",
            uid=owner,
            effect="iptables don't redirect the sidecar's user: every probe is BYPASSED",
        )
    if node.interception == "NONE":
        _log.warning("interception_off", effect="the sidecar's interception mode is NONE: every probe is BYPASSED")
