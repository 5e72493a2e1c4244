"""A policy is the same after every conversion."""

from dataclasses import replace
from typing import TypeVar

from hypothesis import given

from egress.v1 import fault_pb2, outbound_policy_pb2, service_entry_pb2
from egress_server.contract.entries import read_service_entry, write_service_entry
from egress_server.contract.faults import read_fault, write_fault
from egress_server.contract.policies import read_outbound_policy, write_outbound_policy
from egress_server.domain.desired.effective import effective
from egress_server.domain.model.changes import Versioned
from egress_server.domain.model.names import parse_name
from egress_server.domain.model.resources import Fault, OutboundPolicy, ServiceEntry
from egress_server.domain.render.service_entry import render_service_entry
from egress_server.domain.render.virtual_service import render_virtual_services
from egress_server.domain.validate import Problems
from egress_server.formats.service_entry import parse_service_entry
from egress_server.formats.strict_yaml import dump
from egress_server.formats.virtual_service import parse_fault
from egress_server.store.codec import decode_versioned, encode
from tests.support.meshes import BIRTH, History, cluster
from tests.unit.domain.policies import faults, outbound_policies, service_entries, treated_entries

R = TypeVar("R", bound=ServiceEntry | OutboundPolicy)


def versioned(resource: R) -> Versioned[R]:
    """As of revision 7."""
    return Versioned(resource, 7, BIRTH, BIRTH)


@given(service_entries() | treated_entries())
def test_an_entry_goes_over_the_wire_and_comes_back(entry: ServiceEntry) -> None:
    """What was read can be sent back unchanged."""
    data = write_service_entry(versioned(entry), "epoch").SerializeToString()
    problems = Problems()
    assert read_service_entry(service_entry_pb2.ServiceEntry.FromString(data), entry.name, problems) == entry
    assert not problems.any


@given(faults())
def test_a_fault_goes_over_the_wire_and_comes_back(fault: Fault) -> None:
    """What was read can be sent back as it is, and its percentages and conditions are still there."""
    data = write_fault(Versioned(fault, 7, BIRTH, BIRTH), "epoch").SerializeToString()
    assert read_fault(fault_pb2.Fault.FromString(data), fault.name) == fault


@given(faults())
def test_a_fault_shown_as_istio_yaml_can_be_sent_back(fault: Fault) -> None:
    """The VirtualService of a fault on a host without an entry, without what its expiry and its namespace need."""
    here = cluster()
    (obj,) = render_virtual_services(effective(History(here, fault).snapshot, here, BIRTH))
    del obj["spec"]["exportTo"]
    problems = Problems()
    parsed = parse_fault(dump(obj), problems)
    assert not problems.any
    assert parsed is not None
    assert parsed.fault == replace(fault, name="", ttl=0.0)


@given(outbound_policies())
def test_a_policy_goes_over_the_wire_and_comes_back(policy: OutboundPolicy) -> None:
    """What was read can be sent back as it is."""
    data = write_outbound_policy(versioned(policy), "epoch").SerializeToString()
    problems = Problems()
    assert read_outbound_policy(outbound_policy_pb2.OutboundPolicy.FromString(data), policy.name, problems) == policy
    assert not problems.any


@given(service_entries() | outbound_policies())
def test_the_store_gives_back_what_it_was_given(resource: ServiceEntry | OutboundPolicy) -> None:
    """With revision and times."""
    stored = b"1767225600000 1767225600000 7 0 " + encode(resource)
    assert decode_versioned(resource.name, stored) == versioned(resource)


@given(service_entries())
def test_an_entry_shown_as_istio_yaml_can_be_sent_back(entry: ServiceEntry) -> None:
    """The objects in a plan's diff are valid requests. They say explicitly what they are exported to."""
    entry = replace(entry, export_to=entry.export_to or ("*",))
    problems = Problems()
    parsed = parse_service_entry(dump(render_service_entry(entry)), problems)
    assert not problems.any
    assert parsed is not None
    name = parse_name(entry.name)
    assert (parsed.namespace, parsed.id) == (name.namespace, name.id)
    fields = [field for field in ServiceEntry.__dataclass_fields__ if field not in {"name", "cluster_selector"}]
    assert {f: getattr(parsed.entry, f) for f in fields} == {f: getattr(entry, f) for f in fields}
