"""The agents of all processes over an external store."""

from contextlib import AsyncExitStack

from egress_server.agents.sessions.agent_router import AgentRouter
from egress_server.agents.sessions.sessions import Sessions
from egress_server.app.background import in_background
from egress_server.app.identity import MESH
from egress_server.app.storage import Storage
from egress_server.ports.clock import uuid_ids
from egress_server.store.opening import OpenStore, open_agent_bus


async def share(
    stack: AsyncExitStack, storage: Storage, opened: OpenStore, sessions: Sessions, process: str
) -> AgentRouter:
    """The agents of the others beside ours, `sessions`, which the others see from now on until the stack is left."""
    board = await storage.patiently(lambda: stack.enter_async_context(open_agent_bus(opened, MESH, process)))
    shared = AgentRouter(sessions, board, mesh=MESH, process=process, ids=uuid_ids)
    in_background(stack, shared.run(), "shared agents")
    return shared
