"""YAML as strictly as a control plane must read it: one document, no aliases, no duplicate keys, no tags, bounded.

PyYAML keeps the last of two equal keys, expands aliases without limit, and reads 1:20 as 80 and 010 as 8; each of
these has broken meshes before.
"""

import re
from collections.abc import Hashable
from typing import Any

import yaml

MAX_LENGTH = 256 * 1024  # reading takes most of a second of everybody's time
MAX_DEPTH = 64
_LOST_INDENTATION = re.compile(
    r"^(metadata|spec):[ \t]*\r?\n(?:[ \t]*\r?\n)*"
    r"(?![ \t]|---|\.\.\.|#|(?:apiVersion|kind|metadata|spec|status):)(\S[^\r\n]*)",
    re.M,
)
# What plain text means where it is no text, and how it may begin. The rest of YAML 1.1 (dates, octal and sexagesimal
# numbers, merges) is not understood: a number of another form is a float here, which no field of ours takes.
_MEANINGS = tuple(
    (f"tag:yaml.org,2002:{tag}", re.compile(rf"(?:{pattern})\Z"), firsts)
    for tag, pattern, firsts in (
        ("null", "~|null|Null|NULL|", ["", *"~nN"]),
        ("bool", "yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF", [*"yYnNtTfFoO"]),
        ("int", "[-+]?(?:0|[1-9][0-9]{0,17})", [*"-+0123456789"]),
        ("float", r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?", [*"-+.0123456789"]),
    )
)


class YamlError(ValueError):
    """The text can't be read; the message says what and where, for people."""


class _Loader(yaml.CSafeLoader):
    """Refuses duplicate keys; a key is always the text that it was."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        mapping: dict[Hashable, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise YamlError(f"line {line}: a key must be plain text")
            if key.value in mapping:
                raise YamlError(f"line {line}: {key.value!r:.80} is set twice")
            mapping[key.value] = self.construct_object(value, deep)
        return mapping


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern, firsts in _MEANINGS if first in firsts]
    for first in {first for *_, firsts in _MEANINGS for first in firsts}
}


class _Dumper(yaml.CSafeDumper):
    """Puts in quotes what PyYAML, or we, would not read as text; writes what stands twice twice, as we read no
    aliases."""

    def ignore_aliases(self, _: object) -> bool:
        """Always."""
        return True


for _meaning in _MEANINGS:
    _Dumper.add_implicit_resolver(*_meaning)


def load_mapping(text: str) -> dict[str, Any]:
    """The one mapping in `text`; its keys are texts. Raises YamlError."""
    if len(text) > MAX_LENGTH:
        raise YamlError(f"has {len(text)} characters; at most {MAX_LENGTH} are read")
    if lost := _LOST_INDENTATION.search(text):
        line = text.count("\n", 0, lost.start()) + 1
        raise YamlError(
            f"the indentation is lost: nothing is indented below '{lost.group(1)}:' (line {line}); "
            f"'{lost.group(2)[:40]}' must be indented to belong to it"
        )
    try:
        _check_events(text)
        # A SafeLoader by another name: it makes YAML's own types and nothing else.
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
        raise YamlError("must be one object with apiVersion, kind, metadata and spec")
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
                raise YamlError(f"{_line(event)}: a second document; send one at a time")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise YamlError(f"{_line(event)}: nested deeper than {MAX_DEPTH} levels")


def _line(event: yaml.Event) -> str:
    return f"line {event.start_mark.line + 1}" if event.start_mark else "somewhere"


def dump(value: Any) -> str:
    """`value` as block YAML in the order of its keys, as people write Kubernetes objects."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, default_flow_style=False, width=120)
