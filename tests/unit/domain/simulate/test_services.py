"""The services that entries become, with the addresses of the workloads that they select."""

from dataclasses import replace

import pytest

from egress_server.domain.desired.cluster_view import with_inventory
from egress_server.domain.desired.effective import effective
from egress_server.domain.observed.inventory import SelectedAddresses
from egress_server.domain.simulate.istiod.services import services_of
from tests.support.inventories import foreign, inventory, kubernetes
from tests.support.meshes import BIRTH, History, entry

DB = {"app": "db"}


@pytest.mark.parametrize(
    ("selector", "name", "addresses"),
    [({}, "bank", ()), (DB, "bank", ("10.0.0.1",)), (DB, "other", None)],
)
def test_workloads_of_a_managed_entry(selector: dict[str, str], name: str, addresses: tuple[str, ...] | None) -> None:
    """As the cluster has reported them; unknown until then, and none without a selector."""
    bank, east = entry("bank", workload_selector=selector), kubernetes()
    there = inventory(selected=(SelectedAddresses("default", name, ("10.0.0.1",)),))
    seen = with_inventory(effective(History(east, bank).snapshot, east, BIRTH), there)
    assert [service.endpoint_addresses for service in services_of(seen, bank)] == [addresses]


@pytest.mark.parametrize("addresses", [None, (), ("10.0.0.1",)])
def test_workloads_of_a_foreign_entry(addresses: tuple[str, ...] | None) -> None:
    """They are part of it."""
    east = kubernetes()
    there = replace(foreign("legacy", workload_selector=DB), selected_addresses=addresses)
    seen = with_inventory(effective(History(east).snapshot, east, BIRTH), inventory(entries=(there,)))
    [legacy] = seen.foreign.entries
    assert [service.endpoint_addresses for service in services_of(seen, legacy)] == [addresses]
