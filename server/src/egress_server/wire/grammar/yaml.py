"""Requests that take Istio's YAML instead of fields: one way to read it, and to say what is wrong by its own paths."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from egress_server.domain.model.errors import InvalidArgument, Violation, invalid_fields
from egress_server.domain.validate import Problems
from egress_server.formats.strict_yaml import YamlError

FIELD = "istio_yaml"
T = TypeVar("T")


def read_yaml(parse: Callable[[str, Problems], T | None], text: str, problems: Problems) -> T:
    """What `parse` makes of the text; raises InvalidArgument, with reason INVALID_YAML where it is no YAML at all."""
    try:
        parsed = parse(text, problems.at(FIELD))
    except YamlError as error:
        violation = Violation(FIELD, str(error))
        raise InvalidArgument(f"{FIELD}: {error}", reason="INVALID_YAML", violations=[violation]) from error
    problems.raise_if_any()
    assert parsed is not None
    return parsed


def refuse_beside_fields(request: Any, source: str, names: tuple[str, ...], problems: Problems) -> None:
    """Fields of the request that only go with YAML, where the resource comes as `source`, which has its own."""
    for name in names:
        if request.HasField(name):
            problems.at(name).add(f"goes with {FIELD}; set {source}.{name}")


@contextmanager
def in_yaml_terms(source: str, names: tuple[str, ...], yaml_path: Callable[[str], str]) -> Iterator[None]:
    """Says what is wrong with the resource, which stands at `source`, by the YAML's paths; of the fields `names` the
    request has its own."""

    def translated(field: str) -> str:
        own = field.removeprefix(f"{source}.")
        if own == field or own.startswith(names):
            return own
        return f"{FIELD}.{yaml_path(own)}"

    try:
        yield
    except InvalidArgument as error:
        raise invalid_fields([Violation(translated(v.field), v.description) for v in error.violations]) from error
