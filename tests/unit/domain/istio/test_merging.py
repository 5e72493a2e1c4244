"""Which entries of one host Istio merges; the rule is canMergeServices in its pilot/pkg/model/sidecar.go."""

from dataclasses import replace
from typing import Any

import pytest

from egress_server.domain.istio.merging import merge_key
from egress_server.domain.model.objects import MANAGED_BY
from egress_server.domain.model.resources import Resolution
from tests.support.meshes import entry, ports

BANK = entry("bank")
FOREIGN = replace(BANK, name="ServiceEntry/default/bank")


@pytest.mark.parametrize(
    ("change", "merged"),
    [
        ({"ports": ports("8080:HTTP")}, True),
        ({"addresses": ("203.0.113.9",)}, True),
        ({"annotations": {"a": "b"}}, True),
        ({"name": entry("bank", namespace="shop").name}, False),
        ({"resolution": Resolution.DNS}, False),
        ({"labels": {"team": "a"}}, False),
        ({"workload_selector": {"app": "a"}}, False),
        ({"export_to": ("*",)}, True),
        ({"export_to": (".",)}, False),
    ],
)
def test_managed_entries(change: dict[str, Any], merged: bool) -> None:
    """Namespace, resolution, labels, selector and exportTo as written must be equal, nothing else."""
    assert (merge_key(BANK) == merge_key(replace(BANK, **change))) is merged


def test_order_of_export_to() -> None:
    """exportTo is a set."""
    assert merge_key(replace(BANK, export_to=("a", "b"))) == merge_key(replace(BANK, export_to=("b", "a")))


def test_managed_and_foreign_entries() -> None:
    """A managed entry has our label, so it never merges with a foreign one; foreign ones merge if their labels are
    equal."""
    assert merge_key(BANK) != merge_key(FOREIGN)
    assert merge_key(FOREIGN) == merge_key(FOREIGN, {})
    assert merge_key(FOREIGN) != merge_key(FOREIGN, {"app": "a"})
    assert merge_key(replace(FOREIGN, name="Service/default/bank")) != merge_key(FOREIGN)


def test_our_label_on_a_foreign_entry() -> None:
    """Istio compares labels, not owners; managed entries always say where they are exported to."""
    assert merge_key(BANK) == merge_key(replace(FOREIGN, export_to=("*",)), dict(MANAGED_BY))
    assert merge_key(BANK) != merge_key(FOREIGN, dict(MANAGED_BY))
