"""YAML as strictly as a control plane must read it: one document, no aliases, no duplicate keys, bounded depth.

PyYAML keeps the last of two equal keys and expands aliases without limit; both have broken meshes before.
"""

import re
from collections.abc import Hashable
from typing import Any

import yaml

MAX_DEPTH = 64
_LOST_INDENTATION = re.compile(
    r"^(metadata|spec):[ \t]*\r?\n(?:[ \t]*\r?\n)*"
    r"(?![ \t]|---|\.\.\.|#|(?:apiVersion|kind|metadata|spec|status):)(\S[^\r\n]*)",
    re.M,
)


class YamlError(ValueError):
    """The text can't be read; the message says what and where, for people."""


class _Loader(yaml.CSafeLoader):
    """Refuses duplicate keys; keeps dates as the text they were."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise YamlError(f"line {key.start_mark.line + 1}: a key must be plain text")
            if key.value in seen:
                raise YamlError(f"line {key.start_mark.line + 1}: {key.value!r} is set twice")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def load_mapping(text: str) -> dict[str, Any]:
    """The one mapping in `text`; raises YamlError."""
    if lost := _LOST_INDENTATION.search(text):
        line = text.count("\n", 0, lost.start()) + 1
        raise YamlError(
            f"the indentation is lost: nothing is indented below '{lost.group(1)}:' (line {line}); "
            f"'{lost.group(2)[:40]}' must be indented to belong to it"
        )
    try:
        _check_events(text)
        # A SafeLoader by another name: no tags beyond YAML's own types.
        value = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise YamlError(f"{where}{error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, YamlError):
            raise
        raise YamlError(str(error).partition("\n")[0]) from error
    if not isinstance(value, dict):
        raise YamlError("must be one object with apiVersion, kind, metadata and spec")
    return value


def _check_events(text: str) -> None:
    depth = documents = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise YamlError(f"{_line(event)}: aliases are not allowed")
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise YamlError(f"{_line(event)}: a second document; send one at a time")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise YamlError(f"nested deeper than {MAX_DEPTH} levels")


def _line(event: yaml.Event) -> str:
    return f"line {event.start_mark.line + 1}" if event.start_mark else "somewhere"


def dump(value: Any) -> str:
    """`value` as block YAML in the order of its keys, as people write Kubernetes objects."""
    return yaml.dump(value, Dumper=yaml.CSafeDumper, sort_keys=False, default_flow_style=False, width=120)
