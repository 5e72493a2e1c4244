"""The public names and methods, which cover the whole API."""

import inspect
import pydoc
import re
import subprocess
import sys

import pytest

import egress
from egress._client import errors as errors_module
from tests.unit.sdk.fake_server import METHODS


def public_methods(client: type) -> set[str]:
    """The public attributes of a client class."""
    return {name for name in dir(client) if not name.startswith("_")}


def rpc_methods() -> set[str]:
    """The RPC names in snake case."""
    return {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", method.name).lower() for method in METHODS}


def test_every_exported_name_can_be_imported() -> None:
    """Each name is loaded from its module, and any other name is an AttributeError."""
    assert set(egress.__all__) <= set(dir(egress))
    for name in egress.__all__:
        assert getattr(egress, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = egress.nonsense


def test_what_the_methods_return_is_exported() -> None:
    """Clients, options, results, pagers, watches and errors are exported, and so is every message that they return."""
    by_hand = {"MutationOptions", "Violation", "__version__"}
    by_hand |= {
        f"{kind}{name}" for kind in ("", "Async") for name in ("EgressClient", "MutationResult", "Pager", "Watch")
    }
    errors = {
        name for name, value in vars(errors_module).items() if inspect.isclass(value) and issubclass(value, Exception)
    }
    messages = {name for name in egress.__all__ if hasattr(getattr(egress, name), "DESCRIPTOR")}
    assert set(egress.__all__) - messages == by_hand | errors
    for method in METHODS:
        fields = set(method.output_type.fields_by_name)
        if "next_page_token" not in fields and not fields >= {"change", "findings", "plan"}:
            assert method.output_type.name in messages, method.name
        for field in method.output_type.fields:
            if field.message_type and field.message_type.file.package == "egress.v1":
                assert field.message_type.full_name.split(".")[2] in messages | {method.output_type.name}, (
                    field.full_name
                )


def test_results_in_help() -> None:
    """No method's signature shows an internal type as its result, on the class and on a client of either kind."""
    for kind, prefix in ((egress.EgressClient, ""), (egress.AsyncEgressClient, "Async")):
        for name in public_methods(kind) - {"close"}:
            assert "Call" not in str(inspect.signature(getattr(kind, name)).return_annotation), name
        expected = f"{prefix}MutationResult[egress.v1.egress_service_pb2.InjectFaultResponse]"
        assert str(inspect.signature(kind.inject_fault).return_annotation).endswith(expected)
        assert inspect.signature(kind.probe).return_annotation is egress.ProbeResponse
    bound = inspect.signature(egress.EgressClient("unix:none").probe)
    assert next(iter(bound.parameters)) == "url"
    assert bound.return_annotation is egress.ProbeResponse


def test_importing_egress_is_cheap() -> None:
    """Importing egress imports neither gRPC nor protobuf; the generated code can be used without the client."""
    program = (
        "import sys, egress, egress.v1.change_pb2;"
        "print([m for m in ('grpc', 'typer', 'rich', 'yaml') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_the_client_alone_needs_no_cli_extra() -> None:
    """Using the client imports nothing that only the extra `cli` installs."""
    program = (
        "import sys, egress; egress.EgressClient;print([m for m in ('typer', 'rich', 'yaml') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_every_rpc_has_a_method() -> None:
    """The client's methods are the RPCs of the services, streams included, by their names; and close and fault."""
    assert public_methods(egress.EgressClient) == rpc_methods() | {"close", "fault"}


def test_both_clients_have_the_same_methods() -> None:
    """Each method has the same parameters on both clients."""
    names = public_methods(egress.EgressClient)
    assert names == public_methods(egress.AsyncEgressClient)
    for name in names - {"close"}:
        blocking, awaited = getattr(egress.EgressClient, name), getattr(egress.AsyncEgressClient, name)
        assert list(inspect.signature(blocking).parameters.values()) == list(
            inspect.signature(awaited).parameters.values()
        )


def test_generated_help() -> None:
    """A generated method shows the contract's comments, its arguments and a result without internal types."""
    method = egress.EgressClient.get_service_entry
    text = pydoc.plain(pydoc.render_doc(method))
    assert str(inspect.signature(method)) == (
        "(self, entry: str, *, namespace: str = 'default', timeout: float | None = None)"
        " -> egress.v1.service_entry_pb2.ServiceEntry"
    )
    for line in ("Returns a service entry.", "ID or full name of the entry", "NotFound: The resource does not exist."):
        assert line in text


def test_every_method_says_what_it_does() -> None:
    """Each method has a docstring."""
    assert all(getattr(egress.EgressClient, name).__doc__ for name in public_methods(egress.EgressClient))
