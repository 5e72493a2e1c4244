"""Reads what decides about one connection from Envoy's `/config_dump`, in parts: the whole page has 30 MB with 10,000
services. The configuration stays in this process; only decisions leave it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any

import orjson

from egress_server.agents.sidecar.patterns import listener_pattern, name_pattern
from egress_server.domain.live.config import SidecarConfig, parse_config_dump
from egress_server.domain.live.decision import LiveDecision, LiveReport, Question
from egress_server.domain.live.evaluate import evaluate, route_table_of
from egress_server.domain.live.listeners import listener_at

Fetch = Callable[[str], Awaitable[bytes]]
"""Fetches a page of Envoy's admin interface, such as `/clusters`; raises OSError."""

_ENTRANCE = "virtualOutbound"
_MOST_CLUSTERS = 20  # of one route; a request for each


@dataclass(frozen=True, slots=True)
class LiveState:
    """The configuration that decides about one connection, and the decision."""

    config: SidecarConfig
    decision: LiveDecision


async def read_live_state(fetch: Fetch, question: Question) -> LiveState:
    """The decision on a connection by the sidecar's own configuration. Raises OSError if that can't be read."""
    try:
        config = await _read_listeners(fetch, question)
        if table := route_table_of(config, question):
            config = config.merge(await _page(fetch, "dynamic_route_configs", name_pattern(table)))
        upstreams = evaluate(config, question).upstreams[:_MOST_CLUSTERS]
        for upstream in upstreams:
            config = config.merge(await _read_cluster(fetch, upstream.cluster))
        return LiveState(config, await asyncio.to_thread(evaluate, config, question))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise OSError(f"the sidecar's configuration can't be read: {error!r}") from error


async def read_live_report(fetch: Fetch, question: Question) -> LiveReport:
    """The decision, with the state of the configuration. Raises OSError if that can't be read."""
    state = await read_live_state(fetch, question)
    try:
        info = orjson.loads(await fetch("/server_info"))
        stats = orjson.loads(await fetch("/stats?format=json&filter=%5Bcl%5Dds.(update_rej%7Cver)")).get("stats", ())
        named = {str(each["name"]): each.get("value") for each in stats if "name" in each}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise OSError(f"the state of the sidecar can't be read: {error!r}") from error
    return LiveReport(
        state.decision,
        address=question.address,
        versions={
            kind: str(value)
            for kind, name in (("cds", "cluster_manager.cds"), ("lds", "listener_manager.lds"))
            if (value := named.get(f"{name}.version_text"))
        },
        updated=state.config.updated,
        proxy_version=_version(info),
        rejected=state.config.rejected,
        warming=tuple(sorted(state.config.warming)),
    )


def _version(info: Any) -> str:
    """Istio's version if the sidecar says it, else Envoy's, from COMMIT/VERSION/..."""
    istio = info.get("node", {}).get("metadata", {}).get("ISTIO_VERSION")
    return str(istio or [*str(info.get("version", "")).split("/"), ""][1])


async def _read_listeners(fetch: Fetch, question: Question) -> SidecarConfig:
    """The entrance, and the listeners that may get a connection to the dialed address."""
    address, port = str(ip_address(question.address)), question.destination.port
    config = await _page(fetch, "dynamic_listeners", _ENTRANCE)
    config = config.merge(await _page(fetch, "dynamic_listeners", listener_pattern(address, port)))
    if (listener_at(config, address, port) or {}).get("name") == f"{address}_{port}":
        return config
    # A service with addresses of both families has one listener, which is named after the first.
    known = {each.get("name") for each in config.listeners}
    names = await _names(fetch, port)
    if names - known:
        others = await _page(fetch, "dynamic_listeners", f".*_{port}")
        config = config.merge(
            replace(others, listeners=tuple(x for x in others.listeners if x.get("name") not in known))
        )
    return config


async def _names(fetch: Fetch, port: int) -> set[str]:
    page: Any = orjson.loads(await fetch(f"/config_dump?resource=dynamic_listeners&name_regex=.*_{port}&mask=name"))
    return {str(item["name"]) for item in page.get("configs", ())}


async def _read_cluster(fetch: Fetch, name: str) -> SidecarConfig:
    """The cluster of this name, whether active or warming, and its endpoints."""
    pattern = name_pattern(name)
    active = await _page(fetch, "dynamic_active_clusters", pattern)
    clusters = {name: active.clusters[name]} if name in active.clusters else {}
    if not clusters:
        warming = await _page(fetch, "dynamic_warming_clusters", pattern)
        found = {name: warming.clusters[name]} if name in warming.clusters else {}
        return SidecarConfig(warming=found, rejected=warming.rejected, updated=warming.updated if found else "")
    listed = await _page(fetch, "dynamic_endpoint_configs", pattern, "&include_eds")
    endpoints = {name: listed.endpoints[name]} if name in listed.endpoints else {}
    updated = active.updated if len(active.clusters) == 1 else ""
    return SidecarConfig(clusters=clusters, endpoints=endpoints, rejected=active.rejected, updated=updated)


async def _page(fetch: Fetch, resource: str, pattern: str, more: str = "") -> SidecarConfig:
    page = await fetch(f"/config_dump?resource={resource}&name_regex={pattern}{more}")
    return parse_config_dump(await asyncio.to_thread(orjson.loads, page))
