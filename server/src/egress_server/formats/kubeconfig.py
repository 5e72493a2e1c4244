"""Kubeconfigs as data only: no program or file that they name is run or read."""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from egress_server.formats.strict_yaml import YamlError, load_mapping

_FILES = {
    "cluster": {"certificate-authority": "certificate-authority-data"},
    "user": {
        "client-certificate": "client-certificate-data",
        "client-key": "client-key-data",
        "tokenFile": "token",
    },
}
_PROGRAMS = ("exec", "auth-provider")
_IMPERSONATION = ("as", "as-uid", "as-groups", "as-user-extra")


class KubeconfigError(ValueError):
    """The kubeconfig can't be used; the human-readable message says why and contains no secrets."""


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """One context of a kubeconfig: the API server's address, how it is authenticated, and the client's credentials.
    What is not set is empty; certificates are in PEM."""

    server: str
    authority: str = ""
    insecure_skip_verify: bool = False
    server_name: str = ""
    proxy: str = ""
    token: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    client_certificate: str = field(default="", repr=False)
    client_key: str = field(default="", repr=False)


def read_kubeconfig(config: Mapping[str, Any], context: str = "") -> Kubeconfig:
    """The context of this name, or the current one. Raises KubeconfigError, also for problems elsewhere in the
    kubeconfig, because the context may be changed later."""
    refuse_references(config)
    name = context or _text(config, "current-context", "")
    if not name:
        raise KubeconfigError("no current-context is set, and no context was specified")
    chosen = _named(config, "contexts", "context", name)
    cluster = _named(config, "clusters", "cluster", _text(chosen, "cluster", f"context {name}"))
    user_name = _text(chosen, "user", f"context {name}")
    user = _named(config, "users", "user", user_name) if user_name else {}
    for key in _IMPERSONATION:
        if user.get(key):
            raise KubeconfigError(f"user {user_name!r} uses impersonation ({key}), which is not supported")
    if bool(user.get("client-certificate-data")) != bool(user.get("client-key-data")):
        raise KubeconfigError(
            f"user {user_name!r} must have both client-certificate-data and client-key-data, or neither"
        )
    return Kubeconfig(
        server=_server(cluster),
        authority=_pem(cluster, "certificate-authority-data"),
        insecure_skip_verify=cluster.get("insecure-skip-tls-verify") is True,
        server_name=_text(cluster, "tls-server-name", "cluster"),
        proxy=_text(cluster, "proxy-url", "cluster"),
        token=_text(user, "token", "user"),
        username=_text(user, "username", "user"),
        password=_text(user, "password", "user"),
        client_certificate=_pem(user, "client-certificate-data"),
        client_key=_pem(user, "client-key-data"),
    )


def refuse_references(config: Mapping[str, Any]) -> None:
    """Raises KubeconfigError if any cluster or user refers to a program or a file."""
    for user in _entries(config, "users"):
        for key in _PROGRAMS:
            if _inner(user, "user").get(key) is not None:
                raise KubeconfigError(
                    f"user {user.get('name')!r} has {key}, but programs in a kubeconfig are never run; "
                    "use a token or a client certificate"
                )
    for part, files in _FILES.items():
        for entry in _entries(config, f"{part}s"):
            for key, inline in files.items():
                if _inner(entry, part).get(key) is not None:
                    raise KubeconfigError(
                        f"{part} {entry.get('name')!r} refers to a file in {key}, but files are never read; "
                        f"use {inline} with the contents of the file"
                    )


def _server(cluster: Mapping[str, Any]) -> str:
    server = _text(cluster, "server", "cluster")
    parts = _split(server)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise KubeconfigError("the cluster's server must be a URL such as https://host:6443")
    if "@" in parts.netloc or not server.isprintable():
        raise KubeconfigError("the cluster's server must be a URL without user information")
    return server.rstrip("/")


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _named(config: Mapping[str, Any], section: str, part: str, name: str) -> Mapping[str, Any]:
    for entry in _entries(config, section):
        if entry.get("name") == name:
            return _inner(entry, part)
    raise KubeconfigError(f"{section} has no entry {name!r}")


def _entries(config: Mapping[str, Any], section: str) -> Iterable[Mapping[str, Any]]:
    entries = config.get(section) or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise KubeconfigError(f"{section} must be a list of mappings")
    return entries


def _inner(entry: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    inner = entry.get(part) or {}
    if not isinstance(inner, dict):
        raise KubeconfigError(f"{part} must be a mapping")
    return inner


def _text(mapping: Mapping[str, Any], key: str, where: str) -> str:
    value = mapping.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise KubeconfigError(f"{where}{' ' if where else ''}{key} must be a string")
    return value


def _pem(mapping: Mapping[str, Any], key: str) -> str:
    text = _text(mapping, key, "")
    try:
        return base64.b64decode(text, validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        raise KubeconfigError(f"{key} must be base64-encoded PEM") from None


MAX_BYTES = 64 * 1024
_LINE = re.compile(r"line \d+")


@dataclass(frozen=True, slots=True)
class ExtractedContext:
    """One context of a kubeconfig, in the canonical form that is stored."""

    context: str
    text: str


def parse_kubeconfig(text: str) -> dict[str, Any]:
    """Parse a kubeconfig. Raises KubeconfigError with the line only, because the YAML parser's messages quote the
    contents."""
    if len(text.encode()) > MAX_BYTES:
        raise KubeconfigError(f"has more than {MAX_BYTES} bytes")
    try:
        return load_mapping(text)
    except YamlError as error:
        line = _LINE.search(str(error))
    raise KubeconfigError(
        f"can't be parsed{f' ({line.group()})' if line else ''}: must be a single YAML or JSON document without "
        "aliases, tags or duplicate keys"
    )


def extract_context(text: str, context: str = "") -> ExtractedContext:
    """The parts of the kubeconfig that `context` needs; empty means the current one. Raises KubeconfigError if it does
    not exist or can't be used; problems of other contexts don't matter."""
    config = parse_kubeconfig(text)
    name = context or config.get("current-context")
    if not (isinstance(name, str) and name):
        raise KubeconfigError("no current-context is set; specify a context")
    chosen = _named_entries(config, "contexts", name)
    inner = chosen[0].get("context") if chosen else None
    refs: Mapping[str, Any] = inner if isinstance(inner, dict) else {}
    only = {
        "contexts": chosen or config.get("contexts"),
        "clusters": _named_entries(config, "clusters", refs.get("cluster")),
        "users": _named_entries(config, "users", refs.get("user")),
    }
    return ExtractedContext(name, _written(name, read_kubeconfig(only, name)))


def _named_entries(config: Mapping[str, Any], section: str, name: object) -> list[dict[str, Any]]:
    """The first entry of this name, which is the one that kubectl uses; empty if there is none."""
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
