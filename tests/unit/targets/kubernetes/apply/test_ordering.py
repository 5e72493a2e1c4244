"""The order in which changes are applied."""

from egress_server.domain.model.objects import IstioObject, ObjectKey, istio_object, key_of
from egress_server.targets.kubernetes.api.kinds import MANAGED_KINDS
from egress_server.targets.kubernetes.apply.apply import age_batches, delete_stages, upsert_stages
from tests.unit.targets.kubernetes.observations import ROOT


def obj(kind: str, name: str, namespace: str = "default", **spec: object) -> IstioObject:
    """An object that only has to be distinguishable."""
    return istio_object(kind, namespace, name, "meshes/default/x", spec)


def test_services_come_before_policies_and_exceptions_before_the_rule() -> None:
    """So that nothing allowed is cut on the way to REGISTRY_ONLY."""
    wide = obj("Sidecar", "all", ROOT)
    narrow = obj("Sidecar", "shop", "shop")
    some = obj("Sidecar", "some", ROOT, workloadSelector={"labels": {"a": "1"}})
    mesh = obj("MeshConfig", "istio", ROOT)
    entry, route, rule = obj("ServiceEntry", "e"), obj("VirtualService", "v"), obj("DestinationRule", "d")
    stages = upsert_stages([wide, mesh, some, narrow, route, rule, entry], ROOT)
    assert [[key_of(each).name for each in stage] for stage in stages] == [
        ["e"],
        ["d"],
        ["v"],
        ["some", "shop"],
        ["all", "istio"],
    ]


def test_deletes_are_in_reverse_order() -> None:
    """Routes before what they refer to, policies before the services that they needed."""
    keys = [
        ObjectKey(kind, "default", "x") for kind in ("ServiceEntry", "Sidecar", "DestinationRule", "VirtualService")
    ]
    assert [[key.kind for key in stage] for stage in delete_stages(keys)] == [
        ["VirtualService"],
        ["Sidecar", "DestinationRule"],
        ["ServiceEntry"],
    ]


def test_bindings_are_created_after_their_policy_and_deleted_before_it() -> None:
    """A binding without a policy is an error."""
    policy, binding = "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"
    made = upsert_stages([obj(binding, "x", ""), obj(policy, "x", "")], ROOT)
    assert [each["kind"] for stage in made for each in stage] == [policy, binding]
    gone = delete_stages([ObjectKey(policy, "", "x"), ObjectKey(binding, "", "x")])
    assert [key.kind for stage in gone for key in stage] == [binding, policy]


def test_every_kind_has_a_stage() -> None:
    """Every kind that can be created can be deleted, and the reverse."""
    kinds = [*MANAGED_KINDS, "MeshConfig", "InjectorValues"]
    made = upsert_stages([obj(kind, "x") for kind in kinds], ROOT)
    gone = delete_stages([ObjectKey(kind, "default", "x") for kind in kinds])
    assert sorted(each["kind"] for stage in made for each in stage) == sorted(kinds)
    assert sorted(key.kind for stage in gone for key in stage) == sorted(kinds)


def test_entries_of_one_host_are_created_one_after_the_other() -> None:
    """Oldest first; those that share no host are created together."""
    entries = [
        obj("ServiceEntry", "a", hosts=["one.example", "two.example"]),
        obj("ServiceEntry", "b", hosts=["two.example"]),
        obj("ServiceEntry", "c", hosts=["three.example"]),
        obj("ServiceEntry", "d", hosts=["two.example", "three.example"]),
    ]
    assert [[key_of(each).name for each in batch] for batch in age_batches(entries)] == [["a", "c"], ["b"], ["d"]]
    assert age_batches([]) == []
