"""A new RPC gets its method without any change of the SDK."""

import ast

import pytest
from google.api import annotations_pb2, field_behavior_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    MethodDescriptorProto,
    ServiceDescriptorProto,
)

from egress.v1 import change_pb2, common_pb2
from tools.gen_sdk import exported_messages, methods_module
from tools.sdk_method import Contract, Method, singular, snake_case
from tools.sdk_replies import ReplyFields

STRING = FieldDescriptorProto.TYPE_STRING
PAGING = {"page_size": FieldDescriptorProto.TYPE_INT32, "page_token": STRING, "filter": STRING, "order_by": STRING}
MUTATION = ("request_id", "etag", "create_only", "validate_only", "reason", "suppress_findings")


def message(name: str, *fields: FieldDescriptorProto) -> DescriptorProto:
    """A message with these fields."""
    for number, one in enumerate(fields, 1):
        one.number = number
    return DescriptorProto(name=name, field=fields)


def scalar(name: str, kind: FieldDescriptorProto.Type.ValueType = STRING, **more: object) -> FieldDescriptorProto:
    """A field of a scalar type."""
    return FieldDescriptorProto(name=name, type=kind, label=FieldDescriptorProto.LABEL_OPTIONAL, **more)  # type: ignore[arg-type]


def required(name: str) -> FieldDescriptorProto:
    """A required string."""
    one = scalar(name)
    one.options.Extensions[field_behavior_pb2.field_behavior].append(field_behavior_pb2.REQUIRED)
    return one


def repeated(name: str, message_name: str) -> FieldDescriptorProto:
    """A list of messages."""
    return FieldDescriptorProto(
        name=name,
        type=FieldDescriptorProto.TYPE_MESSAGE,
        type_name=f".egress.v1.{message_name}",
        label=FieldDescriptorProto.LABEL_REPEATED,
    )


def contract(request: DescriptorProto, reply: DescriptorProto, path: str, *, streams: bool = False) -> Contract:
    """A contract whose only RPC is DoWork, on Widgets."""
    rpc = MethodDescriptorProto(
        name="DoWork",
        input_type=f".egress.v1.{request.name}",
        output_type=f".egress.v1.{reply.name}",
        server_streaming=streams,
    )
    rpc.options.Extensions[annotations_pb2.http].get = path
    file = FileDescriptorProto(
        name="egress/v1/work.proto",
        package="egress.v1",
        message_type=[request, reply, message("Widget", scalar("name"))],
        service=[ServiceDescriptorProto(name="WorkService", method=[rpc])],
    )
    file.source_code_info.location.add(path=(6, 0, 2, 0), leading_comments=" Does the work.\n")
    file.source_code_info.location.add(
        path=(4, 0, 2, 0), leading_comments=" Required. Name of the widget: `meshes/{mesh}/widgets/{id}`.\n"
    )
    others = [FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb) for module in (change_pb2, common_pb2)]
    return Contract([file, *others])


def signature(source: str) -> str:
    """The first line of the only method of a module, without its body."""
    (kind,) = (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
    (method,) = (node for node in kind.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    method.body = [ast.Expr(ast.Constant(...))]
    return ast.unparse(method).splitlines()[0]


def test_a_read() -> None:
    """A read takes the ID of the resource; its other fields are arguments, with the contract's comments."""
    found = contract(
        message("DoWorkRequest", required("name"), required("object"), scalar("deep", FieldDescriptorProto.TYPE_BOOL)),
        message("Work", scalar("text")),
        "/v1/{name=meshes/*/widgets/*}:work",
    )
    source = methods_module(found, set(), "blocking")
    expected = "(self, widget: str, object: str, *, deep: bool=False, timeout: float | None=None) -> Work:"
    assert signature(source) == f"def do_work{expected}"
    assert signature(methods_module(found, set(), "awaited")) == f"async def do_work{expected}"
    assert '"""Does the work.' in source
    assert "widget: ID or full name of the widget: `meshes/{mesh}/widgets/{id}`." in source
    assert (
        'DoWorkRequest(name=names.child(names.mesh(self.mesh), "widgets", widget), object=object, deep=deep)' in source
    )
    assert exported_messages(found) == {"Work": "egress.v1.work_pb2"}


def test_a_list() -> None:
    """A list returns a pager over the items of its first repeated field."""
    found = contract(
        message("DoWorkRequest", required("parent"), *(scalar(name, kind) for name, kind in PAGING.items())),
        message("DoWorkResponse", repeated("widgets", "Widget"), scalar("next_page_token")),
        "/v1/{parent=meshes/*/namespaces/*}/widgets",
    )
    source = methods_module(found, set(), "awaited")
    assert signature(source).startswith("def do_work(self, *, namespace: str, filter: str=")
    assert signature(source).endswith("-> AsyncPager[Widget, DoWorkResponse]:")
    assert "lambda page: page.widgets" in source
    assert set(exported_messages(found)) == {"Widget"}


def test_a_mutation() -> None:
    """A mutation takes the options of every mutation and returns a result to wait for."""
    found = contract(
        message("DoWorkRequest", required("name"), *map(scalar, MUTATION)),
        message("DoWorkResponse", repeated("widgets", "Widget")),
        "/v1/{name=meshes/*/namespaces/*/widgets/*}",
    )
    assert signature(methods_module(found, set(), "blocking")) == (
        "def do_work(self, widget: str, *, namespace: str='default', **options: Unpack[MutationOptions])"
        " -> MutationResult[DoWorkResponse]:"
    )


def test_the_fields_of_a_result() -> None:
    """Results have the fields of the replies of mutations, each typed for the replies that have it."""
    found = contract(
        message("DoWorkRequest", required("name"), *map(scalar, MUTATION)),
        message("DoWorkResponse", repeated("widgets", "Widget"), scalar("work_id")),
        "/v1/{name=meshes/*/widgets/*}",
    )
    source = ReplyFields(found).source()
    ast.parse(source)
    assert 'def widgets(self: "ReplyFields[_WidgetsReply]") -> RepeatedCompositeFieldContainer[Widget]:' in source
    assert "class _WorkIdReply(MutationReply, Protocol):" in source
    (service,) = found.files[0].service
    service.method.add().CopyFrom(service.method[0])
    service.method[1].output_type = ".egress.v1.Widget"
    found.messages[".egress.v1.Widget"].field[0].name = "widgets"
    found.comments[".egress.v1.Widget.widgets"] = ""
    with pytest.raises(ValueError, match="has another type"):
        ReplyFields(found)


def test_arguments_of_other_types() -> None:
    """Messages, enums, lists and maps are arguments too; an enum is also accepted by its name."""
    kind = FieldDescriptorProto(
        name="mode", type=FieldDescriptorProto.TYPE_ENUM, type_name=".egress.v1.Finding.Severity"
    )
    plan = FieldDescriptorProto(name="plan", type=FieldDescriptorProto.TYPE_MESSAGE, type_name=".egress.v1.Plan")
    labels = repeated("labels", "Scope.MatchLabelsEntry")
    found = contract(
        message("DoWorkRequest", required("name"), repeated("widgets", "Widget"), kind, plan, labels),
        message("Work", scalar("text")),
        "/v1/{name=meshes/*}",
    )
    source = methods_module(found, set(), "blocking")
    assert signature(source) == (
        "def do_work(self, widgets: Iterable[Widget]=(), *, mode: Finding.Severity.ValueType | str=0, "
        "plan: Plan | None=None, labels: Mapping[str, str] | None=None, timeout: float | None=None) -> Work:"
    )
    assert "mode=enum(Finding.Severity, mode)" in source


def test_a_method_written_by_hand_is_not_generated() -> None:
    """What `_api` defines replaces what would be generated."""
    found = contract(message("DoWorkRequest"), message("Work"), "/v1/work")
    assert "do_work" in methods_module(found, set(), "blocking")
    assert "do_work" not in methods_module(found, {"do_work"}, "blocking")


def test_what_cannot_be_generated_is_an_error() -> None:
    """A stream, and a name of an unknown form, must be written by hand: that is an error."""
    request, reply = message("DoWorkRequest", required("name")), message("Work")
    for found, error in (
        (contract(request, reply, "/v1/{name=meshes/*}", streams=True), "DoWork is a stream"),
        (contract(request, reply, "/v1/{name=a/*/b/*/c/*/d/*}"), "names of"),
        (contract(request, reply, "/v1/work"), "its route does not have name"),
    ):
        ((service, rpc),) = found.rpcs()
        with pytest.raises(ValueError, match=error):
            Method(found, service, rpc)


def test_names() -> None:
    """Names of RPCs and collections as Python spells them."""
    assert snake_case("SetInterceptionCIDRs") == "set_interception_cidrs"
    assert [singular(name) for name in ("outboundPolicies", "serviceEntries", "faults")] == ["policy", "entry", "fault"]
