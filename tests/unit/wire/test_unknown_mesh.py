"""An unknown mesh is NOT_FOUND, whatever is asked of it."""

import pytest
from google.protobuf.message import Message

from egress_server.domain.model.errors import NotFound
from egress_server.pipeline.method import Method, StreamMethod
from egress_server.wire import METHODS, STREAMS
from tests.support.requests import requests
from tests.unit.commands.fakes import CALLER, World

ALL: dict[str, Method | StreamMethod] = {**METHODS, **STREAMS}


async def run(method: Method | StreamMethod, request: Message) -> None:
    """Runs a method to its end."""
    services, command = World.of().services, method.decode(request)
    if isinstance(method, Method):
        await method.run(services, CALLER, command)
    else:
        async for _ in method.run(services, CALLER, command):
            pass


@pytest.mark.parametrize("path", sorted(ALL))
async def test_unknown_mesh(path: str) -> None:
    """The request is right except for its mesh."""
    known = requests()[path]
    unknown = type(known).FromString(known.SerializeToString().replace(b"meshes/default", b"meshes/defaulx"))
    with pytest.raises(NotFound) as caught:
        await run(ALL[path], unknown)
    assert caught.value.reason == "MESH_NOT_FOUND"
    assert caught.value.metadata == {"mesh": "defaulx"}
