"""Questions about a configuration: every host, address and port in it, and some that are not in it."""

from collections.abc import Iterator
from itertools import product
from typing import Any

from egress_server.domain.live.config import Json, SidecarConfig
from egress_server.domain.live.decision import Question
from egress_server.domain.live.listeners import address_of
from egress_server.domain.probe.evidence import Destination

_STRAY = ("203.0.113.77", "2001:db8::77")
_PATHS = ("/", "/f/x", "/r/12", "/x?q=1", "/direct", "/w")
_HEADERS: tuple[dict[str, str], ...] = ({}, {"x-test": "1"}, {"x-re": "b12"}, {"x-re": "b12", "x-no": "abc"})


_MOST = 500


def questions(config: SidecarConfig) -> list[Question]:
    """At most 500 of all, evenly spread and always the same."""
    every = list(_all(config))
    return every[:: len(every) // _MOST + 1]


def _all(config: SidecarConfig) -> Iterator[Question]:
    if paths := _hints(config, "paths"):
        yield from _requests(config, paths, _hints(config, "headers"))
    else:
        yield from _requests(config, _PATHS, _HEADERS)
    yield from _connections(config)


def _hints(config: SidecarConfig, kind: str) -> tuple[Any, ...]:
    """What a handwritten configuration is to be asked, in the metadata of its first listener."""
    metadata = config.listeners[0].get("metadata", {}).get("filter_metadata", {}).get("test", {})
    return tuple(metadata.get(kind, ()))


def _requests(config: SidecarConfig, paths: Any, headers: Any) -> Iterator[Question]:
    """Each host with each path and header once, and on every port plainly."""
    for name, table in config.routes.items():
        port = int(name.rpartition(":")[2]) if name.rpartition(":")[2].isdecimal() else 80
        for host in _hosts(table):
            for path, more in product(paths, headers):
                for method in ("GET", "POST") if path == "/r/12" else ("GET",):
                    to = Destination("http", host, port, path)
                    yield Question(to, _STRAY[0], method, more)


def _hosts(table: Json) -> list[str]:
    """Names that the domains of a table match, and one that is in none."""
    domains = [domain for virtual_host in table.get("virtual_hosts", ()) for domain in virtual_host["domains"][:2]]
    names = [str(domain).replace("*", "x") for domain in domains if domain != "*"]
    return sorted(
        {*names, *(name.upper() for name in names[:3]), *(f"y.{name}" for name in names), "stray.example.com"}
    )


def _connections(config: SidecarConfig) -> Iterator[Question]:
    addresses = {*_STRAY, *(at for at, _ in _addresses(config) if at not in {"", "0.0.0.0", "::"}), *_ranges(config)}
    ports = {port for _, port in _addresses(config) if port} | {81}
    names = {"stray.example.com", *_server_names(config)}
    for port, address in product(sorted(ports), sorted(addresses)):
        yield Question(Destination("tcp", address, port), address)
        yield Question(Destination("tcp", address, port), address, speaks_first=True)
        yield Question(Destination("http", "stray.example.com", port), address)
    for port, name in product(sorted(ports), sorted(names)):
        for alpn in (("http/1.1",), ("h2", "http/1.1"), ()):
            yield Question(Destination("tls", name, port), _STRAY[0], alpn=alpn)


def _addresses(config: SidecarConfig) -> list[tuple[str, int]]:
    return [
        address_of(each)
        for listener in config.listeners
        for each in (listener, *listener.get("additional_addresses", ()))
    ]


def _chains(config: SidecarConfig) -> Iterator[Json]:
    for listener in config.listeners:
        yield from (chain.get("filter_chain_match") or {} for chain in listener.get("filter_chains", ()))


def _ranges(config: SidecarConfig) -> Iterator[str]:
    for match in _chains(config):
        yield from (each["address_prefix"] for each in match.get("prefix_ranges", ()))


def _server_names(config: SidecarConfig) -> Iterator[str]:
    for match in _chains(config):
        for name in match.get("server_names", ()):
            yield name.replace("*", "x")
            yield f"y.{name.replace('*', 'x')}"
