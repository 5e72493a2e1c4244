"""Validation of references to objects and workloads."""

import pytest

from egress_server.domain.validate import Problems
from egress_server.domain.validate.selectors import check_object, check_workloads
from tests.support.violations import violations_of


def wrong_object(text: str) -> list[str]:
    """The problem of a reference to an object."""
    problems = Problems("object")
    check_object(text, problems)
    return [said for _, said in violations_of(problems.raise_if_any)]


@pytest.mark.parametrize(
    "text",
    [
        "Sidecar/prod/default",
        "VirtualService/prod/a.b-c",
        "ServiceEntry/p/x",
        "DestinationRule/a-b/x",
        "MutatingAdmissionPolicy//egress",
        "MutatingAdmissionPolicyBinding//egress",
    ],
)
def test_objects(text: str) -> None:
    """Of the kinds that mesh-egress writes."""
    assert wrong_object(text) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "of kind ServiceEntry"),
        ("sidecar/prod/default", "of kind ServiceEntry"),
        ("ConfigMap/istio-system/istio", "of kind ServiceEntry"),
        ("Sidecar", "Sidecar/NAMESPACE/NAME"),
        ("Sidecar/prod", "Sidecar/NAMESPACE/NAME"),
        ("Sidecar//default", "Sidecar/NAMESPACE/NAME"),
        ("Sidecar/prod/default/x", "Sidecar/NAMESPACE/NAME"),
        ("Sidecar/Prod/default", "Sidecar/NAMESPACE/NAME"),
        ("Sidecar/prod/", "Sidecar/NAMESPACE/NAME"),
        ("Sidecar/prod/a\n", "Sidecar/NAMESPACE/NAME"),
        ("Sidecar/prod/" + "a" * 254, "Sidecar/NAMESPACE/NAME"),
        ("MutatingAdmissionPolicy/x", "MutatingAdmissionPolicy//NAME"),
        ("MutatingAdmissionPolicy/a/x", "is cluster-scoped"),
    ],
)
def test_what_is_no_object(text: str, said: str) -> None:
    """The message describes the required form."""
    (found,) = wrong_object(text)
    assert said in found


@pytest.mark.parametrize(
    ("workloads", "places"),
    [
        ([], []),
        (["Deployment/a/b", "StatefulSet/a/b", "DaemonSet/a/b"], []),
        (["Deployment/a/b", "Deployment/a/b"], ["workloads[1]"]),
        (["Pod/a/b", "Deployment/a", ""], ["workloads[0]", "workloads[1]", "workloads[2]"]),
        ([f"Deployment/a/b{n}" for n in range(1001)], ["workloads"]),
    ],
)
def test_workloads(workloads: list[str], places: list[str]) -> None:
    """Of kinds that can be restarted, without duplicates."""
    problems = Problems("workloads")
    check_workloads(workloads, problems)
    assert [field for field, _ in violations_of(problems.raise_if_any)] == places
