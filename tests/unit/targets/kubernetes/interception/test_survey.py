"""Pods as interception sees them: which run outdated rules, and which are not covered by policy."""

from typing import Any

import pytest

from egress_server.domain.observed.inventory import ForeignSidecar, PolicyGapKind, StaleWorkload
from egress_server.domain.simulate.interception import CaptureRules
from egress_server.targets.kubernetes.interception.admission import ScopedRules
from egress_server.targets.kubernetes.interception.pods import EXCLUDE_PORTS, INCLUDE_RANGES, Pod, read_pod
from egress_server.targets.kubernetes.interception.policy_gaps import pod_gaps, sidecar_gaps
from egress_server.targets.kubernetes.interception.survey import Injection, injection_gaps, stale_workloads
from egress_server.targets.kubernetes.interception.templates import PodTemplate
from egress_server.targets.kubernetes.label_selector import WorkloadSelector
from tests.support.meshes import BIRTH

ALL = {"includeIPRanges": "*", "excludeIPRanges": "", "includeOutboundPorts": "", "excludeOutboundPorts": ""}
MESHED = {"default": {"istio-injection": "enabled"}}


def init(include: str = "*", exclude: str = "", **ports: str) -> dict[str, Any]:
    """The init container as the injector writes it."""
    args = ["istio-iptables", "-p", "15001", "-m", "REDIRECT", "-i", include, "-x", exclude, "-b", "*", "-d", "15090"]
    args += [word for flag, value in ports.items() for word in (f"-{flag}", value)]
    return {"name": "istio-init", "args": [*args, "--log_output_level=default:info"]}


def pod(*containers: dict[str, Any], name: str = "curl-6d5f-abc", **metadata: Any) -> dict[str, Any]:
    """A running pod of Deployment curl, with a sidecar by default."""
    owner = [{"kind": "ReplicaSet", "name": "curl-6d5f", "controller": True}]
    labels = {"app": "curl", "pod-template-hash": "6d5f"}
    return {
        "metadata": {"name": name, "namespace": "default", "labels": labels, "ownerReferences": owner, **metadata},
        "spec": {"containers": [{"name": "app"}, {"name": "istio-proxy"}], "initContainers": list(containers)},
        "status": {"phase": "Running"},
    }


def bare(**spec: Any) -> dict[str, Any]:
    """The same without a sidecar."""
    return pod() | {"spec": {"containers": [{"name": "app"}], **spec}}


def read(obj: dict[str, Any]) -> Pod:
    """The pod, which is running."""
    found = read_pod(obj)
    assert found is not None
    return found


def test_rules_are_the_init_containers_arguments() -> None:
    """Ranges and ports, and the workload that the pod belongs to."""
    found = read(pod(init("10.0.0.0/8,192.168.0.0/16", "10.1.0.0/16", q="443", o="3306,5432")))
    assert found.rules == CaptureRules(
        include=("10.0.0.0/8", "192.168.0.0/16"),
        exclude=("10.1.0.0/16",),
        include_ports=frozenset({443}),
        exclude_ports=frozenset({3306, 5432}),
    )
    assert str(found.owner) == "Deployment/default/curl"


@pytest.mark.parametrize(
    ("references", "owner"),
    [
        ([], "Pod/default/curl-6d5f-abc"),
        ([{"kind": "StatefulSet", "name": "db", "controller": True}], "StatefulSet/default/db"),
        ([{"kind": "ReplicaSet", "name": "bare", "controller": True}], "ReplicaSet/default/bare"),
        ([{"kind": "Node", "name": "n1"}], "Pod/default/curl-6d5f-abc"),
    ],
)
def test_owners(references: list[dict[str, Any]], owner: str) -> None:
    """The controller that would recreate the pod; without one, the pod itself."""
    assert str(read(pod(init(), ownerReferences=references)).owner) == owner


def test_terminated_pods_are_ignored() -> None:
    """Neither one that has finished nor one that is terminating."""
    assert read_pod(pod(init()) | {"status": {"phase": "Succeeded"}}) is None
    assert read_pod(pod(init(), deletionTimestamp="2026-01-01T00:00:00Z")) is None


def test_with_the_cni_plugin_annotations_are_the_rules() -> None:
    """The injector leaves them on the pod; without an interception mode nothing is captured."""
    marked = {"sidecar.istio.io/interceptionMode": "REDIRECT", INCLUDE_RANGES: "10.0.0.0/8"}
    assert read(pod(annotations=marked)).rules == CaptureRules(include=("10.0.0.0/8",))
    assert read(pod(annotations={"sidecar.istio.io/interceptionMode": "NONE"})).rules is None


def test_a_pod_with_older_rules_makes_its_workload_stale() -> None:
    """One of two pods: the workload is listed once, with both counts and the difference."""
    pods = [read(pod(init("*"))), read(pod(init("10.0.0.0/8"), name="curl-6d5f-new"))]
    injection = Injection({**ALL, "includeIPRanges": "10.0.0.0/8"})
    assert stale_workloads(pods, injection) == [
        StaleWorkload("Deployment", "default", "curl", 1, 2, "includes *; a new pod includes 10.0.0.0/8")
    ]


@pytest.mark.parametrize("written", ["10.0.0.1/8", "10.0.0.0/8,10.0.0.0/8"])
def test_equivalent_rules_are_not_stale(written: str) -> None:
    """Bits behind the mask, order and repetition make no difference."""
    assert stale_workloads([read(pod(init(written)))], Injection({**ALL, "includeIPRanges": "10.0.0.0/8"})) == []


def test_a_narrower_scope_decides_what_a_new_pod_gets() -> None:
    """The policy for the workload's labels beats that of its namespace, and both beat the mesh's values."""
    whole = ScopedRules("default", {}, {**ALL, "excludeIPRanges": "10.1.0.0/16"})
    narrow = ScopedRules("default", {"app": "curl"}, {**ALL, "excludeIPRanges": "10.2.0.0/16"})
    injection = Injection(ALL, (narrow, whole))
    assert injection.rules_for(read(pod(init()))).exclude == ("10.2.0.0/16",)
    assert injection.rules_for(read(pod(init(), labels={"app": "web"}))).exclude == ("10.1.0.0/16",)


def test_an_annotation_of_a_policy_that_is_gone_is_stale_and_one_of_the_template_is_not() -> None:
    """Only the template says what a new pod would have."""
    found = read(pod(init("10.0.0.0/8"), annotations={INCLUDE_RANGES: "10.0.0.0/8"}))
    owner = found.owner
    assert [each.name for each in stale_workloads([found], Injection(ALL, templates={owner: PodTemplate({}, {})}))] == [
        "curl"
    ]
    assert (
        stale_workloads([found], Injection(ALL, templates={owner: PodTemplate({INCLUDE_RANGES: "10.0.0.0/8"}, {})}))
        == []
    )


def test_pods_without_a_sidecar_are_never_stale() -> None:
    """They have no rules."""
    assert stale_workloads([read(bare())], Injection(ALL)) == []


@pytest.mark.parametrize(
    ("obj", "kind", "why"),
    [
        (bare(), PolicyGapKind.NOT_CAPTURED, "no sidecar"),
        (bare(hostNetwork=True), PolicyGapKind.NOT_CAPTURED, "node's network"),
        (pod(annotations={"sidecar.istio.io/interceptionMode": "NONE"}), PolicyGapKind.NOT_CAPTURED, "not redirected"),
        (pod(init(exclude="10.1.0.0/16")), PolicyGapKind.EXCLUDED, "to 10.1.0.0/16"),
        (pod(init("")), PolicyGapKind.EXCLUDED, "to every address"),
        (pod(init("10.0.0.0/8")), PolicyGapKind.EXCLUDED, "to all but 10.0.0.0/8"),
        (pod(init(o="3306"), annotations={EXCLUDE_PORTS: "3306"}), PolicyGapKind.EXCLUDED, "to port 3306"),
        (pod(annotations={"ambient.istio.io/redirection": "enabled"}), PolicyGapKind.AMBIENT, "ztunnel"),
    ],
)
def test_pods_that_are_not_covered(obj: dict[str, Any], kind: PolicyGapKind, why: str) -> None:
    """Each workload once, with the reason."""
    found = list(pod_gaps([read(obj), read(obj)], MESHED))
    assert [(gap.kind, gap.name) for gap in found] == [(kind, "curl")]
    assert why in found[0].why


def test_interception_that_does_not_cover_new_pods() -> None:
    """The injector's values and the rules of scopes, unless only the metadata service is excluded."""
    narrow = {**ALL, "includeIPRanges": "10.0.0.0/8"}
    rules = [ScopedRules("shop", {}, narrow), ScopedRules("lab", {"app": "web"}, {**ALL, "excludeOutboundPorts": "25"})]
    found = list(injection_gaps(Injection(narrow, rules[:1], rules[1:], ("istio-system", "injector"))))
    assert {gap.kind for gap in found} == {PolicyGapKind.INTERCEPTION}
    assert [(gap.object_kind, gap.namespace, gap.name) for gap in found] == [
        ("ConfigMap", "istio-system", "injector"),
        ("Interception", "shop", "*"),
        ("Interception", "lab", "app=web"),
    ]
    assert found[0].why == "new sidecars are bypassed by connections to all but 10.0.0.0/8"
    assert found[2].why == "new sidecars of workloads with app=web are bypassed by connections to port 25"
    assert list(injection_gaps(Injection({**ALL, "excludeIPRanges": "169.254.169.254/32"}))) == []
    assert list(injection_gaps(Injection({}))) == []


def test_pods_that_are_covered() -> None:
    """One whose connections are all captured, and one in a namespace that is not in the mesh."""
    assert list(pod_gaps([read(pod(init()))], MESHED)) == []
    assert list(pod_gaps([read(bare())], {"default": {}})) == []


@pytest.mark.parametrize(
    ("mode", "mesh_mode", "kind"),
    [
        ("ALLOW_ANY", "REGISTRY_ONLY", PolicyGapKind.SIDECAR_ALLOWS_ANY),
        ("", "ALLOW_ANY", PolicyGapKind.SIDECAR_WITHOUT_MODE),
        ("", "", PolicyGapKind.SIDECAR_WITHOUT_MODE),
        ("", "REGISTRY_ONLY", None),
        ("REGISTRY_ONLY", "ALLOW_ANY", None),
    ],
)
def test_sidecars_that_are_not_covered(mode: str, mesh_mode: str, kind: PolicyGapKind | None) -> None:
    """One that allows any, and one without a mode if MeshConfig does not restrict it."""
    found = list(sidecar_gaps([ForeignSidecar("shop", "own", BIRTH, mode=mode)], mesh_mode))
    assert [gap.kind for gap in found] == ([] if kind is None else [kind])


def test_deferred_rules_make_workloads_stale() -> None:
    """For workloads whose template a restart would change, by the template's labels; a bare pod gets nothing."""
    shop: dict[str, Any] = {"namespace": "shop"}
    pods = [read(pod(init(), **shop)), read(pod(init(), name="lone", ownerReferences=[], **shop))]
    rules = ScopedRules("shop", {"app": "curl"}, {**ALL, "includeIPRanges": "10.0.0.0/8"})
    for labels, stale in (({"app": "curl"}, ["Deployment"]), ({}, [])):
        waiting = Injection(ALL, deferred=(rules,), templates={pods[0].owner: PodTemplate({}, labels)})
        assert [each.kind for each in stale_workloads(pods, waiting)] == stale


def test_only_a_ready_pod_has_addresses() -> None:
    """All of them, or the one that older versions report."""
    ready = [{"type": "Ready", "status": "True"}]
    both = {"conditions": ready, "podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}, {"ip": "2001:db8::1"}]}
    assert read(pod() | {"status": both}).addresses == ("10.0.0.1", "2001:db8::1")
    assert read(pod() | {"status": {"conditions": ready, "podIP": "10.0.0.1"}}).addresses == ("10.0.0.1",)
    assert read(pod() | {"status": {**both, "conditions": [{"type": "Ready", "status": "False"}]}}).addresses == ()
    assert read(pod()).addresses == ()


def test_a_workload_selector_selects_by_namespace_and_all_labels() -> None:
    """More labels do no harm."""
    selector = WorkloadSelector("shop", frozenset({("app", "db")}))
    assert selector.selects("shop", {"app": "db", "x": "y"})
    assert not selector.selects("shop", {"app": "web"})
    assert not selector.selects("lab", {"app": "db"})
