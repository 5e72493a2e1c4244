"""A fake server, so that the SDK and the CLI are tested over a real connection."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health, health_pb2_grpc
from grpc_status import rpc_status

from egress.v1 import change_service_pb2, egress_service_pb2, fleet_service_pb2

Answer = Message | Callable[[Message], Message]
Turn = Sequence[Message]

METHODS: list[MethodDescriptor] = [
    method
    for module in (egress_service_pb2, fleet_service_pb2, change_service_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]


class FakeServer:
    """Each method returns its answers in turn, then the last one; a Status is an error, no answer an empty reply."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.requests: list[tuple[str, Message]] = []
        self.arrived = threading.Semaphore(0)  # released once for each call of a stream
        self.peers: set[str] = set()
        self.metadata: dict[str, str] = {"egress-version": "9.9.9"}
        self._answers: dict[str, list[Answer]] = {}
        self._turns: dict[str, list[Turn]] = {}

    def answer(self, method: str, *answers: Answer) -> None:
        """Sets the answers of a method."""
        self._answers[method] = list(answers)

    def stream(self, method: str, *turns: Turn) -> None:
        """Sets what each of the next calls of a streaming method sends before it ends; later calls send nothing and
        do not end.
        """
        self._turns[method] = list(turns)

    def sent(self, method: str) -> list[Message]:
        """The requests that a method received."""
        return [request for name, request in self.requests if name == method]

    def handle(self, method: MethodDescriptor, request: Message, context: grpc.ServicerContext) -> Message:
        """Handles one call."""
        self.requests.append((method.name, request))
        self.peers.add(context.peer())
        now = {"egress-time": str(time.time_ns() // 1_000_000)}
        context.set_trailing_metadata(tuple((now | self.metadata).items()))
        answers = self._answers.get(method.name, [])
        answer: Answer | None = answers.pop(0) if len(answers) > 1 else next(iter(answers), None)
        if isinstance(answer, Status):
            context.abort_with_status(rpc_status.to_status(answer))
        if answer is None:
            return message_factory.GetMessageClass(method.output_type)()
        return answer(request) if callable(answer) else answer

    def handle_stream(
        self, method: MethodDescriptor, request: Message, context: grpc.ServicerContext
    ) -> Iterator[Message]:
        """Handles one call of a stream."""
        self.requests.append((method.name, request))
        self.arrived.release()
        turns = self._turns.get(method.name, [])
        if not turns:
            ended = threading.Event()
            context.add_callback(ended.set)
            ended.wait()
            return
        for message in turns.pop(0):
            if isinstance(message, Status):
                context.abort_with_status(rpc_status.to_status(message))
            yield message


def _handlers(fake: FakeServer, service: str) -> grpc.GenericRpcHandler:
    def handler(method: MethodDescriptor) -> "grpc.RpcMethodHandler[Message, Message]":
        streams = method.server_streaming
        make = grpc.unary_stream_rpc_method_handler if streams else grpc.unary_unary_rpc_method_handler
        handle = fake.handle_stream if streams else fake.handle
        return make(
            lambda request, context: handle(method, request, context),
            request_deserializer=message_factory.GetMessageClass(method.input_type).FromString,
            response_serializer=lambda reply: reply.SerializeToString(),
        )

    ours = {method.name: handler(method) for method in METHODS if method.containing_service.full_name == service}
    return grpc.method_handlers_generic_handler(service, ours)


@contextmanager
def fake_server(address: str = "127.0.0.1:0") -> Iterator[FakeServer]:
    """A running server: at a port of its own, or at `unix:PATH`."""
    server = grpc.server(ThreadPoolExecutor(max_workers=4), options=[("grpc.so_reuseport", 0)])
    port = server.add_insecure_port(address)
    fake = FakeServer(address if address.startswith("unix:") else f"127.0.0.1:{port}")
    for service in sorted({method.containing_service.full_name for method in METHODS}):
        server.add_generic_rpc_handlers((_handlers(fake, service),))
    checks = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    server.start()
    try:
        yield fake
    finally:
        server.stop(grace=None).wait()
