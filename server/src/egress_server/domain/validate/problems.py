"""Gathers all that is wrong with a request, so that the caller can mend it in one go."""

from egress_server.domain.errors import InvalidArgument, Violation, invalid_fields


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
