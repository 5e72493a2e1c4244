"""The methods of FleetService about what appliers see on clusters, and what people decide about it."""

from collections.abc import Iterable
from typing import Unpack

from egress import _names as names
from egress._calls import Call, Listing, mutating, paged
from egress._fields import Mutation, mutation
from egress.v1 import fleet_service_pb2 as pb
from egress.v1.inventory_pb2 import DriftedObject, PolicyGap, StaleWorkload

_SERVICE = "/egress.v1.FleetService/"


class OversightMethods:
    """What appliers see on clusters, and what people decide about it. A cluster is named by id or full name; objects
    and workloads are written KIND/NAMESPACE/NAME.
    """

    mesh: str

    @paged
    def list_drift(
        self,
        cluster: str = "-",
        *,
        filter: str = "",
        order_by: str = "",
        page_size: int = 0,
        timeout: float | None = None,
    ) -> Listing[DriftedObject, pb.ListDriftResponse]:
        """List the objects of ours that somebody else changed on a cluster; `-` means all. `timeout` holds for each
        page.
        """
        request = pb.ListDriftRequest(
            parent=names.cluster(self.mesh, cluster), filter=filter, order_by=order_by, page_size=page_size
        )
        call = Call(_SERVICE + "ListDrift", request, pb.ListDriftResponse, timeout)
        return Listing(call, lambda page: page.drifted_objects)

    @paged
    def list_policy_gaps(
        self,
        cluster: str = "-",
        *,
        filter: str = "",
        order_by: str = "",
        page_size: int = 0,
        timeout: float | None = None,
    ) -> Listing[PolicyGap, pb.ListPolicyGapsResponse]:
        """List what a mesh-wide REGISTRY_ONLY does not hold on a cluster; `-` means all.

        The first of the pager's `pages` has `observations`: when each cluster was looked at, and what is left out.
        `timeout` holds for each page.
        """
        request = pb.ListPolicyGapsRequest(
            parent=names.cluster(self.mesh, cluster), filter=filter, order_by=order_by, page_size=page_size
        )
        call = Call(_SERVICE + "ListPolicyGaps", request, pb.ListPolicyGapsResponse, timeout)
        return Listing(call, lambda page: page.policy_gaps)

    @paged
    def list_stale_workloads(
        self,
        cluster: str = "-",
        *,
        filter: str = "",
        order_by: str = "",
        page_size: int = 0,
        timeout: float | None = None,
    ) -> Listing[StaleWorkload, pb.ListStaleWorkloadsResponse]:
        """List the workloads of a cluster that run under older interception rules; `-` means all.

        The first of the pager's `pages` has `observations`: when each cluster was looked at, and what is left out.
        `timeout` holds for each page.
        """
        request = pb.ListStaleWorkloadsRequest(
            parent=names.cluster(self.mesh, cluster), filter=filter, order_by=order_by, page_size=page_size
        )
        call = Call(_SERVICE + "ListStaleWorkloads", request, pb.ListStaleWorkloadsResponse, timeout)
        return Listing(call, lambda page: page.stale_workloads)

    @mutating
    def adopt_object(self, cluster: str, object: str, **options: Unpack[Mutation]) -> Call[pb.AdoptObjectResponse]:
        """Allow an object that is not ours to be changed where it stands in the way. What it was is kept, and put back
        when it is released. For `options` see `Mutation`.
        """
        request = pb.AdoptObjectRequest(name=names.cluster(self.mesh, cluster), object=object, **mutation(options))
        return Call(_SERVICE + "AdoptObject", request, pb.AdoptObjectResponse, options.get("timeout"))

    @mutating
    def release_object(self, cluster: str, object: str, **options: Unpack[Mutation]) -> Call[pb.ReleaseObjectResponse]:
        """Take an adoption back: the object becomes what it was before. For `options` see `Mutation`."""
        request = pb.ReleaseObjectRequest(name=names.cluster(self.mesh, cluster), object=object, **mutation(options))
        return Call(_SERVICE + "ReleaseObject", request, pb.ReleaseObjectResponse, options.get("timeout"))

    @mutating
    def approve_deletion(
        self, cluster: str, *, token: str = "", **options: Unpack[Mutation]
    ) -> Call[pb.ApproveDeletionResponse]:
        """Approve the deletion that a guard holds back on a cluster.

        `token` is the cluster's `status.approval_token` as it was looked at; where it is empty, whatever is held at
        this moment is approved. For `options` see `Mutation`.
        """
        request = pb.ApproveDeletionRequest(name=names.cluster(self.mesh, cluster), token=token, **mutation(options))
        return Call(_SERVICE + "ApproveDeletion", request, pb.ApproveDeletionResponse, options.get("timeout"))

    @mutating
    def accept_store_reset(
        self, cluster: str, *, token: str = "", **options: Unpack[Mutation]
    ) -> Call[pb.AcceptStoreResetResponse]:
        """Have a cluster follow this store although it was last driven by another state of it.

        `token` as for `approve_deletion`. For `options` see `Mutation`.
        """
        request = pb.AcceptStoreResetRequest(name=names.cluster(self.mesh, cluster), token=token, **mutation(options))
        return Call(_SERVICE + "AcceptStoreReset", request, pb.AcceptStoreResetResponse, options.get("timeout"))

    @mutating
    def restart_workloads(
        self, cluster: str, workloads: Iterable[str] = (), **options: Unpack[Mutation]
    ) -> Call[pb.RestartWorkloadsResponse]:
        """Restart workloads, one after the other; without any, all that are stale.

        It stops at the first that does not come back. How far it is stands in the cluster's `status.restart`, once that
        has the reply's `restart_id`. For `options` see `Mutation`.
        """
        request = pb.RestartWorkloadsRequest(
            name=names.cluster(self.mesh, cluster), workloads=workloads, **mutation(options)
        )
        return Call(_SERVICE + "RestartWorkloads", request, pb.RestartWorkloadsResponse, options.get("timeout"))
