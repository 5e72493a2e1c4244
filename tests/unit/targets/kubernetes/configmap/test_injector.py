"""The injector's values inside the JSON that helm writes."""

import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egress_server.targets.kubernetes.configmap.injector import (
    FIELDS,
    invalid_value,
    read_values,
    restore_values,
    set_values,
)
from egress_server.targets.kubernetes.configmap.splice import SpliceError

HELM: dict[str, Any] = {
    "gateways": {"seccompProfile": {}, "securityContext": {}},
    "global": {
        "proxy": {
            "autoInject": "enabled",
            "excludeIPRanges": "",
            "excludeOutboundPorts": "",
            "image": "proxyv2",
            "includeIPRanges": "*",
            "includeOutboundPorts": "",
            "startupProbe": {"enabled": True, "failureThreshold": 600},
        },
        "tag": "1.31-<&>",
    },
    "revision": "",
}
OURS = {
    "includeIPRanges": "10.0.0.0/8,2001:db8::/32",
    "excludeIPRanges": "10.1.0.0/16",
    "includeOutboundPorts": "3306",
    "excludeOutboundPorts": "",
}


def written(value: Any) -> str:
    """As helm's toPrettyJson writes it."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def without(*names: str) -> dict[str, Any]:
    """Helm's values without some of the proxy's."""
    proxy = {name: value for name, value in HELM["global"]["proxy"].items() if name not in names}
    return HELM | {"global": HELM["global"] | {"proxy": proxy}}


def test_only_what_differs_is_touched() -> None:
    """Every other byte of helm's text stays, and values that are already right need not be restored."""
    text = written(HELM)
    new, before = set_values(text, OURS)
    wanted = json.loads(text)
    wanted["global"]["proxy"].update(OURS)
    assert json.loads(new) == wanted
    assert new == written(wanted)
    assert set(before) == {"includeIPRanges", "excludeIPRanges", "includeOutboundPorts"}
    assert read_values(new) == OURS
    assert restore_values(new, before) == text


@pytest.mark.parametrize("dump", [written, json.dumps, lambda value: json.dumps(value, separators=(",", ":"))])
@pytest.mark.parametrize("names", [names for n in range(5) for names in itertools.combinations(FIELDS, n)])
def test_missing_values_are_added_and_removed(dump: Callable[[Any], str], names: tuple[str, ...]) -> None:
    """However the JSON is formatted."""
    text = dump(without(*names))
    new, before = set_values(text, OURS)
    assert read_values(new) == OURS
    assert json.loads(new)["global"]["proxy"].items() >= {n: v for n, v in OURS.items() if v}.items()
    assert restore_values(new, before) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"global": {}}',
        '{"global": {"proxy": {}}}',
        '{"global": {"proxy": null}}',
        "global:\n  proxy:\n    a: b\n",
    ],
)
def test_values_of_other_installers(text: str) -> None:
    """The mapping may be missing, and the text may be YAML: istiod reads both."""
    new, before = set_values(text, OURS | {"includeIPRanges": "*"})
    assert read_values(new)["includeIPRanges"] == "*"
    assert restore_values(new, before) == text


def test_missing_ports_and_ranges() -> None:
    """The injector's template treats missing ports as none, and renders missing ranges as `<nil>`."""
    assert read_values(written(without(*FIELDS))) == {"includeOutboundPorts": "", "excludeOutboundPorts": ""}
    assert read_values(written(HELM))["includeIPRanges"] == "*"


@pytest.mark.parametrize("text", ["[]", "{", '{"global": [1]}', '{"global": {"proxy": 7}}', '{"a": 1, "a": 2}'])
def test_texts_that_are_not_edited(text: str) -> None:
    """A text that istiod rejects, or reads in its own way."""
    with pytest.raises(SpliceError):
        set_values(text, OURS)


@given(
    st.dictionaries(st.sampled_from(FIELDS), st.sampled_from(["*", "", "10.0.0.0/8", "443"])),
    st.sampled_from([None, 1, 2]),
)
@settings(max_examples=60, deadline=None)
def test_any_values_are_set_and_restored(initial: Mapping[str, str], indent: int | None) -> None:
    """Whatever was there before."""
    text = json.dumps({"global": {"proxy": dict(initial)}}, indent=indent)
    new, before = set_values(text, OURS)
    assert read_values(new) == OURS
    assert restore_values(new, before) == text


@pytest.mark.parametrize(
    "bad",
    [
        {"includeIPRanges": "10.0.0.1/8"},
        {"includeIPRanges": "10.0.0.1"},
        {"includeIPRanges": "*,10.0.0.0/8"},
        {"excludeIPRanges": "*"},
        {"excludeIPRanges": "10.0.0.0/8, 10.1.0.0/16"},
        {"excludeIPRanges": "<nil>"},
        {"excludeIPRanges": ","},
        {"includeOutboundPorts": "70000"},
        {"includeOutboundPorts": "080"},
        {"excludeOutboundPorts": "http"},
        {"excludeOutboundPorts": "1,,2"},
    ],
)
def test_values_that_would_break_a_pod(bad: dict[str, str]) -> None:
    """The message names the value and the item in it."""
    [name] = bad
    assert invalid_value(OURS) == ""
    assert invalid_value(OURS | {"includeIPRanges": "*", "excludeIPRanges": ""}) == ""
    assert invalid_value(OURS | bad).startswith(f"{name} has ")
