"""The order in which a change goes out."""

from egress_server.domain.model.objects import IstioObject, ObjectKey, istio_object, key_of
from egress_server.targets.kubernetes.api.kinds import WRITTEN
from egress_server.targets.kubernetes.apply.apply import delete_stages, upsert_stages, waves
from tests.unit.targets.kubernetes.clusters import ROOT


def obj(kind: str, name: str, namespace: str = "default", **spec: object) -> IstioObject:
    """An object that only has to be told from others."""
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


def test_what_goes_goes_last_to_first() -> None:
    """Routes before what they lead to, policies before the services that they needed."""
    keys = [
        ObjectKey(kind, "default", "x") for kind in ("ServiceEntry", "Sidecar", "DestinationRule", "VirtualService")
    ]
    assert [[key.kind for key in stage] for stage in delete_stages(keys)] == [
        ["VirtualService"],
        ["Sidecar", "DestinationRule"],
        ["ServiceEntry"],
    ]


def test_bindings_follow_their_policy_and_go_before_it() -> None:
    """A binding without a policy is an error."""
    policy, binding = "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"
    made = upsert_stages([obj(binding, "x", ""), obj(policy, "x", "")], ROOT)
    assert [each["kind"] for stage in made for each in stage] == [policy, binding]
    gone = delete_stages([ObjectKey(policy, "", "x"), ObjectKey(binding, "", "x")])
    assert [key.kind for stage in gone for key in stage] == [binding, policy]


def test_nothing_is_left_out() -> None:
    """Every kind that can be made can go, and the other way round."""
    kinds = [*WRITTEN, "MeshConfig", "InjectorValues"]
    made = upsert_stages([obj(kind, "x") for kind in kinds], ROOT)
    gone = delete_stages([ObjectKey(kind, "default", "x") for kind in kinds])
    assert sorted(each["kind"] for stage in made for each in stage) == sorted(kinds)
    assert sorted(key.kind for stage in gone for key in stage) == sorted(kinds)


def test_entries_of_one_host_come_one_after_the_other() -> None:
    """The oldest first; those that share nothing come together."""
    entries = [
        obj("ServiceEntry", "a", hosts=["one.example", "two.example"]),
        obj("ServiceEntry", "b", hosts=["two.example"]),
        obj("ServiceEntry", "c", hosts=["three.example"]),
        obj("ServiceEntry", "d", hosts=["two.example", "three.example"]),
    ]
    assert [[key_of(each).name for each in wave] for wave in waves(entries)] == [["a", "c"], ["b"], ["d"]]
    assert waves([]) == []
