"""Generates the SDK's methods and exports from the descriptors. Called by tools/gen.py.

Each RPC that has a REST route becomes a method of both clients, unless `sdk/src/egress/_api` defines a method of its
name: what is written by hand there replaces what would be generated. The proto's comments become docstrings.

    python -m tools.gen_sdk DESCRIPTORS OUT
"""

import ast
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorSet

from tools.sdk_method import Contract, Method, snake_case
from tools.sdk_replies import ReplyFields

ROOT = Path(__file__).resolve().parent.parent
SDK = Path("sdk/src/egress")
METHODS = SDK / "_api" / "generated"
EXPORTS = SDK / "_exports.py"
REPLIES = SDK / "_client" / "reply_fields.py"
BY_HAND = ("_api", "_client")

_HEADER = '"""{}\n\nGenerated from proto/egress/v1 by `make gen`. Never edited.\n"""\n\n'


def written_by_hand(root: Path) -> set[str]:
    """The names of the methods in `_api` that are written by hand."""
    return {
        item.name
        for path in (root / SDK / "_api").glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
        for item in node.body
        if isinstance(item, ast.FunctionDef)
    }


def exported_by_hand(root: Path) -> dict[str, str]:
    """The public names of the modules that are written by hand, which list them in `__all__`: the module of each."""
    found: dict[str, str] = {}
    for path in sorted(path for folder in BY_HAND for path in (root / SDK / folder).glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                module = ".".join(path.relative_to(root / SDK.parent).with_suffix("").parts)
                found |= dict.fromkeys(ast.literal_eval(node.value), module)
    return found


def exported_messages(contract: Contract) -> dict[str, str]:
    """The messages that callers of the clients meet: all but requests, and replies that pagers and results wrap."""
    seen: set[str] = set()
    pending = [each for _, rpc in contract.rpcs() for each in (rpc.input_type, rpc.output_type)]
    while pending:
        if (name := pending.pop()) not in seen:
            seen.add(name)
            pending += [
                one.type_name for one in contract.messages[name].field if one.type == FieldDescriptorProto.TYPE_MESSAGE
            ]
    wrapped = {
        rpc.output_type
        for _, rpc in contract.rpcs()
        if {one.name for one in contract.messages[rpc.input_type].field} & {"page_token", "validate_only"}
    }
    return {
        contract.python_name(name): contract.homes[name]
        for name in seen - wrapped
        if name.startswith(".egress.") and not name.endswith("Request") and "." not in contract.python_name(name)
    }


def methods(contract: Contract, by_hand: set[str]) -> Iterator[Method]:
    """The methods to generate."""
    for service, rpc in contract.rpcs():
        if snake_case(rpc.name) not in by_hand:
            yield Method(contract, service, rpc)


def methods_module(contract: Contract, by_hand: set[str], client: str) -> str:
    """The source of the generated methods of one client."""
    sender = {"blocking": "BlockingSender", "awaited": "AsyncSender"}[client]
    imports = {("egress._client.calls", "Call"), ("egress._client.calls", sender)}
    imports |= {("collections.abc", "Iterable"), ("collections.abc", "Mapping")}
    bodies = []
    for method in methods(contract, by_hand):
        bodies.append(textwrap.indent(method.source(client), "    "))
        imports |= method.imports
    head = f'class {client.capitalize()}Methods({sender}):\n    """The generated methods."""\n'
    text = "\n\n".join([head, *bodies])
    lines = [f"from {home} import {name}" for home, name in sorted(imports) if re.search(rf"\b{name}\b", text)]
    kind = "AsyncEgressClient" if client == "awaited" else "EgressClient"
    about = _HEADER.format(f"The methods of {kind} that follow from the contract.")
    return about + "\n".join(lines) + f"\n\n\n{text}\n"


def replies_module(contract: Contract) -> str:
    """The source of the fields that the results of mutations have."""
    fields = ReplyFields(contract)
    lines = "\n".join(f"from {home} import {name}" for home, name in sorted(fields.imports))
    return f"{_HEADER.format('The fields of the replies of mutations.')}{lines}\n\n\n{fields.source()}\n"


def exports_module(exports: dict[str, str]) -> str:
    """The source of the module that says where each public name of `egress` is defined."""
    names = sorted(exports)
    imports = "\n".join(f"    from {exports[name]} import {name} as {name}" for name in names)
    homes = "\n".join(f'    "{name}": "{exports[name]}",' for name in names)
    head = _HEADER.format("The module of each public name of `egress`. Names are loaded when they are first used.")
    return f"{head}from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n{imports}\n\nMODULES = {{\n{homes}\n}}\n"


def generate(descriptors: Path, out: Path) -> None:
    """Writes the generated files of the SDK below `out`, with the layout of the repository."""
    contract = Contract(list(FileDescriptorSet.FromString(descriptors.read_bytes()).file))
    by_hand = written_by_hand(ROOT)
    folder = out / METHODS
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text('"""Methods that `make gen` generates. Never edited."""\n')
    for client in ("blocking", "awaited"):
        (folder / f"{client}.py").write_text(methods_module(contract, by_hand, client))
    (out / REPLIES).parent.mkdir()
    (out / REPLIES).write_text(replies_module(contract))
    exports = exported_messages(contract) | exported_by_hand(ROOT)
    (out / EXPORTS).write_text(exports_module(exports))
    ruff = Path(sys.executable).parent / "ruff"
    files = [*folder.glob("*.py"), out / EXPORTS, out / REPLIES]
    config = f"--config={ROOT / 'pyproject.toml'}"
    subprocess.run([ruff, "check", "-q", "--fix", "--select=I", config, *files], check=True, cwd=ROOT)
    subprocess.run([ruff, "format", "-q", config, *files], check=True, cwd=ROOT)


if __name__ == "__main__":
    generate(Path(sys.argv[1]), Path(sys.argv[2]))
