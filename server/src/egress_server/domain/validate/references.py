"""Objects and workloads of a cluster as people write them: KIND/NAMESPACE/NAME."""

import re
from collections.abc import Sequence

from egress_server.domain.validate.problems import Problems
from egress_server.domain.validate.values import check_count, check_unique

NAMESPACED_KINDS = ("ServiceEntry", "VirtualService", "DestinationRule", "Sidecar")
CLUSTER_KINDS = ("MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding")
WORKLOAD_KINDS = ("Deployment", "StatefulSet", "DaemonSet")
MAX_WORKLOADS = 1000
_NAMESPACE = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?")


def check_object(text: str, problems: Problems) -> None:
    """An object of a kind that we write; what belongs to no namespace has an empty one."""
    kind = text.partition("/")[0]
    if kind in CLUSTER_KINDS:
        _check(text, namespaced=False, problems=problems)
    elif kind in NAMESPACED_KINDS:
        _check(text, namespaced=True, problems=problems)
    else:
        problems.add(f"must be KIND/NAMESPACE/NAME, of kind {', '.join((*NAMESPACED_KINDS, *CLUSTER_KINDS))}")


def check_workloads(workloads: Sequence[str], problems: Problems) -> None:
    """Workloads that can be restarted, each once."""
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
        problems.add(f"a {kind} belongs to no namespace; write {kind}//{name}")
