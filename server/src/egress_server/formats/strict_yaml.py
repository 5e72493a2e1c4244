"""YAML read as strictly as a control plane should: one document of limited size, no aliases, duplicate keys or tags.

PyYAML keeps the last of two equal keys, expands aliases without limit, and reads 1:20 as 80 and 010 as 8; each of
these has broken meshes before.
"""

import re
from collections.abc import Callable
from typing import Any

import yaml

MAX_LENGTH = 256 * 1024  # characters
MAX_DEPTH = 64
_LOST_INDENTATION = re.compile(
    r"^(metadata|spec):[ \t]*\r?\n(?:[ \t]*\r?\n)*"
    r"(?![ \t]|---|\.\.\.|#|(?:apiVersion|kind|metadata|spec|status):)(\S[^\r\n]*)",
    re.M,
)
# Plain scalars that are not strings, by tag, with the characters they may start with, and what they mean. The rest of
# YAML 1.1 (dates, octal and sexagesimal numbers, merge keys) is not supported: a number of another form is a float,
# which no field takes.
_SCALARS: tuple[tuple[str, re.Pattern[str], list[str], Callable[[str], Any]], ...] = (
    ("tag:yaml.org,2002:null", re.compile(r"(?:~|null|Null|NULL|)\Z"), ["", *"~nN"], lambda _: None),
    (
        "tag:yaml.org,2002:bool",
        re.compile(r"(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)\Z"),
        [*"yYnNtTfFoO"],
        lambda text: text.lower() in ("yes", "true", "on"),
    ),
    ("tag:yaml.org,2002:int", re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})\Z"), [*"-+0123456789"], int),
    (
        "tag:yaml.org,2002:float",
        re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\Z"),
        [*"-+.0123456789"],
        float,
    ),
)
_READERS = {
    first: [(pattern, read) for _, pattern, firsts, read in _SCALARS if first in firsts]
    for first in {first for _, _, firsts, _ in _SCALARS for first in firsts}
}
"""The patterns that a plain scalar may match, with what reads it then, by its first character."""


class YamlError(ValueError):
    """The text can't be parsed; the human-readable message says why and where."""


# Plain scalars that Kubernetes' YAML (Go, YAML 1.1) does not read as strings, but PyYAML and this module do.
_GO_SCALARS = (
    ("tag:yaml.org,2002:bool", re.compile(r"[yYnN]\Z"), [*"yYnN"]),
    ("tag:yaml.org,2002:int", re.compile(r"[-+]?_*0_*[xXoObB][0-9a-fA-F_]+\Z"), [*"-+0"]),
    ("tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9_]*\.?[0-9_]+(?:[eE][-+]?[0-9_]+)?\Z"), [*"-+.0123456789"]),
    ("tag:yaml.org,2002:float", re.compile(r"[-+]?\.(?:inf|Inf|INF|nan|NaN|NAN)\Z"), [*"-+."]),
)


class _Dumper(yaml.CSafeDumper):
    """Quotes strings that PyYAML, this module or Kubernetes would not read as strings, and never writes aliases, which
    are refused on reading."""

    def ignore_aliases(self, _: object) -> bool:
        """Always."""
        return True


for _tag, _pattern, _firsts, *_ in (*_SCALARS, *_GO_SCALARS):
    _Dumper.add_implicit_resolver(_tag, _pattern, _firsts)


def load_mapping(text: str) -> dict[str, Any]:
    """Parse the only mapping in `text`, whose keys are strings. Raises YamlError."""
    if len(text) > MAX_LENGTH:
        raise YamlError(f"has {len(text)} characters; at most {MAX_LENGTH} are allowed")
    if lost := _LOST_INDENTATION.search(text):
        line = text.count("\n", 0, lost.start()) + 1
        raise YamlError(
            f"line {line}: the indentation is missing below '{lost.group(1)}:'; "
            f"indent '{lost.group(2)[:40]}' and the lines that belong to it"
        )
    try:
        value = _only_document(text)
    except YamlError:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise YamlError(f"{where}{error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise YamlError(str(error).partition("\n")[0]) from error
    if not isinstance(value, dict):
        raise YamlError("must be an object with apiVersion, kind, metadata and spec")
    return value


def _only_document(text: str) -> Any:
    """The value that the parser's events describe, in one pass without recursion: neither size nor depth makes this
    slow."""
    document = _Document()
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        document.add(event)
    return document.value


class _Document:
    """One document, built event by event."""

    def __init__(self) -> None:
        self.value: Any = None
        self._started = False
        self._open: list[Any] = []
        self._keys: list[str | None] = []  # of each open container, the key whose value comes next

    def add(self, event: yaml.Event) -> None:
        """The next event. Raises YamlError for what is not supported."""
        match event:
            case yaml.ScalarEvent():
                self._add_scalar(event)
            case yaml.CollectionStartEvent():
                self._enter(event)
            case yaml.CollectionEndEvent():
                self._open.pop()
                self._keys.pop()
            case yaml.AliasEvent():
                raise YamlError(f"{_line(event)}: aliases are not allowed")
            case yaml.DocumentStartEvent() if self._started:
                raise YamlError(f"{_line(event)}: only one document is allowed; send one at a time")
            case yaml.DocumentStartEvent():
                self._started = True

    def _add_scalar(self, event: yaml.ScalarEvent) -> None:
        _refuse_tag(event)
        if not self._key_is_next:
            self._place(_meaning(event.value) if event.implicit[0] else event.value)
            return
        if event.value in self._open[-1]:
            raise YamlError(f"{_line(event)}: duplicate key {event.value!r:.80}")
        self._keys[-1] = event.value

    def _enter(self, event: yaml.CollectionStartEvent) -> None:
        _refuse_tag(event)
        if self._key_is_next:
            raise YamlError(f"{_line(event)}: a key must be a plain string")
        if len(self._open) == MAX_DEPTH:
            raise YamlError(f"{_line(event)}: nested deeper than {MAX_DEPTH} levels")
        made: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._place(made)
        self._open.append(made)
        self._keys.append(None)

    @property
    def _key_is_next(self) -> bool:
        return bool(self._open) and self._keys[-1] is None and isinstance(self._open[-1], dict)

    def _place(self, value: Any) -> None:
        if not self._open:
            self.value = value
        elif isinstance(self._open[-1], list):
            self._open[-1].append(value)
        else:
            self._open[-1][self._keys[-1]] = value
            self._keys[-1] = None


def _refuse_tag(event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
    if event.tag:
        raise YamlError(f"{_line(event)}: tags such as {event.tag:.40} are not allowed")


def _meaning(text: str) -> Any:
    """What a plain scalar means."""
    for pattern, read in _READERS.get(text[:1], ()):
        if pattern.match(text):
            return read(text)
    return text


def _line(event: yaml.Event) -> str:
    return f"line {event.start_mark.line + 1}" if event.start_mark else "at an unknown line"


def dump(value: Any) -> str:
    """`value` as block YAML in the order of its keys, the way Kubernetes objects are written."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, default_flow_style=False, width=120)
