"""Rules of labels, scopes and cluster selectors."""

import re

from egress_server.domain.render.objects import ROOT_NAMESPACE
from egress_server.domain.resources import ClusterSelector, Labels, Scope
from egress_server.domain.validate.problems import Problems

MAX_LABELS = 64
MAX_CLUSTERS = 1000
# Kubernetes label values and the name part of keys.
_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_PREFIX = re.compile(r"(?=.{1,253}$)[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)*")
_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")


def check_labels(labels: Labels, problems: Problems) -> None:
    """Keys and values must be Kubernetes labels."""
    if len(labels) > MAX_LABELS:
        problems.add(f"has {len(labels)} labels; at most {MAX_LABELS} are allowed")
    # Sorted, here as wherever a map is checked: a map has no order on the wire, and errors should have one.
    for key, value in sorted(labels.items()):
        prefix, slash, name = key.rpartition("/")
        if not name or not _VALUE.fullmatch(name) or (slash and not _PREFIX.fullmatch(prefix)):
            problems.key(key).add("the key must be a Kubernetes label key, such as app or example.com/app")
        if not _VALUE.fullmatch(value):
            problems.key(key).add("the value must be at most 63 letters, digits, '-', '_' or '.'")


def check_namespace(namespace: str, problems: Problems) -> None:
    """Must be an RFC 1123 label."""
    if not _LABEL.fullmatch(namespace):
        problems.add("must be a namespace: 1 to 63 lower-case letters, digits or '-'")


def check_scope(scope: Scope, problems: Problems) -> None:
    """Labels only go with a namespace, and Istio's own is no scope: what is set there holds for the whole mesh."""
    if scope.namespace == ROOT_NAMESPACE:
        problems.at("namespace").add(
            f"can't be {ROOT_NAMESPACE}: what Istio finds there holds for the whole mesh; leave it out to mean that"
        )
    if scope.namespace:
        check_namespace(scope.namespace, problems.at("namespace"))
    elif scope.match_labels:
        problems.at("match_labels").add("needs a namespace: labels select workloads of one namespace")
    check_labels(scope.match_labels, problems.at("match_labels"))


def check_cluster_selector(selector: ClusterSelector, problems: Problems) -> None:
    """By id or by labels, not both."""
    if selector.clusters and selector.match_labels:
        problems.add("set clusters or match_labels, not both")
    if len(selector.clusters) > MAX_CLUSTERS:
        problems.at("clusters").add(f"at most {MAX_CLUSTERS} are allowed")
    for index, cluster in enumerate(selector.clusters[:MAX_CLUSTERS]):
        if not _LABEL.fullmatch(cluster):
            problems.at("clusters", index).add("must be a cluster id: 1 to 63 lower-case letters, digits or '-'")
    check_labels(selector.match_labels, problems.at("match_labels"))
