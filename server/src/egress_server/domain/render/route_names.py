"""The names of routes in managed VirtualServices: they tell which fault a route injects, and how to remove it.

A fault with conditions has routes of its own: `fault-NAMESPACE.ID` and, if the host has several routes, `.../N`. A
fault that affects every request is injected by the host's plain routes, `fault-NAMESPACE.ID=PLAIN`: routes of its own
would make all that follow unreachable.
"""

from egress_server.domain.model.names import Name, ResourceKind, parse_name
from egress_server.domain.model.resources import Fault

FALLBACK = "fallback"
"""The last route, which leads to the host itself and which every request matches."""
_FAULT, _NUMBER, _PLAIN = "fault-", "/", "="


def plain_name(number: int) -> str:
    """The entry's route with this number."""
    return f"route-{number}"


def fault_route_name(fault: Fault, number: int) -> str:
    """A route that exists only for a fault, unique per fault: a namespace contains no dot, and an id no slash."""
    return f"{_FAULT}{fault.namespace}.{parse_name(fault.name).id}" + (f"{_NUMBER}{number}" if number else "")


def faulted_name(fault: Fault, plain: str) -> str:
    """A plain route that injects a fault."""
    return f"{fault_route_name(fault, 0)}{_PLAIN}{plain}"


def without_plain(name: str) -> str:
    """The name of a fault's route if it is a route of its own."""
    return name.partition(_PLAIN)[0]


def is_needed(name: str) -> bool:
    """Whether a route is needed without its fault as well."""
    return not name.startswith(_FAULT) or _PLAIN in name


def is_fallback(name: str) -> bool:
    """Whether it is the last route, with or without a fault."""
    return name.endswith(FALLBACK)


def fault_in(name: str, mesh: str) -> Name:
    """The fault that a route is named after."""
    namespace, _, rest = without_plain(name).removeprefix(_FAULT).partition(".")
    return Name(mesh, ResourceKind.FAULT, rest.partition(_NUMBER)[0], namespace)
