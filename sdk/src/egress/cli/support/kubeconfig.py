"""A kubeconfig of this machine as a text that works elsewhere: one context, with the content of every file it names.

What can't travel is said here, where the file is: a program or plug-in that signs in stays behind.
"""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer
import yaml

_OPTION = "--kubeconfig"
_FILES_IN_BASE64 = ("certificate-authority", "client-certificate", "client-key")
_TOKEN_FILE = "tokenFile"


def inlined(path: Path, context: str) -> str:
    """The kubeconfig at `path` cut to `context`, its current-context where that is empty. A usage error says what can't
    be read, and what to do instead of a program that signs in.
    """
    whole = _load(path)
    contexts = _named(whole, "contexts", "context", path)
    chosen = context or whole.get("current-context") or ""
    if chosen not in contexts:
        missing = f"no context {chosen}" if chosen else "no current-context; choose one with --context"
        raise _usage(f"{path} has {missing} (it has: {', '.join(sorted(contexts)) or 'none'})")
    ways = contexts[chosen]
    cluster = _lookup(whole, "clusters", "cluster", ways, path)
    user = _lookup(whole, "users", "user", ways, path)
    _refuse_programs(user, chosen, path)
    alone = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": chosen,
        "contexts": [{"name": chosen, "context": {"cluster": chosen, "user": chosen}}],
        "clusters": [{"name": chosen, "cluster": _with_files(cluster, path)}],
        "users": [{"name": chosen, "user": _with_files(user, path)}],
    }
    return json.dumps(alone)


def _load(path: Path) -> Mapping[str, Any]:
    try:
        whole = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise _usage(f"{path} can't be read: {error}") from None
    except yaml.YAMLError:
        raise _usage(f"{path} is no YAML") from None  # the parser's words may repeat credentials
    if not isinstance(whole, dict):
        raise _usage(f"{path} is no kubeconfig")
    return whole


def _named(whole: Mapping[str, Any], field: str, what: str, path: Path) -> dict[str, dict[str, Any]]:
    items = whole.get(field) or []
    try:
        return {item["name"]: dict(item.get(what) or {}) for item in reversed(items)}
    except (TypeError, KeyError, ValueError, AttributeError):
        raise _usage(f"{path} is no kubeconfig: {field} is not a list of names and {what}s") from None


def _lookup(whole: Mapping[str, Any], field: str, what: str, ways: Mapping[str, Any], path: Path) -> dict[str, Any]:
    found = _named(whole, field, what, path)
    name = ways.get(what)
    if name not in found:
        raise _usage(f"{path}: the context names the {what} {name}, which is not there")
    return found[name]


def _refuse_programs(user: Mapping[str, Any], context: str, path: Path) -> None:
    if "exec" in user:
        program = user["exec"].get("command", "") if isinstance(user["exec"], dict) else ""
        way = f"by the program {program}" if program else "by a program"
    elif "auth-provider" in user:
        way = "by an auth-provider"
    else:
        return
    raise _usage(
        f"{path}: the user of context {context} signs in {way}, which the server can't do. Make a token of a service "
        "account instead (kubectl create token), and a kubeconfig with it; docs/kubernetes.md shows how"
    )


def _with_files(mapping: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The mapping with the content of each file it names in that file's place; what stands there already wins, but for
    a token, of which the file wins, all as for kubectl."""
    found = {key: value for key, value in mapping.items() if key not in (*_FILES_IN_BASE64, _TOKEN_FILE)}
    for key in _FILES_IN_BASE64:
        if mapping.get(key) and not mapping.get(f"{key}-data"):
            found[f"{key}-data"] = base64.b64encode(_content(path, mapping[key])).decode()
    if mapping.get(_TOKEN_FILE):
        found["token"] = _content(path, mapping[_TOKEN_FILE]).decode(errors="replace").strip()
    return found


def _content(path: Path, name: str) -> bytes:
    file = path.absolute().parent / name  # an absolute name stays as it is
    try:
        return file.read_bytes()
    except OSError as error:
        raise _usage(f"{path} names {file}, which can't be read: {error.strerror}") from None


def _usage(message: str) -> typer.BadParameter:
    return typer.BadParameter(message, param_hint=_OPTION)
