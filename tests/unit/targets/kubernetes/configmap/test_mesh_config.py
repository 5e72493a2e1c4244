"""The mesh-wide mode in istiod's text: read as istiod does, edited so that nothing else changes."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from egress_server.targets.kubernetes.configmap.mesh_config import (
    UNREADABLE,
    effective_mode,
    restore_mode,
    set_mode,
    written_mode,
)
from egress_server.targets.kubernetes.configmap.splice import SpliceError

HELM = """\
accessLogFile: /dev/stdout
defaultConfig:
  discoveryAddress: istiod.istio-system.svc:15012
defaultProviders:
  metrics:
  - prometheus
enablePrometheusMerge: true
rootNamespace: istio-system
trustDomain: cluster.local"""
OURS = "outboundTrafficPolicy:\n  mode: REGISTRY_ONLY\n"


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        (None, "ALLOW_ANY"),
        ("", "ALLOW_ANY"),
        ("# nothing\n", "ALLOW_ANY"),
        ("null", "ALLOW_ANY"),
        ("---\n", "ALLOW_ANY"),
        (HELM, "ALLOW_ANY"),
        ("outboundTrafficPolicy:", "ALLOW_ANY"),
        ("outboundTrafficPolicy: {}", "REGISTRY_ONLY"),
        ("outboundTrafficPolicy: {mode: null}", "REGISTRY_ONLY"),
        ("outboundTrafficPolicy: {mode: ALLOW_ANY}", "ALLOW_ANY"),
        ("outboundTrafficPolicy: {mode: ALLOW_ANY_DYNAMIC_DNS}", "ALLOW_ANY_DYNAMIC_DNS"),
        ("outboundTrafficPolicy: {mode: 1}", "ALLOW_ANY"),
        ("'outboundTrafficPolicy': {\"mode\": 'ALLOW_ANY'}", "ALLOW_ANY"),
        ("outboundTrafficPolicy: {Mode: ALLOW_ANY}", "REGISTRY_ONLY"),
        ("outbound_traffic_policy: {mode: REGISTRY_ONLY}", "REGISTRY_ONLY"),
        ("outboundTrafficPolicy:\noutbound_traffic_policy: {mode: REGISTRY_ONLY}", "ALLOW_ANY"),
        ("outboundTrafficPolicy: {mode: REGISTRY_ONLY}\noutboundTrafficPolicy: {mode: ALLOW_ANY}", "ALLOW_ANY"),
        ("outboundTrafficPolicy: {mode: REGISTRY_ONLY}\n---\n{{{", "REGISTRY_ONLY"),
        ("x: &a {mode: REGISTRY_ONLY}\noutboundTrafficPolicy: *a", "REGISTRY_ONLY"),
        ("outboundTrafficPolicy: {mode: allow_any}", UNREADABLE),
        ("outboundTrafficPolicy: {mode: ''}", UNREADABLE),
        ("outboundTrafficPolicy: {mode: [ALLOW_ANY]}", UNREADABLE),
        ("outboundTrafficPolicy: {mode: 7}", UNREADABLE),
        ("outboundTrafficPolicy: []", UNREADABLE),
        ("outboundTrafficPolicy: ALLOW_ANY", UNREADABLE),
        ("x: &a {mode: REGISTRY_ONLY}\noutboundTrafficPolicy: {<<: *a}", UNREADABLE),
        ("\toutboundTrafficPolicy: {}", UNREADABLE),
        ("a: *b", UNREADABLE),
        ("a: {<<: b}", UNREADABLE),
        ("- a", UNREADABLE),
        ("[" * 100 + "]" * 100, UNREADABLE),
    ],
)
def test_effective_mode(text: str | None, mode: str) -> None:
    """The one that istiod 1.31 uses; none if that is not certain."""
    assert effective_mode(text) == mode


@pytest.mark.parametrize(
    ("text", "edited"),
    [
        ("", OURS),
        (HELM, OURS + HELM),
        ("# text\na: b\n", OURS + "# text\na: b\n"),
        ("---\n# text\na: b\n", "---\n" + OURS + "# text\na: b\n"),
        ("  a: b\r\n", "  outboundTrafficPolicy:\r\n    mode: REGISTRY_ONLY\r\n  a: b\r\n"),
        ("{}", '{"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}}'),
        ('{\n  "a": 1\n}', '{\n  "outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"},\n  "a": 1\n}'),
        ("outboundTrafficPolicy: {}\na: b", 'outboundTrafficPolicy: {"mode": "REGISTRY_ONLY"}\na: b'),
        ("outboundTrafficPolicy: # none\n", 'outboundTrafficPolicy: {"mode": "REGISTRY_ONLY"} # none\n'),
        ("outboundTrafficPolicy: ~\n", 'outboundTrafficPolicy: {"mode": "REGISTRY_ONLY"}\n'),
        ("outboundTrafficPolicy:\n    mode:\n", "outboundTrafficPolicy:\n    mode: REGISTRY_ONLY\n"),
        (
            "outboundTrafficPolicy:\n  # what it is\n  other: 1\n",
            "outboundTrafficPolicy:\n  mode: REGISTRY_ONLY\n  # what it is\n  other: 1\n",
        ),
        ("outboundTrafficPolicy:\n  mode: ALLOW_ANY # why\n", "outboundTrafficPolicy:\n  mode: REGISTRY_ONLY # why\n"),
        ("é: 🌍\noutboundTrafficPolicy: {mode: 1}", 'é: 🌍\noutboundTrafficPolicy: {mode: "REGISTRY_ONLY"}'),
        ("outbound_traffic_policy: {mode: ALLOW_ANY}", "outbound_traffic_policy: {mode: REGISTRY_ONLY}"),
        ("a: &x [1]\nb: *x\n", OURS + "a: &x [1]\nb: *x\n"),
    ],
)
def test_setting_and_restoring(text: str, edited: str) -> None:
    """The mode is written out, everything else stays, and restoring gives the same text to the last byte."""
    new, before = set_mode(text, "REGISTRY_ONLY")
    assert new == edited
    assert written_mode(new) == "REGISTRY_ONLY"
    assert restore_mode(new, before) == text


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\na: 2",
        "a: {b: 1, b: 2}",
        "a: b\n---\nc: d",
        "\ta: b",
        "a: *b",
        "- a",
        "x: &a {mode: ALLOW_ANY}\noutboundTrafficPolicy: *a",
        "outboundTrafficPolicy: &a {mode: ALLOW_ANY}\nx: *a",
        "outboundTrafficPolicy: {mode: &a ALLOW_ANY}\nx: *a",
        "x: &a {mode: ALLOW_ANY}\noutboundTrafficPolicy: {<<: *a}",
        "x: &a {b: c}\n<<: *a",
        "outboundTrafficPolicy: !!map {mode: ALLOW_ANY}",
        "outboundTrafficPolicy: {mode: {}}",
        "outboundTrafficPolicy: {mode: []}",
        "outboundTrafficPolicy: {mode}",
        "outboundTrafficPolicy: [ALLOW_ANY]",
        "outboundTrafficPolicy: ALLOW_ANY",
        "outboundTrafficPolicy:\n  mode: |\n    ALLOW_ANY\n",
        "? outboundTrafficPolicy\n: other: 1\n",
        "? {a: b}\n: c",
        "~: b",
        "a: {<<: b}",
        "\ufeffa: b",
        "\x01",
        "[" * 100 + "]" * 100,
        "a: b\n" * 60_000,
    ],
)
def test_texts_that_are_not_edited(text: str) -> None:
    """A text whose edit could be ambiguous, or that istiod rejects, is left alone."""
    with pytest.raises(SpliceError):
        set_mode(text, "REGISTRY_ONLY")


def test_mode_is_always_written_out() -> None:
    """An empty object means REGISTRY_ONLY, but does not name it."""
    assert written_mode("outboundTrafficPolicy: {}") is None
    assert written_mode("outboundTrafficPolicy: {mode: REGISTRY_ONLY}") == "REGISTRY_ONLY"
    assert written_mode(None) is None


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        (
            HELM,
            lambda t: t.replace("  mode: REG", "  other: 1\n  mode: REG"),
            "outboundTrafficPolicy:\n  other: 1\n" + HELM,
        ),
        (HELM, lambda t: t + "\nmore: 1", HELM + "\nmore: 1"),
        (HELM, lambda _: HELM.replace("accessLogFile", "outboundTrafficPolicy: {}\nx"), None),
        ("outboundTrafficPolicy: ~\n", lambda _: OURS, ""),
        (
            "outboundTrafficPolicy: ~\na: b",
            lambda t: t.replace("{", "{more: 1, "),
            "outboundTrafficPolicy: {more: 1}\na: b",
        ),
        ("outboundTrafficPolicy:\n  x: 1\na: b\n", lambda t: t.replace("  x: 1\n", ""), "a: b\n"),
        ("outboundTrafficPolicy: {mode: ALLOW_ANY}", lambda _: OURS, "outboundTrafficPolicy:\n  mode: ALLOW_ANY\n"),
    ],
)
def test_restoring_after_foreign_changes(before: str, change: Callable[[str], str], after: str | None) -> None:
    """Only the mode is restored; what was added next to it stays, and nothing happens if it was removed meanwhile."""
    new, previous = set_mode(before, "REGISTRY_ONLY")
    changed = change(new)
    assert restore_mode(changed, previous) == (changed if after is None else after)


# Texts of all styles: the same small vocabulary, formatted in many ways.
SCALARS = st.sampled_from(
    ["1", "b", "'c d'", '"é\\n🌍"', "~", "", "ALLOW_ANY", "*", "x: y", "# no", "&a z", "*a", "|\n  q", "-"]
)
POLICIES = st.sampled_from(["outboundTrafficPolicy", "'outboundTrafficPolicy'", "outbound_traffic_policy", "mode"])
KEYS = st.sampled_from(["a", "'b'", '"c"', "mesh", "mode", "other", "<<"]) | POLICIES
SPACE = st.sampled_from(["", " ", "  ", "\n", "\n\n", " # why\n", "\r\n", "\t"])


@st.composite
def flow(draw: st.DrawFn, depth: int = 2) -> str:
    """A flow mapping."""
    value = SCALARS | flow(depth - 1) if depth else SCALARS
    pairs = draw(st.lists(st.tuples(SPACE, KEYS, value, SPACE), max_size=3))
    return "{" + ",".join(f"{a}{key}: {val}{b}" for a, key, val, b in pairs) + draw(SPACE) + "}"


@st.composite
def block(draw: st.DrawFn, indent: str = "", depth: int = 2) -> str:
    """Lines of a block mapping."""
    own = indent + draw(st.sampled_from(["", "  "]))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    lines: list[str] = []
    for _ in range(draw(st.integers(1, 3))):
        lines += draw(st.lists(st.sampled_from(["", own + "# why", "# why", "  "]), max_size=2))
        key = draw(KEYS)
        if depth and draw(st.booleans()):
            lines += [f"{own}{key}:", draw(block(own + "  ", depth - 1)).removesuffix(end)]
        else:
            lines.append(f"{own}{key}: {draw(SCALARS | flow())}{draw(st.sampled_from(['', ' # c', ' ']))}")
    return end.join(lines) + draw(st.sampled_from(["", end, end + end, end + "# end", end + "..." + end]))


TEXTS = (
    block()
    | flow()
    | st.builds("---\n{}".format, block())
    | st.text(alphabet="a:{}[],'\"#&*<|>-~? \n\r\t", max_size=40)
)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(TEXTS, st.sampled_from(["REGISTRY_ONLY", "ALLOW_ANY"]))
@example("outboundTrafficPolicy: {mode: }", "ALLOW_ANY")
def test_edit_and_restore_any_text(text: str, mode: str) -> None:
    """Every edit results in the wanted mode, leaves everything else as it is, and is restored byte for byte."""
    try:
        new, before = set_mode(text, mode)
    except SpliceError:
        assume(False)
        return
    assert effective_mode(new) == written_mode(new) == mode
    assert restore_mode(new, before) == text
    assert _without_mode(new) == _without_mode(text)
    again, second = set_mode(new, mode)
    assert again == new
    assert restore_mode(again, second) == new


def _without_mode(text: str) -> Any:
    """PyYAML's own reading of a text without the mode; null counts as an empty mapping."""
    value = _mapping(yaml.load(text, Loader=yaml.CBaseLoader))
    for name in ("outboundTrafficPolicy", "outbound_traffic_policy"):
        policy = _mapping(value.get(name))
        policy.pop("mode", None)
        if name in value and not policy:
            del value[name]
    return value


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
