"""The mesh-wide outbound mode as istiod reads it: text under `mesh` in a ConfigMap, read as leniently as istiod does
and edited strictly.

A text that istiod rejects is worse than a wrong one: it keeps the last good configuration, and after a restart it falls
back to its defaults, which allow any destination.
"""

from typing import Any

import yaml
from yaml.constructor import SafeConstructor

from egress_server.targets.kubernetes.configmap import splice
from egress_server.targets.kubernetes.configmap.splice import PreviousText, SpliceError
from egress_server.targets.kubernetes.configmap.yaml_positions import MAX_DEPTH

KEY = "mesh"
"""In the ConfigMap's data."""
UNREADABLE = ""
"""The mode of a text that istiod rejects, so that an earlier configuration is in effect."""
DEFAULT = "ALLOW_ANY"
_NAMES = ("outboundTrafficPolicy", "outbound_traffic_policy")  # the first wins if both are set
_MODES = ("REGISTRY_ONLY", "ALLOW_ANY", "ALLOW_ANY_DYNAMIC_DNS")  # by number


def effective_mode(text: str | None) -> str:
    """The mode of a text in istiod, which keeps the last of two equal keys and reads only the first document; None if
    there is no text. UNREADABLE if that is not certain."""
    try:
        root = _first_document(text or "")
    except yaml.YAMLError:
        return UNREADABLE
    if _is_null(root):
        return DEFAULT
    fields = _fields(root)
    if fields is None:
        return UNREADABLE
    policy = next((fields[name] for name in _NAMES if name in fields), None)
    return DEFAULT if _is_null(policy) else _mode(_fields(policy))


def _mode(policy: dict[str, yaml.Node] | None) -> str:
    if policy is None:
        return UNREADABLE
    mode = policy.get("mode")
    if _is_null(mode):
        return _MODES[0]  # an empty message has the enum's zero
    if not isinstance(mode, yaml.ScalarNode):
        return UNREADABLE
    if mode.tag == "tag:yaml.org,2002:int":
        return next((name for number, name in enumerate(_MODES) if mode.value == str(number)), UNREADABLE)
    return mode.value if mode.value in _MODES else UNREADABLE


def _first_document(text: str) -> yaml.Node | None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH or (isinstance(event, yaml.ScalarEvent) and event.value == "<<"):
            raise yaml.YAMLError("nested too deep, or uses a merge key")
        if isinstance(event, yaml.DocumentEndEvent):
            break
    loader = yaml.CSafeLoader(text)
    try:
        return loader.get_node() if loader.check_node() else None
    finally:
        loader.dispose()


def _fields(node: yaml.Node | None) -> dict[str, yaml.Node] | None:
    """The last of each key; None if it is not a mapping."""
    if not isinstance(node, yaml.MappingNode):
        return None
    return {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}


def read_data(text: str | None) -> dict[str, Any] | None:
    """A text as plain data, as istiod converts it to JSON; None if it rejects the text as YAML."""
    try:
        root = _first_document(text or "")
        data = {} if _is_null(root) else _plain(root)
    except (yaml.YAMLError, KeyError, ValueError):
        return None
    return data if isinstance(data, dict) else None


def _plain(node: yaml.Node | None) -> Any:
    fields = _fields(node)
    if fields is not None:
        return {name: _plain(value) for name, value in fields.items()}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(value) for value in node.value]
    return None if node is None else _scalar(node)


def _scalar(node: yaml.Node) -> Any:
    """Numbers and booleans stay what they are, since istiod takes neither for a text."""
    if node.tag.endswith((":bool", ":int", ":float", ":null")):
        return SafeConstructor().construct_object(node)
    return node.value


def _is_null(node: yaml.Node | None) -> bool:
    return node is None or node.tag == "tag:yaml.org,2002:null"


def written_mode(text: str | None) -> str | None:
    """The mode as written; None if none is. Raises SpliceError if the text can't be edited safely."""
    return splice.read(text or "", _path(text or ""))


def set_mode(text: str | None, mode: str) -> tuple[str, PreviousText]:
    """The text with `mode` written out, and what `restore_mode` needs. Raises SpliceError."""
    new, before = splice.put(text or "", _path(text or ""), mode)
    if effective_mode(new) != mode:
        raise SpliceError("istiod would read a different mode")
    return new, before


def restore_mode(text: str, before: PreviousText) -> str:
    """The text as it was before the mode was set, with everything that others have changed since. Raises
    SpliceError."""
    return splice.restore(text, _path(text), before)


def _path(text: str) -> tuple[str, str]:
    return next((name for name in _NAMES if splice.has(text, (name,))), _NAMES[0]), "mode"
