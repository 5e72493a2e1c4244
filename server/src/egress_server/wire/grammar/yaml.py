"""Requests that have Istio YAML instead of fields: reads it, and reports problems by the paths of the YAML."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from egress_server.domain.model.errors import InvalidArgument, Violation, invalid_fields
from egress_server.domain.validate import Problems
from egress_server.formats.strict_yaml import YamlError

FIELD = "istio_yaml"
T = TypeVar("T")


def read_yaml(parse: Callable[[str, Problems], T | None], text: str, problems: Problems) -> T:
    """The result of `parse`. Raises InvalidArgument, with reason INVALID_YAML if the text is not YAML."""
    try:
        parsed = parse(text, problems.at(FIELD))
    except YamlError as error:
        violation = Violation(FIELD, str(error))
        raise InvalidArgument(f"{FIELD}: {error}", reason="INVALID_YAML", violations=[violation]) from error
    problems.raise_if_any()
    assert parsed is not None
    return parsed


def refuse_yaml_options(request: Any, source: str, names: tuple[str, ...], problems: Problems) -> None:
    """Adds a problem for each field of the request that is only for YAML. The resource at `source` has its own."""
    for name in names:
        if request.HasField(name):
            problems.at(name).add(f"can only be used with {FIELD}; set {source}.{name} instead")


@contextmanager
def in_yaml_terms(source: str, names: tuple[str, ...], yaml_path: Callable[[str], str]) -> Iterator[None]:
    """Translates the paths of problems with the resource at `source` to those of the YAML, except for the fields
    `names`, which the request has itself."""

    def translated(field: str) -> str:
        own = field.removeprefix(f"{source}.")
        if own == field or own.startswith(names):
            return own
        return f"{FIELD}.{yaml_path(own)}"

    try:
        yield
    except InvalidArgument as error:
        raise invalid_fields([Violation(translated(v.field), v.description) for v in error.violations]) from error
