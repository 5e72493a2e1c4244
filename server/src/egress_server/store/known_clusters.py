"""A file with the clusters that an applier last knew: with it, an applier that starts while the store is unavailable
can still reach them. Credentials are sealed in the file as they are in the store.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
import structlog

from egress_server.domain.model.clusters import Cluster
from egress_server.durable import replace_file
from egress_server.ports.store import Replica
from egress_server.store.cluster_record import ClusterRecord, from_record, to_record

_log = structlog.get_logger(__name__)

FILE = "clusters.json"


class _Content(msgspec.Struct):
    mesh: str
    clusters: tuple[ClusterRecord, ...]
    format: int = 1


class KnownClusters:
    """The registered clusters of `mesh`, in a file of `folder` that only this user can read."""

    def __init__(self, folder: Path, mesh: str) -> None:
        self._path = folder / FILE
        self._mesh = mesh

    def read(self) -> Sequence[Cluster]:
        """What was written last; empty if there is no file or it can't be read."""
        try:
            content = msgspec.json.decode(self._path.read_bytes(), type=_Content)
        except FileNotFoundError:
            return ()
        except (OSError, msgspec.DecodeError) as error:
            _log.warning("known_clusters_unreadable", path=str(self._path), error=str(error))
            return ()
        return tuple(map(from_record, content.clusters)) if content.mesh == self._mesh else ()

    async def keep(self, replica: Replica) -> None:
        """Writes the file whenever a registration changes, until cancelled."""
        written: Sequence[Cluster] | None = None
        with replica.watch() as changes:
            while True:
                clusters = sorted(replica.snapshot.clusters(), key=lambda cluster: cluster.name)
                if clusters != written:
                    await asyncio.to_thread(self._write, clusters)
                    written = clusters
                await anext(changes)

    def _write(self, clusters: Sequence[Cluster]) -> None:
        """A failure is logged and stops nothing else."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            content = _Content(self._mesh, tuple(map(to_record, clusters)))
            replace_file(self._path, msgspec.json.encode(content))
        except OSError as error:
            _log.error("known_clusters_not_written", path=str(self._path), error=str(error))
