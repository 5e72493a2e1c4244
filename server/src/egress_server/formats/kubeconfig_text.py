"""A kubeconfig's text as it comes in, and as it is kept: one context, and nothing that the context does not need.

What is cut away before anything is kept can't leak, and can't be used for anything else.
"""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from egress_server.formats.kubeconfig import Kubeconfig, KubeconfigError, read_kubeconfig
from egress_server.formats.strict_yaml import YamlError, load_mapping

MAX_BYTES = 64 * 1024
_LINE = re.compile(r"line \d+")


@dataclass(frozen=True, slots=True)
class KeptKubeconfig:
    """One context of a kubeconfig in the one form that is kept."""

    context: str
    text: str


def load_kubeconfig(text: str) -> dict[str, Any]:
    """The kubeconfig as data. Raises KubeconfigError by place: the YAML reader's own words repeat what stands there."""
    if len(text.encode()) > MAX_BYTES:
        raise KubeconfigError(f"has more than {MAX_BYTES} bytes")
    try:
        return load_mapping(text)
    except YamlError as error:
        where = _LINE.search(str(error))
    raise KubeconfigError(
        f"can't be read{f' ({where.group()})' if where else ''}: must be one kubeconfig as plain YAML or JSON, without "
        "aliases, tags, or a key that is set twice"
    )


def cut_kubeconfig(text: str, context: str = "") -> KeptKubeconfig:
    """What `context` needs of the text, the current one where that is empty. Raises KubeconfigError where it is not
    there or can't be used; other contexts don't matter."""
    config = load_kubeconfig(text)
    name = context or config.get("current-context")
    if not (isinstance(name, str) and name):
        raise KubeconfigError("there is no current-context; say which context is meant")
    alone = _named(config, "contexts", name)
    inner = alone[0].get("context") if alone else None
    ways: Mapping[str, Any] = inner if isinstance(inner, dict) else {}
    only = {
        "contexts": alone or config.get("contexts"),
        "clusters": _named(config, "clusters", ways.get("cluster")),
        "users": _named(config, "users", ways.get("user")),
    }
    return KeptKubeconfig(name, _written(name, read_kubeconfig(only, name)))


def _named(config: Mapping[str, Any], section: str, name: object) -> list[dict[str, Any]]:
    """The first entry of that name, as for kubectl; none where there is none."""
    entries = config.get(section)
    found = [e for e in entries if isinstance(e, dict) and e.get("name") == name] if isinstance(entries, list) else []
    return found[:1]


def _written(name: str, config: Kubeconfig) -> str:
    cluster = {
        "server": config.server,
        "certificate-authority-data": _encoded(config.authority),
        "insecure-skip-tls-verify": config.insecure_skip_verify,
        "tls-server-name": config.server_name,
        "proxy-url": config.proxy,
    }
    user = {
        "token": config.token,
        "username": config.username,
        "password": config.password,
        "client-certificate-data": _encoded(config.client_certificate),
        "client-key-data": _encoded(config.client_key),
    }
    whole = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "clusters": [{"name": name, "cluster": {key: value for key, value in cluster.items() if value}}],
        "users": [{"name": name, "user": {key: value for key, value in user.items() if value}}],
    }
    return json.dumps(whole, sort_keys=True, separators=(",", ":"))


def _encoded(pem: str) -> str:
    return base64.b64encode(pem.encode()).decode()
