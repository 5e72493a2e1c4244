"""The contract as descriptors and comments, and the method of the SDK that each of its RPCs becomes."""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field

from google.api import annotations_pb2, field_behavior_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    MethodDescriptorProto,
)

MUTATION_OPTIONS = {"request_id", "etag", "create_only", "validate_only", "reason", "suppress_findings"}
MUTATION_REPLY = {"change", "findings", "plan"}
_PAGE_OPTIONS = ("filter", "order_by", "page_size")
_WIDTH = 112

_F = FieldDescriptorProto
SCALARS = {
    **dict.fromkeys((_F.TYPE_INT32, _F.TYPE_INT64, _F.TYPE_UINT32, _F.TYPE_UINT64), ("int", "0")),
    **dict.fromkeys((_F.TYPE_FLOAT, _F.TYPE_DOUBLE), ("float", "0.0")),
    _F.TYPE_STRING: ("str", '""'),
    _F.TYPE_BOOL: ("bool", "False"),
    _F.TYPE_BYTES: ("bytes", 'b""'),
}


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a method, and what it puts into the request."""

    name: str
    kind: str
    text: str
    default: str = ""
    keyword: bool = False
    value: str = ""  # empty: the argument belongs to the resource name, and has no field of its own

    def __str__(self) -> str:
        return f"{self.name}: {self.kind}" + (f" = {self.default}" if self.default else "")


@dataclass(slots=True)
class Contract:
    """The descriptors by name, with their comments."""

    files: list[FileDescriptorProto]
    messages: dict[str, DescriptorProto] = field(default_factory=dict)
    homes: dict[str, str] = field(default_factory=dict)  # full name of a message or enum: its Python module
    comments: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for file in self.files:
            texts = {tuple(one.path): one.leading_comments.strip() for one in file.source_code_info.location}
            module = file.name.removesuffix(".proto").replace("/", ".") + "_pb2"
            for number, message in enumerate(file.message_type):
                self._add(message, f".{file.package}", module, texts, (4, number))
            self.homes |= {f".{file.package}.{one.name}": module for one in file.enum_type}
            for number, service in enumerate(file.service):
                for index, rpc in enumerate(service.method):
                    self.comments[f".{file.package}.{service.name}.{rpc.name}"] = texts.get((6, number, 2, index), "")

    def _add(
        self,
        message: DescriptorProto,
        outer: str,
        module: str,
        texts: dict[tuple[int, ...], str],
        path: tuple[int, ...],
    ) -> None:
        name = f"{outer}.{message.name}"
        self.messages[name] = message
        self.homes[name] = module
        for number, one in enumerate(message.field):
            self.comments[f"{name}.{one.name}"] = texts.get((*path, 2, number), "")
        for number, nested in enumerate(message.nested_type):
            self._add(nested, name, module, texts, (*path, 3, number))
        self.homes |= {f"{name}.{kind.name}": module for kind in message.enum_type}

    def rpcs(self) -> Iterator[tuple[str, MethodDescriptorProto]]:
        """The RPCs with a REST route, each with the full name of its service."""
        for file in self.files:
            for service in file.service:
                for rpc in service.method:
                    if rpc.options.HasExtension(annotations_pb2.http):
                        yield f"{file.package}.{service.name}", rpc

    def python_name(self, full_name: str) -> str:
        """The name of a message or enum in its Python module, such as `Cluster.Status`."""
        package = next(f".{file.package}." for file in self.files if full_name.startswith(f".{file.package}."))
        return full_name.removeprefix(package)

    def is_map(self, one: FieldDescriptorProto) -> bool:
        """Whether a field is a map."""
        return one.type == _F.TYPE_MESSAGE and self.messages[one.type_name].options.map_entry


class Method:
    """One generated method. Raises ValueError if the RPC must be written by hand."""

    def __init__(self, contract: Contract, service: str, rpc: MethodDescriptorProto) -> None:
        if rpc.client_streaming or rpc.server_streaming:
            raise ValueError(f"{rpc.name} is a stream: write its method by hand in sdk/src/egress/_api")
        self._contract = contract
        self._request = contract.messages[rpc.input_type]
        self._reply = contract.messages[rpc.output_type]
        self._rpc = rpc
        self._fields = {one.name: one for one in self._request.field}
        self.imports: set[tuple[str, str]] = set()
        self.path = f"/{service}/{rpc.name}"
        self.name = snake_case(rpc.name)
        self.mutates = self._fields.keys() >= MUTATION_OPTIONS
        self.pages = "page_token" in self._fields
        self._summary = contract.comments[f".{service}.{rpc.name}"]
        self._name_value = ""
        self._arguments = [*self._of_name(), *self._of_fields(), *self._of_pages()]

    def _comment(self, message: str, field_name: str) -> str:
        text = self._contract.comments[f"{message}.{field_name}"]
        return " ".join(re.sub(r"^(Required|Optional)\. ", "", text).split())

    def _of_name(self) -> Iterator[Argument]:
        """The arguments that make up the resource name, all but the mesh, which is the client's.

        A name like `meshes/*/namespaces/*/faults/*` takes an ID and a namespace.
        """
        source = next((name for name in ("name", "parent") if name in self._fields), "")
        if not source:
            return
        match re.findall(r"(\w+)/\*", _pattern(self._rpc, source)):
            case ["meshes"]:
                self._name_value = f"{source}=names.mesh(self.mesh)"
            case ["meshes", "namespaces"]:
                self._name_value = f"{source}=names.namespace(self.mesh, namespace)"
                yield self._of_last("namespaces", source, keyword=True)
            case ["meshes", "namespaces", last]:
                parent = "names.namespace(self.mesh, namespace)"
                self._name_value = f'{source}=names.child({parent}, "{last}", {singular(last)})'
                yield self._of_last(last, source)
                text = "Namespace of an ID. Defaults to `default`."
                yield Argument("namespace", "str", text, '"default"', keyword=True)
            case ["meshes", last]:
                self._name_value = f'{source}=names.child(names.mesh(self.mesh), "{last}", {singular(last)})'
                yield self._of_last(last, source)
            case collections:
                raise ValueError(f"{self._rpc.name}: no method can be generated for names of {collections}")

    def _of_last(self, collection: str, source: str, *, keyword: bool = False) -> Argument:
        """The argument for the last collection of the resource name."""
        text = re.sub("^(Name of the|The) ", "", self._comment(self._rpc.input_type, source))
        kind, default = "str", ""
        if collection == "changes":
            self.imports.add((self._contract.homes[".egress.v1.Change"], "Change"))
            kind, text = "Change | int | str", f"Message, revision or full name of the {text}"
        else:
            text = f"ID or full name of the {text}"
        if "`-` for all" in text:
            default = '"-"'
        elif source == "name" and any(one.type_name == ".egress.v1.Scope" for one in self._reply.field):
            default, text = '"default"', f"{text} Defaults to the one for the whole mesh."
        return Argument(singular(collection), kind, text, default, keyword)

    def _of_fields(self) -> Iterator[Argument]:
        """The arguments of the fields that are neither names nor options: required and repeated ones by position."""
        skipped = {"name", "parent", "page_token", *_PAGE_OPTIONS} | (MUTATION_OPTIONS if self.mutates else set())
        for one in self._request.field:
            if one.name not in skipped:
                yield self._of_field(one)

    def _of_field(self, one: FieldDescriptorProto) -> Argument:
        required = field_behavior_pb2.REQUIRED in one.options.Extensions[field_behavior_pb2.field_behavior]
        text, value = self._comment(self._rpc.input_type, one.name), one.name
        repeated = one.label == _F.LABEL_REPEATED
        if self._contract.is_map(one):
            entry = self._contract.messages[one.type_name]
            kind, default = f"Mapping[{', '.join(self._kind(each) for each in entry.field)}] | None", "None"
        elif repeated:
            kind, default = f"Iterable[{self._kind(one)}]", "()"
        elif one.type == _F.TYPE_ENUM:
            kind, default = f"{self._kind(one)}.ValueType | str", "0"
            value = f"enum({self._kind(one)}, {one.name})"
            self.imports.add(("egress._api.fields", "enum"))
        elif one.type == _F.TYPE_MESSAGE or one.proto3_optional:
            kind, default = f"{self._kind(one)} | None", "None"
        else:
            kind, default = SCALARS[one.type]
        keyword = not required and not (repeated and not self._contract.is_map(one))
        if required:
            kind, default = kind.removesuffix(" | None"), ""
        return Argument(one.name, kind, text, default, keyword, value)

    def _kind(self, one: FieldDescriptorProto) -> str:
        return SCALARS[one.type][0] if one.type in SCALARS else self.type_of(one.type_name)

    def _of_pages(self) -> Iterator[Argument]:
        for name in _PAGE_OPTIONS if self.pages else ():
            kind, default = SCALARS[self._fields[name].type]
            text = self._comment(self._rpc.input_type, name).replace("items to return", "items per page")
            yield Argument(name, kind, text, default, keyword=True, value=name)

    def type_of(self, full_name: str) -> str:
        """The Python name of a message or enum, which is then imported."""
        name = self._contract.python_name(full_name)
        self.imports.add((self._contract.homes[full_name], name.split(".")[0]))
        return name

    def source(self, client: str) -> str:
        """The method's source for one client, `blocking` or `awaited`."""
        prefix = "Async" if client == "awaited" else ""
        reply, timeout = self.type_of(self._rpc.output_type), "timeout"
        result, verb = reply, "_send"
        if self.mutates:
            result, verb, timeout = f"{prefix}MutationResult[{reply}]", "_change", 'options.get("timeout")'
            self.imports.add(("egress._client.results", f"{prefix}MutationResult"))
        call = f'Call("{self.path}", request, {reply}, {timeout})'
        if self.pages:
            result, verb = f"{prefix}Pager[{self.type_of(self._items().type_name)}, {reply}]", "_list"
            self.imports |= {("egress._client.pagers", f"{prefix}Pager"), ("egress._client.calls", "ListCall")}
            call = f"ListCall({call}, lambda page: page.{self._items().name})"
        start, wait = ("async def", "await ") if prefix and not self.pages else ("def", "")
        body = [
            *self._docstring(),
            f"request = {self.type_of(self._rpc.input_type)}({', '.join(self._request_fields())})",
            f"return {wait}self.{verb}({call})",
        ]
        head = f"{start} {self.name}({', '.join(self._parameters())}) -> {result}:"
        return "\n".join([head, *(f"    {line}".rstrip() for line in body)])

    def _parameters(self) -> list[str]:
        by_position = [str(one) for one in self._arguments if not one.keyword]
        by_keyword = [str(one) for one in self._arguments if one.keyword]
        if self.mutates:
            last = ["**options: Unpack[MutationOptions]"]
            self.imports |= {("typing", "Unpack"), ("egress._api.fields", "MutationOptions")}
        else:
            by_keyword.append("timeout: float | None = None")
            last = []
        return ["self", *by_position, *(["*", *by_keyword] if by_keyword else []), *last]

    def _request_fields(self) -> Iterator[str]:
        if self._name_value:
            self.imports.add(("egress._api", "names"))
            yield self._name_value
        for one in self._arguments:
            if one.value:
                yield f"{one.name}={one.value}"
        if self.mutates:
            self.imports.add(("egress._api.fields", "mutation"))
            yield "**mutation(options)"

    def _items(self) -> FieldDescriptorProto:
        return next(one for one in self._reply.field if one.label == _F.LABEL_REPEATED)

    def _docstring(self) -> Iterator[str]:
        summary, _, rest = " ".join(self._summary.split()).partition(". ")
        yield from textwrap.wrap(f'"""{summary.removesuffix(".")}.', _WIDTH)
        if rest:
            yield from ("", *textwrap.wrap(rest, _WIDTH))
        yield from ("", "Args:")
        for one in self._arguments:
            yield from _item_text(one.name, one.text)
        if self.mutates:
            yield from _item_text("options", "See `MutationOptions`.")
        else:
            each = "each page" if self.pages else "the call"
            yield from _item_text("timeout", f"Seconds for {each}, retries included. Defaults to the client's timeout.")
        yield from self._returns()
        yield from ("", "Raises:")
        if "name" in self._fields:
            yield from _item_text("NotFound", "The resource does not exist.")
        if self.mutates:
            yield from _item_text("FailedPrecondition", "Lint errors or the state of the mesh block the change.")
        yield from _item_text("EgressError", "The call failed for another reason; the subclasses tell which.")
        yield '"""'

    def _returns(self) -> Iterator[str]:
        if self.pages:
            text = "A pager that iterates over the items of all pages."
            holder, known = "Each of its `pages`", {"next_page_token", self._items().name}
        elif self.mutates:
            text = "The result, with `change`, `findings` and `plan`. Its `wait` waits for the rollout."
            holder, known = "It", MUTATION_REPLY
        else:
            return
        yield from ("", "Returns:", f"    {text}")
        for one in self._reply.field:
            if one.name not in known:
                about = f"{holder} has `{one.name}`: {self._comment(self._rpc.output_type, one.name)}"
                yield from textwrap.wrap(about, _WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 4)


def _item_text(name: str, text: str) -> list[str]:
    return textwrap.wrap(f"{name}: {text}", _WIDTH, initial_indent="    ", subsequent_indent=" " * 8)


def _pattern(rpc: MethodDescriptorProto, source: str) -> str:
    rule = rpc.options.Extensions[annotations_pb2.http]
    path = rule.get or rule.post or rule.delete or rule.patch or rule.put
    found = re.search(rf"\{{{source}=([^}}]+)\}}", path)
    if not found:
        raise ValueError(f"{rpc.name}: its route does not have {source}")
    return found[1]


def snake_case(name: str) -> str:
    """`SetInterceptionCIDRs` as `set_interception_cidrs`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def singular(collection: str) -> str:
    """What one resource of a collection is called in Python: `policy` for `outboundPolicies`."""
    last = snake_case(collection).rpartition("_")[2]
    return f"{last[:-3]}y" if last.endswith("ies") else last.removesuffix("s")
