"""The sidecar's live listener of a connection: whether it sees requests in it, as `/config_dump` tells.

Routes alone don't say so: they are listed for a while after nothing uses them any more, and connections to an address
or a range that a TCP service has come before them.
"""

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import quote

import orjson

Json = Mapping[str, Any]

_MANAGER = "envoy.filters.network.http_connection_manager"
_ANY = ("0.0.0.0", "::", "[::]")


def listeners_page(address: str, port: int) -> str:
    """Where the admin interface tells of the listeners that a connection to there may land on."""
    names = "|".join(map(re.escape, (address, *_ANY)))
    return f"/config_dump?resource=dynamic_listeners&name_regex={quote(f'^({names})_{port}$')}"


def sees_requests(page: bytes, address: str, port: int) -> bool:
    """Whether plain HTTP to `address` is read as such. Raises ValueError where the page is none of listeners."""
    try:
        active = {
            item["name"]: item["active_state"]["listener"]
            for item in orjson.loads(page).get("configs", ())
            if "active_state" in item
        }
        names = (f"{each}_{port}" for each in (address, *_ANY))
        listener: Json = next((active[name] for name in names if name in active), {})
        return any(each["name"] == _MANAGER for chain in _taking(listener, address) for each in chain["filters"])
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not a page of listeners: {error!r}") from error


def _taking(listener: Json, address: str) -> list[Json]:
    """The filter chains for the address: those of the narrowest range that has it, else those without ranges."""
    chains = [(_width(chain, address), chain) for chain in _chains(listener)]
    narrowest = max((width for width, _ in chains if width is not None), default=None)
    return [chain for width, chain in chains if width is not None and width == narrowest]


def _chains(listener: Json) -> Iterator[Json]:
    yield from listener.get("filter_chains", ())
    if "default_filter_chain" in listener:
        yield listener["default_filter_chain"]


def _width(chain: Json, address: str) -> int | None:
    """Bits of the narrowest range of the chain that has the address; -1 where it has no ranges, None where none has."""
    ranges = chain.get("filter_chain_match", {}).get("prefix_ranges", ())
    if not ranges:
        return -1
    its = ip_address(address)
    networks = (ip_network(f"{each['address_prefix']}/{each.get('prefix_len', 0)}", strict=False) for each in ranges)
    return max((network.prefixlen for network in networks if its in network), default=None)
