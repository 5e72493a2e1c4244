"""The method table: every RPC of the contract, joined with its handler.

Path, types, permission, and whether an RPC mutates or streams are read from the descriptors. An RPC without permission
or handler, or a handler without RPC, fails the import, and so the start of the server.
"""

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from itertools import chain
from pkgutil import iter_modules
from typing import Any

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass

import egress.v1
from egress.v1 import options_pb2
from egress_server import wire
from egress_server.pipeline.method import Method, StreamMethod
from egress_server.wire.grammar.handlers import Handler, Handlers, StreamHandler
from egress_server.wire.grammar.options import has_mutation_options


class Table:
    """The methods of some services, by path."""

    def __init__(self, services: Iterable[ServiceDescriptor], handlers: Iterable[Handlers]) -> None:
        """Raises ValueError, naming all RPCs whose permission, handler or mutation options are missing or wrong."""
        self.methods: dict[str, Method] = {}
        self.streams: dict[str, StreamMethod] = {}
        self._handlers: dict[str, Handler | StreamHandler] = {}
        self._problems: list[str] = []
        for name, handler in chain.from_iterable(each.items() for each in handlers):
            if name in self._handlers:
                self._problems.append(f"{name} has two handlers")
            self._handlers[name] = handler
        # Streams of requests have a handler of their own, in the transport.
        for rpc in chain.from_iterable(service.methods for service in services):
            if permission(rpc) and not rpc.client_streaming:
                self._add(rpc)
            elif not permission(rpc):
                self._problems.append(f"{rpc.full_name} has no egress.v1.permission")
        self._problems += [f"handler {name} has no RPC" for name in self._handlers]
        if self._problems:
            raise ValueError("; ".join(self._problems))

    def _add(self, rpc: MethodDescriptor) -> None:
        handler = self._handlers.pop(rpc.name, None)
        path = path_of(rpc)
        types = GetMessageClass(rpc.input_type), GetMessageClass(rpc.output_type)
        try:
            mutates = has_mutation_options(rpc.input_type)
        except ValueError as error:
            self._problems.append(f"{rpc.full_name}: {error}")
            return
        if isinstance(handler, StreamHandler) and rpc.server_streaming:
            self.streams[path] = StreamMethod(
                rpc, path, *types, permission(rpc), handler.decode, handler.command, handler.encode
            )
        elif isinstance(handler, Handler) and not rpc.server_streaming:
            batched = mutates and not handler.waits
            self.methods[path] = Method(
                rpc,
                path,
                *types,
                permission(rpc),
                handler.decode,
                handler.command,
                handler.encode,
                mutates,
                batched,
                "next_page_token" in rpc.output_type.fields_by_name,
            )
        else:
            kind = "stream handler" if rpc.server_streaming else "handler"
            self._problems.append(f"{rpc.full_name} has no {kind}")


def contract_services() -> Iterator[ServiceDescriptor]:
    """All services of the contract, from the generated modules."""
    for module in iter_modules(egress.v1.__path__, f"{egress.v1.__name__}."):
        if module.name.endswith("_pb2"):
            yield from import_module(module.name).DESCRIPTOR.services_by_name.values()


def registered_handlers() -> Iterator[Handlers]:
    """The HANDLERS of all modules of `wire`, which are one per resource."""
    for module in iter_modules(wire.__path__, f"{wire.__name__}."):
        if not module.ispkg and module.name != __name__:
            yield import_module(module.name).HANDLERS


def path_of(rpc: MethodDescriptor) -> str:
    """The path of an RPC, such as `/egress.v1.FleetService/GetMesh`."""
    return f"/{rpc.containing_service.full_name}/{rpc.name}"


def permission(rpc: MethodDescriptor) -> str:
    """The permission that an RPC requires; empty if the contract does not have one."""
    options: Any = rpc.GetOptions()
    return str(options.Extensions[options_pb2.permission])


_TABLE = Table(contract_services(), registered_handlers())
METHODS: Mapping[str, Method] = _TABLE.methods
STREAMS: Mapping[str, StreamMethod] = _TABLE.streams
