"""Collects every problem of a request, so that the caller can fix them all at once."""

from egress_server.domain.model.errors import InvalidArgument, Violation, invalid, invalid_fields
from egress_server.domain.model.resources import Cluster, Interception, KubernetesTarget, OutboundPolicy, Resource


class Problems:
    """Violations below one path; `at` gives a view of a deeper path into the same list."""

    __slots__ = ("_base", "_found", "_steps")

    def __init__(self, path: str = "", steps: tuple[str | int, ...] = (), found: list[Violation] | None = None) -> None:
        """`steps` are below `path`, fields or positions in a list."""
        self._base = path
        self._steps = steps
        self._found: list[Violation] = [] if found is None else found

    @property
    def path(self) -> str:
        """The place in the request; put together only where something is wrong, which is rare."""
        path = self._base
        for step in self._steps:
            path += f"[{step}]" if isinstance(step, int) else f".{step}" if path and not step.startswith("[") else step
        return path

    def at(self, *steps: str | int) -> "Problems":
        """The place `steps` below this one: strings are fields, numbers are positions in a list."""
        return Problems(self._base, self._steps + steps, self._found)

    def key(self, key: str) -> "Problems":
        """The place of a map's key."""
        return Problems(self._base, (*self._steps, f'["{key}"]'), self._found)

    def add(self, description: str) -> None:
        """Something is wrong here."""
        self._found.append(Violation(self.path, description))

    def include(self, error: InvalidArgument) -> None:
        """What another check has refused, by its own places."""
        self._found += error.violations

    @property
    def any(self) -> bool:
        """Whether anything is wrong anywhere."""
        return bool(self._found)

    def raise_if_any(self) -> None:
        """Raises InvalidArgument with all violations, where there are any."""
        if self._found:
            raise invalid_fields(self._found)


def check_unchanged(before: Resource, after: Resource) -> None:
    """Raises InvalidArgument naming the request's field, where a part differs that must not."""
    match before, after:
        case OutboundPolicy(), OutboundPolicy() if before.scope != after.scope:
            raise invalid("outbound_policy.scope", f"can't change; delete {after.name} and set another policy")
        case Interception(), Interception() if before.scope != after.scope:
            raise invalid("interception.scope", f"can't change; delete {after.name} and set another interception")
        case Cluster(), Cluster() if before.target is not after.target:
            raise invalid(
                "cluster.target",
                f"can't change from {before.target.value} to {after.target.value}; deregister {after.id} first",
            )
        case Cluster(), Cluster() if (before.path or before.id) != (after.path or after.id):
            raise invalid(
                "cluster.directory.path",
                f"can't change from {before.path or before.id}: what is there would stay; deregister {after.id} first",
            )
        case Cluster(kubernetes=KubernetesTarget() as was), Cluster(kubernetes=KubernetesTarget() as wanted) if (
            was.root_namespace != wanted.root_namespace
        ):
            raise invalid(
                "cluster.kubernetes.root_namespace",
                f"can't change from {was.root_namespace}: what is there would stay; deregister {after.id} first",
            )
