"""A kubeconfig of this machine as text that works elsewhere: one context, with the files that it names inlined.

What cannot be sent is refused here, where the file is: a program or plug-in that authenticates.
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
    """The kubeconfig at `path` reduced to `context` (default: its current-context).

    Raises a usage error if something cannot be read, or if a program authenticates.
    """
    config = _load(path)
    contexts = _named(config, "contexts", "context", path)
    chosen = context or config.get("current-context") or ""
    if chosen not in contexts:
        missing = f"no context {chosen}" if chosen else "no current-context; choose one with --context"
        raise _usage(f"{path} has {missing} (it has: {', '.join(sorted(contexts)) or 'none'})")
    ways = contexts[chosen]
    cluster = _lookup(config, "clusters", "cluster", ways, path)
    user = _lookup(config, "users", "user", ways, path)
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
        config = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise _usage(f"{path} cannot be read: {error}") from None
    except yaml.YAMLError:
        raise _usage(f"{path} is not valid YAML") from None  # the parser's message may contain credentials
    if not isinstance(config, dict):
        raise _usage(f"{path} is not a kubeconfig")
    return config


def _named(config: Mapping[str, Any], field: str, what: str, path: Path) -> dict[str, dict[str, Any]]:
    items = config.get(field) or []
    try:
        return {item["name"]: dict(item.get(what) or {}) for item in reversed(items)}
    except (TypeError, KeyError, ValueError, AttributeError):
        raise _usage(f"{path} is not a kubeconfig: {field} is not a list of names and {what}s") from None


def _lookup(config: Mapping[str, Any], field: str, what: str, ways: Mapping[str, Any], path: Path) -> dict[str, Any]:
    found = _named(config, field, what, path)
    name = ways.get(what)
    if name not in found:
        raise _usage(f"{path}: the context refers to the {what} {name}, which does not exist")
    return found[name]


def _refuse_programs(user: Mapping[str, Any], context: str, path: Path) -> None:
    if "exec" in user:
        program = user["exec"].get("command", "") if isinstance(user["exec"], dict) else ""
        way = f"with the program {program}" if program else "with a program"
    elif "auth-provider" in user:
        way = "with an auth-provider"
    else:
        return
    raise _usage(
        f"{path}: the user of context {context} authenticates {way}, which the server cannot run. Use the "
        "token of a service account instead (kubectl create token); see docs/kubernetes.md"
    )


def _with_files(mapping: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The mapping with each file name replaced by the content of the file.

    As in kubectl, inline data takes precedence over a file, but a token file over a token.
    """
    found = {key: value for key, value in mapping.items() if key not in (*_FILES_IN_BASE64, _TOKEN_FILE)}
    for key in _FILES_IN_BASE64:
        if mapping.get(key) and not mapping.get(f"{key}-data"):
            found[f"{key}-data"] = base64.b64encode(_content(path, mapping[key])).decode()
    if mapping.get(_TOKEN_FILE):
        found["token"] = _content(path, mapping[_TOKEN_FILE]).decode(errors="replace").strip()
    return found


def _content(path: Path, name: str) -> bytes:
    file = path.absolute().parent / name  # an absolute name is used as it is
    try:
        return file.read_bytes()
    except OSError as error:
        raise _usage(f"{path} refers to {file}, which cannot be read: {error.strerror}") from None


def _usage(message: str) -> typer.BadParameter:
    return typer.BadParameter(message, param_hint=_OPTION)
