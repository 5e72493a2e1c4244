"""Random policy that validation and lint accept, as the objects that clusters get."""

from dataclasses import replace

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from egress_server.domain.desired.effective import effective
from egress_server.domain.lint.engine import lint
from egress_server.domain.model.findings import Severity
from egress_server.domain.model.objects import IstioObject
from egress_server.domain.model.resources import Fault, OutboundPolicy, ServiceEntry
from egress_server.domain.render import render
from tests.support.meshes import BIRTH, History, cluster
from tests.unit.domain.policies import faults, outbound_policies, service_entries, treated_entries


def accepted_objects(examples: int, seed_: int) -> list[IstioObject]:
    """The objects of `examples` random clusters, under names that are unique among all of them."""
    found: list[IstioObject] = []

    @seed(seed_)
    @settings(
        max_examples=examples,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(service_entries() | treated_entries(), faults(), outbound_policies(), st.booleans())
    def collect(entry: ServiceEntry, fault: Fault, policy: OutboundPolicy, meet: bool) -> None:
        if blocked(entry):
            return
        aimed = replace(fault, host=entry.hosts[0]) if meet else fault
        here = cluster()
        found.extend(render(effective(History(here, entry, aimed, policy).snapshot, here, BIRTH)))

    collect()
    return [renamed(obj, f"{obj['metadata']['name'][:200]}-{number}") for number, obj in enumerate(found)]


def blocked(entry: ServiceEntry) -> bool:
    """Whether lint refuses the entry by itself."""
    return any(finding.severity is Severity.ERROR for finding in lint(History().snapshot, entry).findings)


def renamed(obj: IstioObject, name: str) -> IstioObject:
    """The object under another name."""
    return {**obj, "metadata": {**obj["metadata"], "name": name}}
