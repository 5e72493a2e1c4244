"""YAML read as strictly as a control plane should: one document of limited size, no aliases, duplicate keys or tags.

PyYAML keeps the last of two equal keys, expands aliases without limit, and reads 1:20 as 80 and 010 as 8; each of
these has broken meshes before.
"""

import re
from collections.abc import Hashable
from typing import Any

import yaml

MAX_LENGTH = 256 * 1024  # characters; parsing these blocks the event loop for most of a second
MAX_DEPTH = 64
_LOST_INDENTATION = re.compile(
    r"^(metadata|spec):[ \t]*\r?\n(?:[ \t]*\r?\n)*"
    r"(?![ \t]|---|\.\.\.|#|(?:apiVersion|kind|metadata|spec|status):)(\S[^\r\n]*)",
    re.M,
)
# Plain scalars that are not strings, by tag, with the characters they may start with. The rest of YAML 1.1 (dates,
# octal and sexagesimal numbers, merge keys) is not supported: a number of another form is a float, which no field
# takes.
_SCALARS = tuple(
    (f"tag:yaml.org,2002:{tag}", re.compile(rf"(?:{pattern})\Z"), firsts)
    for tag, pattern, firsts in (
        ("null", "~|null|Null|NULL|", ["", *"~nN"]),
        ("bool", "yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF", [*"yYnNtTfFoO"]),
        ("int", "[-+]?(?:0|[1-9][0-9]{0,17})", [*"-+0123456789"]),
        ("float", r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?", [*"-+.0123456789"]),
    )
)


class YamlError(ValueError):
    """The text can't be parsed; the human-readable message says why and where."""


class _Loader(yaml.CSafeLoader):
    """Refuses duplicate keys, and reads every key as the string that was written."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        mapping: dict[Hashable, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise YamlError(f"line {line}: a key must be a plain string")
            if key.value in mapping:
                raise YamlError(f"line {line}: duplicate key {key.value!r:.80}")
            mapping[key.value] = self.construct_object(value, deep)
        return mapping


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern, firsts in _SCALARS if first in firsts]
    for first in {first for *_, firsts in _SCALARS for first in firsts}
}


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


for _scalar in (*_SCALARS, *_GO_SCALARS):
    _Dumper.add_implicit_resolver(*_scalar)


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
        _check_events(text)
        # A subclass of SafeLoader: it creates YAML's own types only.
        value = yaml.load(text, Loader=_Loader)
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


def _check_events(text: str) -> None:
    depth = documents = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise YamlError(f"{_line(event)}: aliases are not allowed")
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag:
            raise YamlError(f"{_line(event)}: tags such as {event.tag:.40} are not allowed")
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise YamlError(f"{_line(event)}: only one document is allowed; send one at a time")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise YamlError(f"{_line(event)}: nested deeper than {MAX_DEPTH} levels")


def _line(event: yaml.Event) -> str:
    return f"line {event.start_mark.line + 1}" if event.start_mark else "at an unknown line"


def dump(value: Any) -> str:
    """`value` as block YAML in the order of its keys, the way Kubernetes objects are written."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, default_flow_style=False, width=120)
