"""Validation of labels, scopes, cluster selectors, and references to objects on a cluster."""

import re
from collections.abc import Sequence

from egress_server.domain.model.limits import MAX_CLUSTERS, MAX_LABELS, MAX_WORKLOADS
from egress_server.domain.model.objects import ROOT_NAMESPACE
from egress_server.domain.model.selectors import ClusterSelector, Labels, Scope
from egress_server.domain.validate.problems import Problems
from egress_server.domain.validate.values import check_count, check_unique

# Kubernetes label values and the name part of keys.
_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_PREFIX = re.compile(r"(?=.{1,253}$)[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)*")
_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")


def check_labels(labels: Labels, problems: Problems) -> None:
    """Keys and values must be Kubernetes labels."""
    if len(labels) > MAX_LABELS:
        problems.add(f"has {len(labels)} labels; at most {MAX_LABELS} are allowed")
    # Sorted, like every map that is checked, because a map has no order on the wire but errors should have one.
    for key, value in sorted(labels.items()):
        if not is_label_key(key):
            problems.key(key).add("the key must be a Kubernetes label key, such as app or example.com/app")
        if not _VALUE.fullmatch(value):
            problems.key(key).add("the value must be at most 63 letters, digits, '-', '_' or '.'")


def is_label_key(key: str) -> bool:
    """Whether a label or an annotation may have this key."""
    prefix, slash, name = key.rpartition("/")
    return bool(name and _VALUE.fullmatch(name) and (not slash or _PREFIX.fullmatch(prefix)))


def check_namespace(namespace: str, problems: Problems) -> None:
    """Must be an RFC 1123 label."""
    if not _LABEL.fullmatch(namespace):
        problems.add("must be a namespace: 1 to 63 lowercase letters, digits or '-'")


def check_scope(scope: Scope, problems: Problems) -> None:
    """Labels require a namespace. Istio's own namespace is not a valid scope, because policies there apply to the whole
    mesh."""
    if scope.namespace == ROOT_NAMESPACE:
        problems.at("namespace").add(
            f"can't be {ROOT_NAMESPACE}, whose configuration applies to the whole mesh; omit namespace for that"
        )
    if scope.namespace:
        check_namespace(scope.namespace, problems.at("namespace"))
    elif scope.match_labels:
        problems.at("match_labels").add("requires a namespace, because labels select workloads of one namespace")
    check_labels(scope.match_labels, problems.at("match_labels"))


def check_cluster_selector(selector: ClusterSelector, problems: Problems) -> None:
    """Clusters are selected by id or by labels, not both."""
    if selector.clusters and selector.match_labels:
        problems.add("only one of clusters and match_labels may be set")
    if len(selector.clusters) > MAX_CLUSTERS:
        problems.at("clusters").add(f"at most {MAX_CLUSTERS} are allowed")
    for index, cluster in enumerate(selector.clusters[:MAX_CLUSTERS]):
        if not _LABEL.fullmatch(cluster):
            problems.at("clusters", index).add("must be a cluster id: 1 to 63 lowercase letters, digits or '-'")
    check_labels(selector.match_labels, problems.at("match_labels"))


NAMESPACED_KINDS = ("ServiceEntry", "VirtualService", "DestinationRule", "Sidecar")
CLUSTER_KINDS = ("MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding")
WORKLOAD_KINDS = ("Deployment", "StatefulSet", "DaemonSet")
_NAMESPACE = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?")


def check_object(text: str, problems: Problems) -> None:
    """An object of a kind that mesh-egress writes; the namespace of a cluster-scoped object is empty."""
    kind = text.partition("/")[0]
    if kind in CLUSTER_KINDS:
        _check(text, namespaced=False, problems=problems)
    elif kind in NAMESPACED_KINDS:
        _check(text, namespaced=True, problems=problems)
    else:
        problems.add(f"must be KIND/NAMESPACE/NAME, of kind {', '.join((*NAMESPACED_KINDS, *CLUSTER_KINDS))}")


def check_workloads(workloads: Sequence[str], problems: Problems) -> None:
    """Restartable workloads, without duplicates."""
    check_count(len(workloads), 0, MAX_WORKLOADS, "workload", problems)
    check_unique(workloads, problems)
    for index, text in enumerate(workloads[:MAX_WORKLOADS]):
        if text.partition("/")[0] in WORKLOAD_KINDS:
            _check(text, namespaced=True, problems=problems.at(index))
        else:
            problems.at(index).add(f"must be KIND/NAMESPACE/NAME, of kind {', '.join(WORKLOAD_KINDS)}")


def _check(text: str, *, namespaced: bool, problems: Problems) -> None:
    kind, *rest = text.split("/")
    namespace, name = rest if len(rest) == 2 else ("", "")
    if not _NAME.fullmatch(name) or (namespaced and not _NAMESPACE.fullmatch(namespace)):
        problems.add(f"must be {kind}/NAMESPACE/NAME" if namespaced else f"must be {kind}//NAME")
    elif namespace and not namespaced:
        problems.add(f"a {kind} is cluster-scoped and must be written {kind}//{name}")
