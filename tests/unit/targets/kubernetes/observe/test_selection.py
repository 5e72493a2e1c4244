"""Addresses of ServiceEntries that are not in their specs."""

from datetime import UTC, datetime
from typing import Any

import pytest

from egress_server.domain.observed.inventory import AllocatedAddress, Inventory, SelectedAddresses
from egress_server.targets.kubernetes.informer.objects import CachedObject, cached_object
from egress_server.targets.kubernetes.interception.survey import Survey
from egress_server.targets.kubernetes.label_selector import WorkloadSelector
from egress_server.targets.kubernetes.observe.inventory import build_inventory
from egress_server.targets.kubernetes.observe.services import OtherObjects
from tests.unit.targets.kubernetes.observations import ROOT, cluster, found, observe

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DB: dict[str, Any] = {"workloadSelector": {"labels": {"app": "db"}}}
SELECTOR = WorkloadSelector("default", frozenset({("app", "db")}))
CAPTURE = "defaultConfig: {proxyMetadata: {ISTIO_META_DNS_CAPTURE: 'true'}}"


def entry(name: str = "db", *, managed: bool = False, status: Any = None, **spec: Any) -> CachedObject:
    """A ServiceEntry with this status."""
    item = found("ServiceEntry", name, {}, managed=managed)
    whole = {"hosts": ["db.example"], "ports": [{"number": 3306}], "resolution": "STATIC", **spec}
    obj = {"metadata": {**item.metadata, "managedFields": []}, "spec": whole, "status": status or {}}
    return cached_object("ServiceEntry", obj)


def workload(name: str, address: str, own: dict[str, str], **more: Any) -> CachedObject:
    """A WorkloadEntry with these labels in its spec."""
    return found("WorkloadEntry", name, {"address": address, "labels": own}, **more)


def inventory(*objects: CachedObject, workloads: list[CachedObject] | None = None, **survey: Any) -> Inventory:
    """Of a cluster with these objects."""
    services = OtherObjects(workload_entries=workloads)
    return build_inventory(cluster(), observe(*objects), services, Survey(**survey), NOW)


def selected(*workloads: CachedObject, **spec: Any) -> tuple[str, ...] | None:
    """The addresses of a foreign entry that selects databases, of which one is a pod."""
    there = inventory(entry(**DB, **spec), workloads=list(workloads), selected={SELECTOR: ("10.0.0.1",)})
    return there.entries[0].selected_addresses


def test_pods_and_workload_entries_are_selected() -> None:
    """By all labels, those of the object included, in the entry's namespace."""
    assert selected(
        workload("a", "203.0.113.1", {"app": "db", "x": "y"}),
        workload("b", "203.0.113.2", {}, labels={"app": "db"}),
        workload("c", "203.0.113.3", {"app": "web"}),
        workload("d", "203.0.113.4", {"app": "db"}, namespace="shop"),
        workload("e", "203.0.113.5", {"app": "db"}, labels={"istio.io/rev": "canary"}),
    ) == ("10.0.0.1", "203.0.113.1", "203.0.113.2")


@pytest.mark.parametrize(("resolution", "names"), [("STATIC", ()), ("DNS", ("vm.example",))])
def test_names_of_workloads_count_for_dns_only(resolution: str, names: tuple[str, ...]) -> None:
    """Other resolutions need addresses."""
    assert selected(workload("a", "vm.example", {"app": "db"}), resolution=resolution) == ("10.0.0.1", *names)


def test_what_is_not_known_of_selected_workloads() -> None:
    """Before the first survey, without the permission to watch WorkloadEntries, and without a selector."""
    pods = {SELECTOR: ("10.0.0.1",)}
    assert inventory(entry(**DB), workloads=[]).entries[0].selected_addresses is None
    assert inventory(entry(**DB), selected=pods).entries[0].selected_addresses is None
    assert inventory(entry(), workloads=[], selected=pods).entries[0].selected_addresses is None
    assert inventory(entry(**DB), workloads=[], selected={SELECTOR: ()}).entries[0].selected_addresses == ()


def test_managed_entries_select_too() -> None:
    """They are listed apart, since inventories have no managed entries."""
    there = inventory(entry(managed=True, **DB), workloads=[], selected={SELECTOR: ("10.0.0.1",)})
    assert (there.entries, there.selected) == ((), (SelectedAddresses("default", "db", ("10.0.0.1",)),))


def test_allocated_addresses() -> None:
    """Of managed entries too, where sidecars answer DNS queries."""
    status = {"addresses": [{"value": "240.240.0.1", "host": "db.example"}, {"value": "240.240.0.2"}]}
    config = found("ConfigMap", "istio", {"mesh": CAPTURE}, namespace=ROOT)
    ours = entry(managed=True, status=status)
    assert inventory(ours, config).allocated == (AllocatedAddress("default", "db", "db.example", "240.240.0.1"),)
    assert inventory(ours).allocated == ()


@pytest.mark.parametrize(
    "spec", [{"resolution": "NONE"}, {"resolution": ""}, {"addresses": ["203.0.113.1"]}], ids=["none", "zero", "own"]
)
def test_allocated_addresses_that_istiod_ignores(spec: dict[str, Any]) -> None:
    """Those of entries that should no longer have any."""
    status = {"addresses": [{"value": "240.240.0.1", "host": "db.example"}]}
    config = found("ConfigMap", "istio", {"mesh": CAPTURE}, namespace=ROOT)
    assert inventory(entry(status=status, **spec), config).allocated == ()
