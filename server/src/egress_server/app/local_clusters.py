"""Local clusters: an Envoy and an agent for each, for as long as this process runs and the cluster is registered."""

import asyncio
from functools import partial

from egress_server.agents.agent.attach import Agent
from egress_server.agents.agent.dialer import LocalDialer
from egress_server.agents.agent.evaluator import Evaluator
from egress_server.agents.agent.prober import Prober
from egress_server.agents.agent.resolver import Resolver
from egress_server.agents.sidecar.envoy_admin import EnvoySidecar
from egress_server.aio.supervisor import Background
from egress_server.aio.tasks import Task
from egress_server.config import RunSettings
from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.names import parse_name
from egress_server.domain.probe.evidence import Destination
from egress_server.ports.agents import AgentInfo
from egress_server.targets.local.dial import open_connection
from egress_server.targets.local.target import LABELS, LocalEnvoyTarget

NAMESPACE = "default"
_SCHEMES = {80: "http", 443: "https"}


class LocalClusters:
    """Opens local clusters for the applier, each once, and stops them all on shutdown. Their agents run between
    `attach` and `detach`."""

    def __init__(self, settings: RunSettings, version: str) -> None:
        self._settings = settings
        self._version = version
        self._grpc_address: str | None = None
        self._running: dict[str, tuple[Cluster, LocalEnvoyTarget]] = {}
        self._agents: dict[str, Background] = {}

    @property
    def known_destinations(self) -> tuple[Destination, ...]:
        """The destinations of `--resolve` that a probe can dial."""
        return tuple(
            Destination(_SCHEMES[resolve.port], resolve.host, resolve.port)
            for resolve in self._settings.resolve
            if resolve.port in _SCHEMES
        )

    async def open(self, cluster: Cluster) -> LocalEnvoyTarget:
        """The cluster's target, with Envoy running, and its agent attaching if there is a server for it.

        Raises PermanentError if Envoy does not start.
        """
        if running := self._running.get(cluster.id):
            return running[1]
        target = LocalEnvoyTarget(
            self._settings.data_dir / "clusters" / cluster.id,
            name=cluster.id,
            namespace=NAMESPACE,
            resolve=self._settings.resolve,
        )
        await target.start()
        self._running[cluster.id] = cluster, target
        self._start_agents()
        return target

    async def forget(self, cluster_id: str) -> None:
        """Stops the cluster's agent and Envoy; its folder stays. Harmless if it does not run."""
        if running := self._running.pop(cluster_id, None):
            if agent := self._agents.pop(cluster_id, None):
                await agent.close()
            await running[1].stop()

    def attach(self, grpc_address: str) -> None:
        """Starts the agents, now that a server listens at `grpc_address`."""
        self._grpc_address = grpc_address
        self._start_agents()

    async def detach(self) -> None:
        """Stops the agents before their server stops."""
        self._grpc_address = None
        agents, self._agents = self._agents, {}
        await asyncio.gather(*(agent.close() for agent in agents.values()))

    async def stop(self) -> None:
        """Stops them all."""
        await asyncio.gather(*map(self.forget, list(self._running)))

    def _start_agents(self) -> None:
        if self._grpc_address is None:
            return
        for id_, (cluster, target) in self._running.items():
            if id_ not in self._agents:
                agent = self._agent(self._grpc_address, cluster, target)
                self._agents[id_] = Background()
                self._agents[id_].start(Task.AGENT_STREAM, agent.run, cluster=id_)

    def _agent(self, grpc_address: str, cluster: Cluster, target: LocalEnvoyTarget) -> Agent:
        pinned = {(r.host, r.port): (r.address, r.port2) for r in self._settings.resolve}
        resolver = Resolver(pinned)
        make = Prober(
            resolver,
            LocalDialer(partial(open_connection, target.envoy.address), lambda: target.interception),
            EnvoySidecar(target.envoy.admin.get),
            version=self._version,
        )
        info = AgentInfo(
            agent=f"{cluster.id}-0",
            cluster=cluster.id,
            namespace=NAMESPACE,
            workload_cluster="",
            version=self._version,
            labels=dict(LABELS),
        )
        evaluate = Evaluator(resolver, target.envoy.admin.get)
        return Agent(grpc_address, parse_name(cluster.name).mesh, info, make, evaluate)
