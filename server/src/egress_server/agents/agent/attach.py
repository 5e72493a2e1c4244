"""The agent's stream: attaches to the server from inside a workload, and makes the connections it is asked for.

The agent opens the stream, so a workload needs no open port, and attaches again whenever the stream breaks.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import grpc
import structlog
from google.protobuf.message import Message

from egress.v1 import agent_service_pb2 as pb
from egress_server.agents.grpc_options import AGENT_OPTIONS, ATTACH_PATH
from egress_server.aio.backoff import Backoff
from egress_server.aio.waiting import scoped
from egress_server.contract.agent import command_to_domain, hello_to_proto, result_to_proto
from egress_server.contract.live import report_to_proto
from egress_server.domain.live.decision import LiveReport, no_report
from egress_server.domain.probe.evidence import Attempt, Evidence
from egress_server.ports.agents import AgentInfo

_log = structlog.get_logger(__name__)

_BACKOFF = Backoff(0.1, 5.0)
"""Between attempts to attach. Jitter keeps a fleet of agents from returning at the same moment."""
_STREAM_END_SECONDS = 1.0
"""How long the end of a stream may take to arrive after a write to it has failed."""

_Call: TypeAlias = "grpc.aio.StreamStreamCall[Message, pb.AttachResponse]"


class Agent:
    """One agent. `target` is the server's gRPC address, HOST:PORT or unix:PATH; `probe` makes an attempt, `evaluate`
    reads from the sidecar's configuration what it would do with one."""

    def __init__(
        self,
        target: str,
        mesh: str,
        info: AgentInfo,
        probe: Callable[[Attempt], Awaitable[Evidence]],
        evaluate: Callable[[Attempt], Awaitable[LiveReport]],
    ) -> None:
        self._target = target
        self._hello = hello_to_proto(mesh, info)
        self._probe = probe
        self._evaluate = evaluate
        self._log = _log.bind(agent=info.agent, cluster=info.cluster)

    async def run(self) -> None:
        """Serves until cancelled."""
        async with grpc.aio.insecure_channel(self._target, options=AGENT_OPTIONS) as channel:
            attach = channel.stream_stream(
                ATTACH_PATH,
                request_serializer=pb.AttachRequest.SerializeToString,
                response_deserializer=pb.AttachResponse.FromString,
            )
            failures = 0
            while True:
                failures = 1 if await self._serve(attach()) else failures + 1
                await asyncio.sleep(_BACKOFF.pause(failures))

    async def _serve(self, call: _Call) -> bool:
        """Serves one stream to its end; returns whether the server ever accepted it."""
        commands: asyncio.Queue[pb.AttachResponse] = asyncio.Queue()
        try:
            async with (
                scoped(self._answer(call, commands)) as (worker,),
                scoped(self._read(call, commands)) as (reader,),
            ):
                await asyncio.wait((worker, reader), return_when=asyncio.FIRST_COMPLETED)
                if not reader.done():
                    await asyncio.wait((reader,), timeout=_STREAM_END_SECONDS)
                if not reader.done():
                    worker.result()
                return await reader
        finally:
            call.cancel()

    async def _read(self, call: _Call, commands: asyncio.Queue[pb.AttachResponse]) -> bool:
        """Receives commands until the stream ends; returns whether the server ever accepted the agent."""
        welcomed = False
        try:
            await call.write(pb.AttachRequest(hello=self._hello))
            async for message in call:
                if message.HasField("attempt") or message.HasField("evaluate"):
                    commands.put_nowait(message)
                elif message.HasField("welcome"):
                    welcomed = True
                    self._log.info("agent_attached", server_version=message.welcome.version)
            self._log.info("agent_detached", code=(await call.code()).name, details=await call.details())
        except grpc.aio.AioRpcError as error:
            self._log.warning("agent_stream_failed", code=error.code().name, details=error.details())
        return welcomed

    async def _answer(self, call: _Call, commands: asyncio.Queue[pb.AttachResponse]) -> None:
        """Executes the commands in turn. Ends with the stream."""
        while True:
            message = await commands.get()
            if message.HasField("evaluate"):
                report = report_to_proto(await self._report(message.evaluate))
                result = pb.EvaluationResult(id=message.evaluate.id, evaluation=report)
                await call.write(pb.AttachRequest(evaluation=result))
            else:
                evidence = await self._evidence(message.attempt)
                await call.write(pb.AttachRequest(result=result_to_proto(message.attempt.id, evidence)))

    async def _evidence(self, command: pb.AttemptCommand) -> Evidence:
        try:
            return await self._probe(command_to_domain(command))
        except ValueError as error:
            return Evidence(captured=False, refused="COMMAND_INVALID", refused_message=str(error))
        except Exception:  # noqa: BLE001 # a bug must not break the stream
            self._log.exception("attempt_failed", url=command.url)
        return Evidence(
            captured=False, refused="AGENT_ERROR", refused_message="internal error in the agent; see its log"
        )

    async def _report(self, command: pb.AttemptCommand) -> LiveReport:
        try:
            return await self._evaluate(command_to_domain(command))
        except ValueError as error:
            return no_report("COMMAND_INVALID", str(error))
        except Exception:  # noqa: BLE001 # a bug must not break the stream
            self._log.exception("evaluation_failed", url=command.url)
        return no_report("AGENT_ERROR", "internal error in the agent; see its log")
