"""The two doors to the API of one process, gRPC and REST, over one pipeline."""

import asyncio
from dataclasses import dataclass
from importlib.resources import files

from egress_server.agents.sessions.sessions import Sessions
from egress_server.api.attach import attach_handler
from egress_server.api.server import Server
from egress_server.app.gauges import exposition
from egress_server.app.identity import MESH, VERSION
from egress_server.app.storage import Storage
from egress_server.app.web import WebServer
from egress_server.auth.local import LocalUser
from egress_server.commands.services import Services
from egress_server.config import DoorSettings
from egress_server.gateway.app import build_app
from egress_server.pipeline.pipeline import Pipeline
from egress_server.wire import METHODS, STREAMS


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running server listens."""

    grpc: str
    http: str


class ApiServers:
    """Both doors, between `open` and `drain` or `close`. `sessions` are the agents that come by gRPC."""

    def __init__(self, settings: DoorSettings, services: Services, sessions: Sessions) -> None:
        self.services = services
        self._settings = settings
        self._sessions = sessions
        user = LocalUser()
        self._pipeline = Pipeline(services, user, user)
        attach = attach_handler(self._pipeline, sessions)
        self._grpc = Server(self._pipeline, METHODS, STREAMS, attach, VERSION, end_streams=sessions.close)

    async def open(self, web: WebServer, storage: Storage) -> Addresses:
        """Serves by gRPC at an address of its own, and by `web`, which listens already. Raises OSError where that is
        not to be had."""
        grpc = self._grpc.listen(self._settings.grpc_address)
        await self._grpc.start()
        web.app = build_app(
            self._pipeline,
            {**METHODS, **STREAMS},
            descriptor_set=files("egress_server.wire").joinpath("descriptors.binpb").read_bytes(),
            readiness=storage.readiness,
            metrics=lambda: exposition(MESH, self.services.replica(MESH), self._sessions),
            version=VERSION,
            cors_origins=self._settings.cors_origins,
        )
        return Addresses(grpc, web.address)

    async def close(self) -> None:
        """Ends gRPC; those calls under way get `drain_seconds`."""
        await self._grpc.stop(self._settings.drain_seconds)

    async def drain(self, web: WebServer) -> None:
        """No new calls by either; those under way get `drain_seconds`."""
        self.services.end_streams()
        await asyncio.gather(web.stop(), self.close())
