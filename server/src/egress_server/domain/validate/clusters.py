"""Validation of meshes and clusters."""

import re

from egress_server.domain.model.clusters import Cluster, DirectoryTarget, KubernetesTarget, Mesh
from egress_server.domain.model.limits import MAX_CIDRS, MAX_CONTEXT, MAX_DISPLAY_NAME, MAX_PATH
from egress_server.domain.validate.problems import Problems
from egress_server.domain.validate.selectors import check_labels, check_namespace
from egress_server.domain.validate.values import check_cidrs

# No part is hidden, `.` or `..`, so the directory stays below its root.
_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_REVISION = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_SECRET = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?/[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?")


def check_mesh(mesh: Mesh, problems: Problems) -> None:
    """Adds everything that is wrong with `mesh`."""
    name = mesh.display_name
    if len(name) > MAX_DISPLAY_NAME or not name.isprintable():
        problems.at("display_name").add(f"must be at most {MAX_DISPLAY_NAME} printable characters")
    check_labels(mesh.labels, problems.at("labels"))


def check_cluster(cluster: Cluster, problems: Problems) -> None:
    """Adds everything that is wrong with `cluster`; problems of its target are below the target's own field."""
    check_labels(cluster.labels, problems.at("labels"))
    here = problems.at(cluster.target.kind)
    match cluster.target:
        case DirectoryTarget(path=path) if path and (len(path) > MAX_PATH or not _PATH.fullmatch(path)):
            here.at("path").add(
                f"must be a relative path of at most {MAX_PATH} characters: letters, digits, '_', '-' and '.', "
                "without parts that start with '.' or '-'"
            )
        case KubernetesTarget() as target:
            _check_kubernetes(target, here)
    check_cidrs(cluster.target.service_cidrs, MAX_CIDRS, here.at("service_cidrs"))


def _check_kubernetes(target: KubernetesTarget, problems: Problems) -> None:
    """Checks everything but the contents of the kubeconfig."""
    if bool(target.kubeconfig) + bool(target.secret) + target.in_cluster > 1:
        problems.add("at most one of kubeconfig, secret and in_cluster may be set")
    if len(target.context) > MAX_CONTEXT or not target.context.isprintable():
        problems.at("context").add(f"must be at most {MAX_CONTEXT} printable characters")
    if target.secret and not _SECRET.fullmatch(target.secret):
        problems.at("secret").add("must be the NAMESPACE/NAME of a Secret")
    if target.istio_revision and not _REVISION.fullmatch(target.istio_revision):
        problems.at("istio_revision").add("must be an Istio revision, such as canary or 1-31")
    check_namespace(target.root_namespace, problems.at("root_namespace"))
