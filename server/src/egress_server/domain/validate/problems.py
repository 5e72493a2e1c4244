"""Collects all problems of a request, so that the caller can fix them in one go."""

from egress_server.domain.model.errors import InvalidArgument, Violation, invalid_fields


class Problems:
    """The violations below one path; `at` returns a view of a deeper path that shares the list."""

    __slots__ = ("_base", "_found", "_steps")

    def __init__(self, path: str = "", steps: tuple[str | int, ...] = (), found: list[Violation] | None = None) -> None:
        """`steps` lead from `path` to this place: fields and list positions."""
        self._base = path
        self._steps = steps
        self._found: list[Violation] = [] if found is None else found

    @property
    def path(self) -> str:
        """The place in the request. Joined only when a problem is added, which is rare."""
        path = self._base
        for step in self._steps:
            path += f"[{step}]" if isinstance(step, int) else f".{step}" if path and not step.startswith("[") else step
        return path

    def at(self, *steps: str | int) -> "Problems":
        """The place `steps` below this one: strings are fields, numbers are list positions."""
        return Problems(self._base, self._steps + steps, self._found)

    def key(self, key: str) -> "Problems":
        """The place of a map key."""
        return Problems(self._base, (*self._steps, f'["{key}"]'), self._found)

    def add(self, description: str) -> None:
        """Add a problem at this place."""
        self._found.append(Violation(self.path, description))

    def include(self, error: InvalidArgument) -> None:
        """Add the violations that another check has raised, with their own paths."""
        self._found += error.violations

    @property
    def any(self) -> bool:
        """Whether there are any problems."""
        return bool(self._found)

    def raise_if_any(self) -> None:
        """Raises InvalidArgument with all violations, if there are any."""
        if self._found:
            raise invalid_fields(self._found)
