"""Converts clusters, their status, and what appliers have observed on them."""

from collections.abc import Iterable

from egress.v1 import cluster_pb2 as pb
from egress.v1 import inventory_pb2
from egress_server.contract.common import EnumField, write_time
from egress_server.domain.model.changes import Versioned, make_etag
from egress_server.domain.model.clusters import (
    Cluster,
    DirectoryTarget,
    KubernetesTarget,
    LocalTarget,
    MeshPolicyBackend,
)
from egress_server.domain.model.names import Name, ResourceKind
from egress_server.domain.model.objects import ROOT_NAMESPACE
from egress_server.domain.model.status import ClusterStatus, Drift, DriftKind, Phase, RestartProgress, RestartState
from egress_server.domain.observed.inventory import Inventory, PolicyGap, PolicyGapKind, StaleWorkload
from egress_server.domain.validate import Problems
from egress_server.formats.kubeconfig import KubeconfigError, extract_context

_MESH_POLICY = EnumField(pb.Cluster.KubernetesTarget.MeshPolicy, MeshPolicyBackend, MeshPolicyBackend.BOTH)


def read_cluster(message: pb.Cluster, name: str, problems: Problems) -> Cluster:
    """The cluster, which must have a target. Its kubeconfig is reduced to the selected context, and not sealed yet."""
    labels = dict(message.labels)
    match message.WhichOneof("target"):
        case "local":
            return Cluster(name, LocalTarget(_lower(message.local.service_cidrs)), labels)
        case "directory":
            directory = message.directory
            return Cluster(name, DirectoryTarget(directory.path, _lower(directory.service_cidrs)), labels)
        case "kubernetes":
            return Cluster(name, _read_kubernetes(message.kubernetes, problems.at("kubernetes")), labels)
    problems.at("target").add("must be set: one of local, directory, kubernetes")
    return Cluster(name, LocalTarget(), labels)


def _read_kubernetes(message: pb.Cluster.KubernetesTarget, problems: Problems) -> KubernetesTarget:
    kubeconfig, context = "", message.context
    if message.kubeconfig:
        try:
            kept = extract_context(message.kubeconfig, context)
        except KubeconfigError as error:
            problems.at("kubeconfig").add(str(error))
        else:
            kubeconfig, context = kept.text, kept.context
    return KubernetesTarget(
        kubeconfig=kubeconfig,
        context=context,
        secret=message.secret,
        in_cluster=message.in_cluster,
        istio_revision=message.istio_revision,
        root_namespace=message.root_namespace or ROOT_NAMESPACE,
        mesh_policy=_MESH_POLICY.read(message.mesh_policy, problems.at("mesh_policy")),
        service_cidrs=_lower(message.service_cidrs),
    )


def _lower(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(text.lower() for text in texts)


def write_cluster(
    versioned: Versioned[Cluster],
    epoch: str,
    status: ClusterStatus | None = None,
    inventory: Inventory | None = None,
    agents: int = 0,
) -> pb.Cluster:
    """The cluster at a revision, with its current status."""
    cluster = versioned.resource
    target = cluster.target
    return pb.Cluster(
        name=cluster.name,
        labels=cluster.labels,
        local=_write_local(target) if isinstance(target, LocalTarget) else None,
        directory=_write_directory(target) if isinstance(target, DirectoryTarget) else None,
        kubernetes=_write_kubernetes(target) if isinstance(target, KubernetesTarget) else None,
        adopted=cluster.orders.adopted,
        etag=make_etag(epoch, versioned.revision),
        revision=versioned.revision,
        create_time=write_time(versioned.create_time),
        update_time=write_time(versioned.update_time),
        status=write_status(status, inventory, agents),
    )


def _write_local(target: LocalTarget) -> pb.Cluster.LocalTarget:
    return pb.Cluster.LocalTarget(service_cidrs=target.service_cidrs)


def _write_directory(target: DirectoryTarget) -> pb.Cluster.DirectoryTarget:
    return pb.Cluster.DirectoryTarget(path=target.path, service_cidrs=target.service_cidrs)


def _write_kubernetes(target: KubernetesTarget) -> pb.Cluster.KubernetesTarget:
    """Everything except the kubeconfig, which is never returned, sealed or not."""
    return pb.Cluster.KubernetesTarget(
        context=target.context,
        secret=target.secret,
        in_cluster=target.in_cluster,
        istio_revision=target.istio_revision,
        root_namespace=target.root_namespace,
        mesh_policy=_MESH_POLICY.write(target.mesh_policy),
        service_cidrs=target.service_cidrs,
    )


_STATES = {
    Phase.APPLYING: pb.Cluster.Status.ONLINE,
    Phase.SETTLED: pb.Cluster.Status.ONLINE,
    Phase.FAILED: pb.Cluster.Status.ONLINE,
    Phase.OFFLINE: pb.Cluster.Status.OFFLINE,
    Phase.HELD: pb.Cluster.Status.HELD,
}
_RESTART = EnumField(pb.Cluster.Restart.State, RestartState)


def write_status(status: ClusterStatus | None, inventory: Inventory | None, agents: int) -> pb.Cluster.Status:
    """The status from the applier's record, the inventory and the number of attached agents."""
    message = pb.Cluster.Status(agents=agents)
    if status is not None:
        _write_record(status, message)
    if inventory is not None:
        _write_inventory(inventory, message)
    return message


def _write_record(status: ClusterStatus, message: pb.Cluster.Status) -> None:
    message.MergeFrom(
        pb.Cluster.Status(
            state=_STATES[status.phase],
            reason=status.problem.reason if status.problem else "",
            message=status.problem.message if status.problem else "",
            applied_revision=status.applied_revision,
            verified_revision=status.verified_revision,
            last_seen_time=write_time(status.last_seen_time),
            stale_workloads=status.stale_workloads,
            drifted_objects=sum(drift.heal_time is None for drift in status.drift),
            approval_token=status.problem.token if status.problem and status.phase is Phase.HELD else "",
            restart=_write_restart(status.restart),
        )
    )


def _write_inventory(inventory: Inventory, message: pb.Cluster.Status) -> None:
    capabilities = inventory.capabilities
    message.MergeFrom(
        pb.Cluster.Status(
            kubernetes_version=capabilities.kubernetes_version,
            istio_version=capabilities.istio_version,
            ambient=capabilities.ambient,
            mutating_admission_policy=capabilities.mutating_admission_policy,
            service_cidrs=inventory.service_cidrs,
            policy_gaps=len(inventory.policy_gaps) + inventory.left_out.get("policy_gaps", 0),
            observe_time=write_time(inventory.observe_time),
        )
    )


def _write_restart(progress: RestartProgress | None) -> pb.Cluster.Restart | None:
    if progress is None:
        return None
    return pb.Cluster.Restart(
        id=progress.id,
        state=_RESTART.write(progress.state),
        done=progress.done,
        failed=progress.failed,
        message=progress.message,
    )


_DRIFT = EnumField(inventory_pb2.DriftedObject.Type, DriftKind)
_POLICY_GAP = EnumField(inventory_pb2.PolicyGap.Type, PolicyGapKind)


def write_drift(mesh: str, cluster: str, drift: Drift) -> inventory_pb2.DriftedObject:
    """A drifted object."""
    return inventory_pb2.DriftedObject(
        cluster=cluster_name(mesh, cluster),
        type=_DRIFT.write(drift.kind),
        kind=drift.object_kind,
        namespace=drift.namespace,
        name=drift.name,
        resource=drift.resource,
        manager=drift.manager,
        detect_time=write_time(drift.seen_time),
        heal_time=write_time(drift.heal_time),
    )


def write_policy_gap(mesh: str, cluster: str, gap: PolicyGap) -> inventory_pb2.PolicyGap:
    """A policy gap."""
    return inventory_pb2.PolicyGap(
        cluster=cluster_name(mesh, cluster),
        type=_POLICY_GAP.write(gap.kind),
        kind=gap.object_kind,
        namespace=gap.namespace,
        name=gap.name,
        reason=gap.why,
    )


def write_stale_workload(mesh: str, cluster: str, workload: StaleWorkload) -> inventory_pb2.StaleWorkload:
    """A workload under older interception rules."""
    return inventory_pb2.StaleWorkload(
        cluster=cluster_name(mesh, cluster),
        kind=workload.kind,
        namespace=workload.namespace,
        name=workload.name,
        stale_pods=workload.stale_pods,
        pods=workload.pods,
        reason=workload.why,
    )


def cluster_name(mesh: str, id_: str) -> str:
    """The resource name of a cluster."""
    return str(Name(mesh, ResourceKind.CLUSTER, id_))
