"""The problems that a check finds, in the form that tests compare."""

from collections.abc import Callable

from egress_server.domain.model.errors import InvalidArgument


def violations_of(check: Callable[[], object]) -> list[tuple[str, str]]:
    """Field and description of all that `check` refuses; empty if it refuses nothing."""
    try:
        check()
    except InvalidArgument as error:
        return [(violation.field, violation.description) for violation in error.violations]
    return []
