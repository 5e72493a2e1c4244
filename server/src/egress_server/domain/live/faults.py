"""The fault of a route, from its filter configuration."""

from collections.abc import Mapping

from egress_server.domain.live.config import Json
from egress_server.domain.live.decision import RouteFault
from egress_server.domain.live.matchers import all_of, fraction, matches_header

_FILTER = "envoy.filters.http.fault"


def seconds(duration: object) -> float:
    """A Duration in JSON, such as `1.5s`."""
    return float(str(duration).rstrip("s"))


def find_fault(
    layers: tuple[Json, ...], own: Json, cluster: str, headers: Mapping[str, str]
) -> tuple[RouteFault | None, tuple[str, ...]]:
    """The fault of a request, and what is undecided about it. `layers` may configure it, the most specific first; `own`
    is the filter's own configuration, which applies if none of them does. `cluster` is what the route leads to."""
    for layer in layers:
        config = layer.get("typed_per_filter_config", {}).get(_FILTER)
        if config is not None:
            break
    else:
        config = own
    if str(config.get("@type", "")).endswith(".FilterConfig"):
        if config.get("disabled"):
            return None, ()
        config = config.get("config", {})
    if config.get("upstream_cluster", cluster) != cluster:
        return None, ()
    applies = all_of(matches_header(each, headers) for each in config.get("headers", ()))
    delay, abort = config.get("delay", {}), config.get("abort", {})
    if not (delay or abort) or applies is False:
        return None, ()
    undecided = ["fault headers"] if applies is None else []
    undecided += [f"fault {name}" for name in ("downstream_nodes",) if config.get(name)]
    undecided += [f"fault {name}" for name in ("header_delay",) if name in delay]
    undecided += [f"fault {name}" for name in ("header_abort",) if name in abort]
    rule = RouteFault(
        delay=seconds(delay.get("fixed_delay", "0s")),
        delay_share=fraction(delay.get("percentage", {})) if "fixed_delay" in delay else 0.0,
        http_status=int(abort.get("http_status", 0)),
        grpc_status=int(abort["grpc_status"]) if "grpc_status" in abort else None,
        abort_share=fraction(abort.get("percentage", {})),
    )
    return (rule if rule.share > 0 or undecided else None), tuple(undecided)
