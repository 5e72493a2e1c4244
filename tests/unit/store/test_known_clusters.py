"""The file of an applier's last known registrations: as 0.1.0 wrote it, it is read, and still written the same way."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast

from egress_server.domain.model.clusters import Cluster, DirectoryTarget, KubernetesTarget, Orders
from egress_server.ports.store import Replica
from egress_server.store.known_clusters import FILE, KnownClusters
from tests.support.meshes import History

CLUSTERS = (
    Cluster("meshes/default/clusters/a", DirectoryTarget("a/b"), {"env": "prod"}),
    Cluster("meshes/default/clusters/b", KubernetesTarget("sealed"), orders=Orders(("Sidecar/a/b",))),
)
# Written by 0.1.0.
CONTENT = (
    b'{"mesh":"default","clusters":[{"name":"meshes/default/clusters/a","target":"directory","labels":{"env":"prod"},'
    b'"path":"a/b","service_cidrs":[],"draining":false,"kubernetes":null,"adopted":[],"approved":"","accepted":"",'
    b'"restart":null},{"name":"meshes/default/clusters/b","target":"kubernetes","labels":{},"path":"","service_cidrs":'
    b'[],"draining":false,"kubernetes":{"kubeconfig":"sealed","context":"","secret":"","in_cluster":false,'
    b'"istio_revision":"","root_namespace":"istio-system","mesh_policy":"BOTH"},"adopted":["Sidecar/a/b"],"approved":'
    b'"","accepted":"","restart":null}],"format":1}'
)


class _Unchanging:
    """A replica that never changes; `watched` is set when its watcher has caught up."""

    def __init__(self, history: History) -> None:
        self.snapshot = history.snapshot
        self.watched = asyncio.Event()

    @contextmanager
    def watch(self) -> Iterator[AsyncIterator[None]]:
        yield self._wakeups()

    async def _wakeups(self) -> AsyncIterator[None]:
        self.watched.set()
        await asyncio.Event().wait()
        yield


def test_a_file_of_an_earlier_release_is_read(tmp_path: Path) -> None:
    """If it is of the same mesh."""
    (tmp_path / FILE).write_bytes(CONTENT)
    assert KnownClusters(tmp_path, "default").read() == CLUSTERS
    assert KnownClusters(tmp_path, "other").read() == ()


def test_without_a_readable_file_no_cluster_is_known(tmp_path: Path) -> None:
    """Neither without a file nor with one that is damaged."""
    known = KnownClusters(tmp_path, "default")
    assert known.read() == ()
    (tmp_path / FILE).write_bytes(CONTENT[:-9])
    assert known.read() == ()


async def test_registrations_are_kept(tmp_path: Path) -> None:
    """In the order of their names, byte for byte as before."""
    replica = _Unchanging(History(*reversed(CLUSTERS)))
    task = asyncio.create_task(KnownClusters(tmp_path, "default").keep(cast("Replica", replica)))
    await asyncio.wait_for(replica.watched.wait(), 30)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert (tmp_path / FILE).read_bytes() == CONTENT
