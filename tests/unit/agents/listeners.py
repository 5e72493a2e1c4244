"""Pages of listeners as Envoy's admin interface gives them."""

from collections.abc import Sequence
from typing import Any

import orjson

HTTP, TCP = "envoy.filters.network.http_connection_manager", "envoy.filters.network.tcp_proxy"


def chain(filter_: str, *ranges: str) -> dict[str, Any]:
    """A filter chain with one filter, for these ranges."""
    prefixes = [text.partition("/") for text in ranges]
    match = {"prefix_ranges": [{"address_prefix": prefix, "prefix_len": int(bits)} for prefix, _, bits in prefixes]}
    return {"filters": [{"name": filter_}], **({"filter_chain_match": match} if ranges else {})}


def listening(
    name: str, chains: Sequence[dict[str, Any]], rest: dict[str, Any] | None = None, state: str = "active_state"
) -> bytes:
    """One listener with these chains, and a chain for the rest."""
    listener = {"name": name, "filter_chains": chains, **({"default_filter_chain": rest} if rest else {})}
    return orjson.dumps({"configs": [{"name": name, state: {"listener": listener}}]})
