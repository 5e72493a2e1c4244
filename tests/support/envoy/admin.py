"""Pages of Envoy's `/config_dump`, narrowed by name as Envoy does it."""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

Json = dict[str, Any]


def asked_for(target: str, parameter: str) -> re.Pattern[str]:
    """The regular expression that a page is narrowed by."""
    return re.compile(parse_qs(urlsplit(target).query)[parameter][0])


def config_page(
    target: str,
    *,
    listeners: Sequence[Json] = (),
    routes: Sequence[Json] = (),
    active: Sequence[Json] = (),
    warming: Sequence[Json] = (),
    endpoints: Sequence[Json] = (),
) -> bytes:
    """The resources of the kind that is asked for, if their whole name matches."""
    items: list[Json] = {
        "dynamic_listeners": [{"name": x["name"], "active_state": {"listener": x}} for x in listeners],
        "dynamic_route_configs": [{"route_config": x} for x in routes],
        "dynamic_active_clusters": [{"cluster": x} for x in active],
        "dynamic_warming_clusters": [{"cluster": x} for x in warming],
        "dynamic_endpoint_configs": [{"endpoint_config": x} for x in endpoints],
    }[parse_qs(urlsplit(target).query)["resource"][0]]
    names = asked_for(target, "name_regex")
    return orjson.dumps({"configs": [item for item in items if names.fullmatch(_name(item))]})


def _name(item: Json) -> str:
    content = item.get("active_state") or item
    (resource,) = content.values()
    return str(resource.get("name") or resource.get("cluster_name"))
