"""The page of the SDK's methods."""

import inspect

from egress import EgressClient


def sdk_page() -> str:
    """Every method of the client, with its parameters and docstring."""
    parts = [
        "# SDK methods",
        "Methods of `EgressClient`; those of `AsyncEgressClient` are the same, to be awaited. [SDK](../sdk.md) has "
        "examples. `**options` are those of every mutation, described at `MutationOptions`.",
    ]
    for name, method in inspect.getmembers(EgressClient, inspect.isfunction):
        if not name.startswith("_"):
            parts += [f"## {name}", f"```text\n{_call(name, method)}\n\n{inspect.getdoc(method)}\n```"]
    return "\n\n".join(parts)


def _call(name: str, method: object) -> str:
    parameters = inspect.signature(method).parameters.values()  # type: ignore[arg-type]
    plain = [each.replace(annotation=inspect.Parameter.empty) for each in parameters if each.name != "self"]
    return f"{name}{inspect.Signature(plain)}"
