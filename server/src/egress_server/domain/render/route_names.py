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


def own_name(name: str) -> str:
    """The name of a faulted route if it existed only for the fault."""
    return name.partition(_PLAIN)[0]


def without_fault(name: str) -> str:
    """The name that a route has without its fault; empty if it exists only for the fault."""
    return name.rpartition(_PLAIN)[2] if _PLAIN in name else "" if name.startswith(_FAULT) else name


def in_foreign_object(name: str, host: str) -> str:
    """The name that a plain route gets among foreign routes, with or without a fault."""
    fault, separator, plain = name.rpartition(_PLAIN)
    return f"{fault}{separator}egress-{host}/{plain}"


def is_fallback(name: str) -> bool:
    """Whether it is the last route, with or without a fault."""
    return name.endswith(FALLBACK)


def fault_in(name: str, mesh: str) -> Name:
    """The fault that a route is named after."""
    namespace, _, rest = own_name(name).removeprefix(_FAULT).partition(".")
    return Name(mesh, ResourceKind.FAULT, rest.partition(_NUMBER)[0], namespace)
