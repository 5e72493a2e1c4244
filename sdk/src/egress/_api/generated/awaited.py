"""The methods of AsyncEgressClient that follow from the contract.

Generated from proto/egress/v1 by `make gen`. Never edited.
"""

from collections.abc import Iterable
from typing import Unpack

from egress._api import names
from egress._api.fields import MutationOptions, mutation
from egress._client.calls import AsyncSender, Call, ListCall
from egress._client.pagers import AsyncPager
from egress._client.results import AsyncMutationResult
from egress.v1.change_pb2 import Change, ClusterRollout
from egress.v1.change_service_pb2 import (
    GetChangeRequest,
    ListChangesRequest,
    ListChangesResponse,
    ListClusterRolloutsRequest,
    ListClusterRolloutsResponse,
    RevertChangeRequest,
    RevertChangeResponse,
)
from egress.v1.cluster_pb2 import Cluster
from egress.v1.egress_service_pb2 import (
    ClearFaultRequest,
    ClearFaultResponse,
    DeleteInterceptionRequest,
    DeleteInterceptionResponse,
    DeleteOutboundPolicyRequest,
    DeleteOutboundPolicyResponse,
    DeleteServiceEntryRequest,
    DeleteServiceEntryResponse,
    GetFaultRequest,
    GetInterceptionRequest,
    GetOutboundPolicyRequest,
    GetServiceEntryRequest,
    ListFaultsRequest,
    ListFaultsResponse,
    ListInterceptionsRequest,
    ListInterceptionsResponse,
    ListOutboundPoliciesRequest,
    ListOutboundPoliciesResponse,
    ListServiceEntriesRequest,
    ListServiceEntriesResponse,
)
from egress.v1.explain_pb2 import ListRegistryRequest, ListRegistryResponse
from egress.v1.fault_pb2 import Fault
from egress.v1.fleet_service_pb2 import (
    AcceptStoreResetRequest,
    AcceptStoreResetResponse,
    AdoptObjectRequest,
    AdoptObjectResponse,
    Agent,
    ApproveDeletionRequest,
    ApproveDeletionResponse,
    DeregisterClusterRequest,
    DeregisterClusterResponse,
    GetClusterRequest,
    GetMeshRequest,
    ListAgentsRequest,
    ListAgentsResponse,
    ListClustersRequest,
    ListClustersResponse,
    ListDriftRequest,
    ListDriftResponse,
    ListPolicyGapsRequest,
    ListPolicyGapsResponse,
    ListStaleWorkloadsRequest,
    ListStaleWorkloadsResponse,
    ReleaseObjectRequest,
    ReleaseObjectResponse,
    RestartWorkloadsRequest,
    RestartWorkloadsResponse,
    ResyncRequest,
    ResyncResponse,
)
from egress.v1.interception_pb2 import Interception
from egress.v1.inventory_pb2 import DriftedObject, PolicyGap, StaleWorkload
from egress.v1.mesh_pb2 import Mesh
from egress.v1.outbound_policy_pb2 import OutboundPolicy
from egress.v1.service_entry_pb2 import ServiceEntry


class AwaitedMethods(AsyncSender):
    """The generated methods."""

    async def get_change(self, change: Change | int | str, *, timeout: float | None = None) -> Change:
        """Returns a change with the number of its rollouts in each state.

        Args:
            change: Message, revision or full name of the change: `meshes/{mesh}/changes/{revision}`.
            timeout: Seconds for the call, retries included. Defaults to the client's timeout.

        Raises:
            NotFound: The resource does not exist.
            EgressError: The call failed for another reason; the subclasses tell which.
        """
        request = GetChangeRequest(name=names.child(names.mesh(self.mesh), "changes", change))
        return await self._send(Call("/egress.v1.ChangeService/GetChange", request, Change, timeout))

    def list_changes(
        self, *, filter: str = "", order_by: str = "", page_size: int = 0, timeout: float | None = None
    ) -> AsyncPager[Change, ListChangesResponse]:
        """Lists the changes of a mesh, newest first.

        Args:
            filter: Conditions joined by AND, such as `resource = "meshes/default/outboundPolicies/default" AND type =
                "SET"`. Filterable fields: resource, type, actor, request_id.
            order_by: `revision desc` (the default) or `revision`.
            page_size: The maximum number of items per page. Defaults to 50; values above 1000 are reduced to 1000.
            timeout: Seconds for each page, retries included. Defaults to the client's timeout.

        Returns:
            A pager that iterates over the items of all pages.

        Raises:
            EgressError: The call failed for another reason; the subclasses tell which.
        """
        request = ListChangesRequest(
            parent=names.mesh(self.mesh), filter=filter, order_by=order_by, page_size=page_size
        )
        return self._list(
            ListCall(
                Call("/egress.v1.ChangeService/ListChanges", request, ListChangesResponse, timeout),
                lambda page: page.changes,
            )
        )

    def list_cluster_rollouts(
        self,
        change: Change | int | str,
        *,
        filter: str = "",
        order_by: str = "",
        page_size: int = 0,
        timeout: float | None = None,
    ) -> AsyncPager[ClusterRollout, ListClusterRolloutsResponse]:
        """Lists the state of a change on each cluster that it affects.

        Args:
            change: Message, revision or full name of the change: `meshes/{mesh}/changes/{revision}`.
            filter: Conditions joined by AND, such as `state = "FAILED"`. Filterable fields: cluster, state.
            order_by: `cluster` (the default) or `cluster desc`.
            page_size: The maximum number of items per page. Defaults to 50; values above 1000 are reduced to 1000.
            timeout: Seconds for each page, retries included. Defaults to the client's timeout.

        Returns:
            A pager that iterates over the items of all pages.

        Raises:
            EgressError: The call failed for another reason; the subclasses tell which.
        """
        request = ListClusterRolloutsRequest(
            parent=names.child(names.mesh(self.mesh), "changes", change),
            filter=filter,
            order_by=order_by,
            page_size=page_size,
        )
        return self._list(
            ListCall(
                Call("/egress.v1.ChangeService/ListClusterRollouts", request, ListClusterRolloutsResponse, timeout),
                lambda page: page.cluster_rollouts,
            )
        )

    async def revert_change(
        self, change: Change | int | str, **options: Unpack[MutationOptions]
    ) -> AsyncMutationResult[RevertChangeResponse]:
        """Restores a resource to its state before a change, as a new change.

        Args:
            change: Message, revision or full name of the change to revert: `meshes/{mesh}/changes/{revision}`. It must
                be the latest change to its resource.
            options: See `MutationOptions`.

        Returns:
            The result, with `change`, `findings` and `plan`. Its `wait` waits for the rollout.
            It has `resource`: Name of the resource that was restored.

        Raises:
            NotFound: The resource does not exist.
            FailedPrecondition: Lint errors or the state of the mesh block the change.
            EgressError: The call failed for another reason; the subclasses tell which.
        """
        request = RevertChangeRequest(name=names.child(names.mesh(self.mesh), "changes", change), **mutation(options))
        return await self._change(
            Call("/egress.v1.ChangeService/RevertChange", request, RevertChangeResponse, options.get("timeout"))
        )

    async def get_outbound_policy(self, policy: str = "default", *, timeout: float | None = None) -> OutboundPolicy:
        """Returns an outbound policy.

        Args:
            policy: ID or full name of the policy: `meshes/{mesh}/outboundPolicies/{id}`. Defaults to the one for the
                whole mesh.
            timeout: Seconds for the call, retries included. Defaults to the client's timeout.

        Raises:
            NotFound: The resource does not exist.
            EgressError: The call failed for another reason; the subclasses tell which.
        """
        request = GetOutboundPolicyRequest(name=names.child(names.mesh(self.mesh), "outboundPolicies", policy))
        return await self._send(Call("/egress.v1.EgressService/GetOutboundPolicy", request, OutboundPolicy, timeout))

    def list_outbound_policies(
        self, *, filter: str = "", order_by: str = "", page_size: int = 0, timeout: float | None = None
    ) -> AsyncPager[OutboundPolicy, ListOutboundPoliciesResponse]:
        """Lists the outbound policies of a mesh.

        Args:
            filter: Conditions joined by AND, such as `mode = "REGISTRY_ONLY"`. Filterable fields: name, mode,
                scope.namespace.
            order_by: `name` (the default) or `name desc`.
            page_size: The maximum number of items per page. Defaults to 50; values above 1000 are reduced to 1000.
            timeout: Seconds for each page, retries included. Defaults to the client's timeout.

        Returns:
            A pager that iterates over the items of all pages.

        Raises:
            EgressError: The call failed for another reason; the subclasses tell which.
        """
        request = ListOutboundPoliciesRequest(
            parent=names.mesh(self.mesh), filter=filter, order_by=order_by, page_size=page_size
        )
        return self._list(
            ListCall(
                Call("/egress.v1.EgressService/ListOutboundPolicies", request, ListOutboundPoliciesResponse, timeout),
                lambda page: page.outbound_policies,
            )
        )

    async def delete_outbound_policy(
        self, policy: str, **options: Unpack[MutationOptions]
    ) -> AsyncMutationResult[DeleteOutboundPolicyResponse]:
        """Deletes an outbound policy.

        The next-ranked policy then applies, or the mesh's default if there is none.

        Args:
            policy: ID or full name of the policy: `meshes/{mesh}/outboundPolicies/{id}`.
            options: See `MutationOptions`.

        Returns:
            The result, with `change`, `findings` and `plan`. Its `wait` waits for the rollout.
            It has `outbound_policy`: The policy before it was deleted.

        Raises:
            NotFound: The resource does not exist.
            FailedPrecondition: Lint errors or the state of the mesh block the change.
            EgressError: The call failed for another reason; the subclasses tell which.
        """
        request = DeleteOutboundPolicyRequest(
            name=names.child(names.mesh(self.mesh), "outboundPolicies", policy), **mutation(options)
        )
        return await self._change(
            Call(
                "/egress.v1.EgressService/DeleteOutboundPolicy",
                request,
                DeleteOutboundPolicyResponse,
                options.get("timeout"),
            )
        )

    async def get_service_entry(
        self, entry: str, *, namespace: str = "default", timeout: float | None = None
    ) -> ServiceEntry:
        """Returns a service entry.

        Args:
            entry: ID or full name of the entry: `meshes/{mesh}/namespaces/{namespace}/serviceEntries/{id}`.
            namespace: Namespace of an ID. Defaults to `default`.
            timeout: Seconds for the call, retries included. Defaults to the client's timeout.

        Raises:
            NotFound: The resource does not exist.
            EgressError: The call failed for another reason; the subclasses tell which.
        """
        request = GetServiceEntryRequest(
            name=names.child(names.namespace(self.mesh, namespace), "serviceEntries", entry)
        )
        return await self._send(Call("/egress.v1.EgressService/GetServiceEntry", request, ServiceEntry, timeout))

    def list_service_entries(
        self,
        *,
        namespace: str = "-",
        filter: str = "",
        order_by: str = "",
        page_size: int = 0,
        timeout: float | None = None,
    ) -> AsyncPager[ServiceEntry, ListServiceEntriesResponse]:
        """Lists the service entries of a namespace, or of all namespaces if the namespace is `-`.

        Args:
            namespace: ID or full name of the namespace: `meshes/{mesh}/namespaces/{namespace}`. Use namespace `-` for
                all namespaces.
            filter: Conditions joined by AND, such as `hosts:"www.aliyun.com"`. Filterable fields: name, hosts,
                resolution, location.
            order_by: `name` (the default) or `name desc`.
            page_size: The maximum number of items per page. Defaults to 50; values above 1000 are reduced to 1000.
            timeout: Seconds for each page, retries included. Defaults to the client's timeout.

        Returns:
            A pager that iterates over the items of all pages.

        Raises:
            EgressError: The call failed for another reason; the subclasses tell which.
        """
        request = ListServiceEntriesRequest(
            parent=names.namespace(self.mesh, namespace), filter=filter, order_by=order_by, page_size=page_size
        )
        return self._list(
            ListCall(
                Call("/egress.v1.EgressService/ListServiceEntries", request, ListServiceEntriesResponse, timeout),
                lambda page: page.service_entries,
            )
        )

    async def delete_service_entry(
        self, entry: str, *, namespace: str = "default", **options: Unpack[MutationOptions]
    ) -> AsyncMutationResult[DeleteServiceEntryResponse]:
        """Deletes a service entry.

        Args:
            entry: ID or full name of the entry: `meshes/{mesh}/namespaces/{namespace}/serviceEntries/{id}`.
            namespace: Namespace of an ID. Defaults to `default`.
            options: See `MutationOptions`.

        Returns:
            The result, with `change`, `findings` and `plan`. Its `wait` waits for the rollout.
            It has `service_entry`: The entry before it was deleted.

        Raises:
            NotFound: The resource does not exist.
            FailedPrecondition: Lint errors or the state of the mesh block the change.
            EgressError: The call failed for another reason; the subclasses tell which.
        """
        request = DeleteServiceEntryRequest(
            name=names.child(names.namespace(self.mesh, namespace), "serviceEntries", entry), **mutation(options)
        )
        return await self._change(
            Call(
                "/egress.v1.EgressService/DeleteServiceEntry",
                request,
                DeleteServiceEntryResponse,
                options.get("timeout"),
            )
        )

    async def get_fault(self, fault: str, *, namespace: str = "default", timeout: float | None = None) -> Fault:
        """Returns a fault.

        Args:
            fault: ID or full name of the fault: `meshes/{mesh}/namespaces/{namespace}/faults/{id}`.
            namespace: Namespace of an ID. Defaults to `default`.
            timeout: Seconds for the call, retries included. Defaults to the client's timeout.

        Raises:
            NotFound: The resource does not exist.
            EgressError: The call failed for another reason; the subclasses tell which.
        """
        request = GetFaultRequest(name=names.child(names.namespace(self.mesh, namespace), "faults", fault))
        return await self._send(Call("/egress.v1.EgressService/GetFault", request, Fault, timeout))

    def list_faults(
        self,
        *,
        namespace: str = "-",
        filter: str = "",
        order_by: str = "",
        page_size: int = 0,
        timeout: float | None = None,
    ) -> AsyncPager[Fault, ListFaultsResponse]:
        """Lists the faults of a namespace, or of all namespaces if the namespace is `-`.

        Args:
            namespace: ID or full name of the namespace: `meshes/{mesh}/namespaces/{namespace}`. Use namespace `-` for
                all namespaces.
            filter: Conditions joined by AND, such as `host = "www.aliyun.com"`. Filterable fields: name, host.
            order_by: `name` (the default) or `name desc`.
            page_size: The maximum number of items per page. Defaults to 50; values above 1000 are reduced to 1000.
            timeout: Seconds for each page, retries included. Defaults to the client's timeout.

        Returns:
            A pager that iterates over the items of all pages.

        Raises:
            EgressError: The call failed for another reason; the subclasses tell which.
        """
        request = ListFaultsRequest(
            parent=names.namespace(self.mesh, namespace), filter=filter, order_by=order_by, page_size=page_size
        )
        return self._list(
            ListCall(
                Call("/egress.v1.EgressService/ListFaults", request, ListFaultsResponse, timeout),
                lambda page: page.faults,
            )
        )

    async def clear_fault(
        self, fault: str, *, namespace: str = "default", **options: Unpack[MutationOptions]
    ) -> AsyncMutationResult[ClearFaultResponse]:
        """Ends a fault before it expires.

        Args:
            fault: ID or full name of the fault: `meshes/{mesh}/namespaces/{namespace}/faults/{id}`.
            namespace: Namespace of an ID. Defaults to `default`.
            options: See `MutationOptions`.

        Returns:
            The result, with `change`, `findings` and `plan`. Its `wait` waits for the rollout.
            It has `fault`: The fault before it was cleared.

        Raises:
            NotFound: The resource does not exist.
            FailedPrecondition: Lint errors or the state of the mesh block the change.
            EgressError: The call failed for another reason; the subclasses tell which.
        """
        request = ClearFaultRequest(
            name=names.child(names.namespace(self.mesh, namespace), "faults", fault), **mutation(options)
        )
        return await self._change(
            Call("/egress.v1.EgressService/ClearFault", request, ClearFaultResponse, options.get("timeout"))
        )

    async def get_interception(self, interception: str = "default", *, timeout: float | None = None) -> Interception:
        """Returns an interception.

        Args:
            interception: ID or full name of the interception: `meshes/{mesh}/interceptions/{id}`. Defaults to the one
                for the whole mesh.
            timeout: Seconds for the call, retries included. Defaults to the client's timeout.

        Raises:
            NotFound: The resource does not exist.
            EgressError: The call failed for another reason; the subclasses tell which.
        """
        request = GetInterceptionRequest(name=names.child(names.mesh(self.mesh), "interceptions", interception))
        return await self._send(Call("/egress.v1.EgressService/GetInterception", request, Interception, timeout))

    def list_interceptions(
        self, *, filter: str = "", order_by: str = "", page_size: int = 0, timeout: float | None = None
    ) -> AsyncPager[Interception, ListInterceptionsResponse]:
        """Lists the interceptions of a mesh.

        Args:
            filter: Conditions joined by AND, such as `scope.namespace = "prod"`. Filterable fields: name,
                scope.namespace.
            order_by: `name` (the default) or `name desc`.
            page_size: The maximum number of items per page. Defaults to 50; values above 1000 are reduced to 1000.
            timeout: Seconds for each page, retries included. Defaults to the client's timeout.

        Returns:
            A pager that iterates over the items of all pages.

        Raises:
            EgressError: The call failed for another reason; the subclasses tell which.
        """
        request = ListInterceptionsRequest(
            parent=names.mesh(self.mesh), filter=filter, order_by=order_by, page_size=page_size
        )
        return self._list(
            ListCall(
                Call("/egress.v1.EgressService/ListInterceptions", request, ListInterceptionsResponse, timeout),
                lambda page: page.interceptions,
            )
        )

    async def delete_interception(
        self, interception: str, **options: Unpack[MutationOptions]
    ) -> AsyncMutationResult[DeleteInterceptionResponse]:
        """Deletes an interception.

        The next-ranked interception then applies, or all connections are intercepted if there is none.

        Args:
            interception: ID or full name of the interception: `meshes/{mesh}/interceptions/{id}`.
            options: See `MutationOptions`.

        Returns:
            The result, with `change`, `findings` and `plan`. Its `wait` waits for the rollout.
            It has `interception`: The interception before it was deleted.

        Raises:
            NotFound: The resource does not exist.
            FailedPrecondition: Lint errors or the state of the mesh block the change.
            EgressError: The call failed for another reason; the subclasses tell which.
        """
        request = DeleteInterceptionRequest(
            name=names.child(names.mesh(self.mesh), "interceptions", interception), **mutation(options)
        )
        return await self._change(
            Call(
                "/egress.v1.EgressService/DeleteInterception",
                request,
                DeleteInterceptionResponse,
                options.get("timeout"),
            )
        )

    def list_registry(
        self,
        cluster: str,
        *,
        namespace: str = "",
        filter: str = "",
        order_by: str = "",
        page_size: int = 0,
        timeout: float | None = None,
    ) -> AsyncPager[ListRegistryResponse.Item, ListRegistryResponse]:
        """Lists the service registry as seen from one namespace of a cluster: hosts and ports, what registers them, and
        what shadows what.

        Args:
            cluster: ID or full name of the cluster: `meshes/{mesh}/clusters/{id}`.
            namespace: The namespace whose view of the registry is returned. Defaults to `default`.
            filter: Conditions joined by AND, such as `host = "www.aliyun.com"`. Filterable fields: host, port, owner,
                owner_kind, visible.
            order_by: `host` (the default) or `host desc`.
            page_size: The maximum number of items per page. Defaults to 50; values above 1000 are reduced to 1000.
            timeout: Seconds for each page, retries included. Defaults to the client's timeout.

        Returns:
            A pager that iterates over the items of all pages.
            Each of its `pages` has `revision`: Revision that the list is based on.

        Raises:
            EgressError: The call failed for another reason; the subclasses tell which.
        """
        request = ListRegistryRequest(
            parent=names.child(names.mesh(self.mesh), "clusters", cluster),
            namespace=namespace,
            filter=filter,
            order_by=order_by,
            page_size=page_size,
        )
        return self._list(
            ListCall(
                Call("/egress.v1.EgressService/ListRegistry", request, ListRegistryResponse, timeout),
                lambda page: page.items,
            )
        )

    async def get_cluster(self, cluster: str, *, timeout: float | None = None) -> Cluster:
        """Returns a cluster.

        Args:
            cluster: ID or full name of the cluster: `meshes/{mesh}/clusters/{id}`.
            timeout: Seconds for the call, retries included. Defaults to the client's timeout.

        Raises:
            NotFound: The resource does not exist.
            EgressError: The call failed for another reason; the subclasses tell which.
        """
        request = GetClusterRequest(name=names.child(names.mesh(self.mesh), "clusters", cluster))
        return await self._send(Call("/egress.v1.FleetService/GetCluster", request, Cluster, timeout))

    def list_clusters(
        self, *, filter: str = "", order_by: str = "", page_size: int = 0, timeout: float | None = None
    ) -> AsyncPager[Cluster, ListClustersResponse]:
        """Lists the clusters of a mesh.

        Args:
            filter: Conditions joined by AND, such as `labels.env = "prod"`. Filterable fields: name, labels.KEY.
            order_by: `name` (the default) or `name desc`.
            page_size: The maximum number of items per page. Defaults to 50; values above 1000 are reduced to 1000.
            timeout: Seconds for each page, retries included. Defaults to the client's timeout.

        Returns:
            A pager that iterates over the items of all pages.

        Raises:
            EgressError: The call failed for another reason; the subclasses tell which.
        """
        request = ListClustersRequest(
            parent=names.mesh(self.mesh), filter=filter, order_by=order_by, page_size=page_size
        )
        return self._list(
            ListCall(
                Call("/egress.v1.FleetService/ListClusters", request, ListClustersResponse, timeout),
                lambda page: page.clusters,
            )
        )

    async def deregister_cluster(
        self, cluster: str, *, cleanup: bool = False, **options: Unpack[MutationOptions]
    ) -> AsyncMutationResult[DeregisterClusterResponse]:
        """Deregisters a cluster.

        Its configuration is left in place, unless `cleanup` is set.

        Args:
            cluster: ID or full name of the cluster: `meshes/{mesh}/clusters/{id}`.
            cleanup: Removes all managed objects from the cluster first, and waits until that is done. The cluster must
                be reachable.
            options: See `MutationOptions`.

        Returns:
            The result, with `change`, `findings` and `plan`. Its `wait` waits for the rollout.
            It has `cluster`: The cluster before it was deregistered.

        Raises:
            NotFound: The resource does not exist.
            FailedPrecondition: Lint errors or the state of the mesh block the change.
            EgressError: The call failed for another reason; the subclasses tell which.
        """
        request = DeregisterClusterRequest(
            name=names.child(names.mesh(self.mesh), "clusters", cluster), cleanup=cleanup, **mutation(options)
        )
        return await self._change(
            Call(
                "/egress.v1.FleetService/DeregisterCluster", request, DeregisterClusterResponse, options.get("timeout")
            )
        )

    def list_agents(
        self,
        cluster: str = "-",
        *,
        filter: str = "",
        order_by: str = "",
        page_size: int = 0,
        timeout: float | None = None,
    ) -> AsyncPager[Agent, ListAgentsResponse]:
        """Lists the agents that are currently attached.

        Args:
            cluster: ID or full name of the cluster: `meshes/{mesh}/clusters/{id}`. Use cluster `-` for all clusters.
            filter: Conditions joined by AND, such as `namespace = "prod"`. Filterable fields: agent, cluster,
                namespace, labels.KEY.
            order_by: `agent` (the default) or `agent desc`.
            page_size: The maximum number of items per page. Defaults to 50; values above 1000 are reduced to 1000.
            timeout: Seconds for each page, retries included. Defaults to the client's timeout.

        Returns:
            A pager that iterates over the items of all pages.

        Raises:
            EgressError: The call failed for another reason; the subclasses tell which.
        """
        request = ListAgentsRequest(
            parent=names.child(names.mesh(self.mesh), "clusters", cluster),
            filter=filter,
            order_by=order_by,
            page_size=page_size,
        )
        return self._list(
            ListCall(
                Call("/egress.v1.FleetService/ListAgents", request, ListAgentsResponse, timeout),
                lambda page: page.agents,
            )
        )

    async def resync(self, cluster: str, *, timeout: float | None = None) -> ResyncResponse:
        """Triggers a full resync of a cluster: its applier reads it again and corrects any drift.

        Returns immediately.

        Args:
            cluster: ID or full name of the cluster: `meshes/{mesh}/clusters/{id}`.
            timeout: Seconds for the call, retries included. Defaults to the client's timeout.

        Raises:
            NotFound: The resource does not exist.
            EgressError: The call failed for another reason; the subclasses tell which.
        """
        request = ResyncRequest(name=names.child(names.mesh(self.mesh), "clusters", cluster))
        return await self._send(Call("/egress.v1.FleetService/Resync", request, ResyncResponse, timeout))

    def list_drift(
        self,
        cluster: str = "-",
        *,
        filter: str = "",
        order_by: str = "",
        page_size: int = 0,
        timeout: float | None = None,
    ) -> AsyncPager[DriftedObject, ListDriftResponse]:
        """Lists the managed objects that another client changed.

        Args:
            cluster: ID or full name of the cluster: `meshes/{mesh}/clusters/{id}`. Use cluster `-` for all clusters.
            filter: Conditions joined by AND, such as `healed = false`. Filterable fields: cluster, type, kind,
                namespace, name, resource, manager, healed.
            order_by: `cluster` (the default) or `cluster desc`.
            page_size: The maximum number of items per page. Defaults to 50; values above 1000 are reduced to 1000.
            timeout: Seconds for each page, retries included. Defaults to the client's timeout.

        Returns:
            A pager that iterates over the items of all pages.

        Raises:
            EgressError: The call failed for another reason; the subclasses tell which.
        """
        request = ListDriftRequest(
            parent=names.child(names.mesh(self.mesh), "clusters", cluster),
            filter=filter,
            order_by=order_by,
            page_size=page_size,
        )
        return self._list(
            ListCall(
                Call("/egress.v1.FleetService/ListDrift", request, ListDriftResponse, timeout),
                lambda page: page.drifted_objects,
            )
        )

    def list_policy_gaps(
        self,
        cluster: str = "-",
        *,
        filter: str = "",
        order_by: str = "",
        page_size: int = 0,
        timeout: float | None = None,
    ) -> AsyncPager[PolicyGap, ListPolicyGapsResponse]:
        """Lists workloads and Sidecars that a mesh-wide REGISTRY_ONLY policy does not cover.

        Args:
            cluster: ID or full name of the cluster: `meshes/{mesh}/clusters/{id}`. Use cluster `-` for all clusters.
            filter: Conditions joined by AND, such as `namespace = "prod"`. Filterable fields: cluster, type, kind,
                namespace, name.
            order_by: `cluster` (the default) or `cluster desc`.
            page_size: The maximum number of items per page. Defaults to 50; values above 1000 are reduced to 1000.
            timeout: Seconds for each page, retries included. Defaults to the client's timeout.

        Returns:
            A pager that iterates over the items of all pages.
            Each of its `pages` has `observations`: How recent and how complete the list is for each requested cluster;
            returned with the first page only.

        Raises:
            EgressError: The call failed for another reason; the subclasses tell which.
        """
        request = ListPolicyGapsRequest(
            parent=names.child(names.mesh(self.mesh), "clusters", cluster),
            filter=filter,
            order_by=order_by,
            page_size=page_size,
        )
        return self._list(
            ListCall(
                Call("/egress.v1.FleetService/ListPolicyGaps", request, ListPolicyGapsResponse, timeout),
                lambda page: page.policy_gaps,
            )
        )

    def list_stale_workloads(
        self,
        cluster: str = "-",
        *,
        filter: str = "",
        order_by: str = "",
        page_size: int = 0,
        timeout: float | None = None,
    ) -> AsyncPager[StaleWorkload, ListStaleWorkloadsResponse]:
        """Lists workloads that run under older interception rules until they are restarted.

        Args:
            cluster: ID or full name of the cluster: `meshes/{mesh}/clusters/{id}`. Use cluster `-` for all clusters.
            filter: Conditions joined by AND, such as `namespace = "prod"`. Filterable fields: cluster, kind, namespace,
                name.
            order_by: `cluster` (the default) or `cluster desc`.
            page_size: The maximum number of items per page. Defaults to 50; values above 1000 are reduced to 1000.
            timeout: Seconds for each page, retries included. Defaults to the client's timeout.

        Returns:
            A pager that iterates over the items of all pages.
            Each of its `pages` has `observations`: How recent and how complete the list is for each requested cluster;
            returned with the first page only.

        Raises:
            EgressError: The call failed for another reason; the subclasses tell which.
        """
        request = ListStaleWorkloadsRequest(
            parent=names.child(names.mesh(self.mesh), "clusters", cluster),
            filter=filter,
            order_by=order_by,
            page_size=page_size,
        )
        return self._list(
            ListCall(
                Call("/egress.v1.FleetService/ListStaleWorkloads", request, ListStaleWorkloadsResponse, timeout),
                lambda page: page.stale_workloads,
            )
        )

    async def adopt_object(
        self, cluster: str, object: str, **options: Unpack[MutationOptions]
    ) -> AsyncMutationResult[AdoptObjectResponse]:
        """Allows mesh-egress to change an unmanaged object that conflicts with policy.

        The object's previous state is kept on the cluster, and restored by ReleaseObject or by deregistering the
        cluster with `cleanup`.

        Args:
            cluster: ID or full name of the cluster: `meshes/{mesh}/clusters/{id}`.
            object: The object as `KIND/NAMESPACE/NAME`, such as `Sidecar/prod/default`.
            options: See `MutationOptions`.

        Returns:
            The result, with `change`, `findings` and `plan`. Its `wait` waits for the rollout.
            It has `cluster`: The cluster after the change; if `validate_only` is true, as it would be.

        Raises:
            NotFound: The resource does not exist.
            FailedPrecondition: Lint errors or the state of the mesh block the change.
            EgressError: The call failed for another reason; the subclasses tell which.
        """
        request = AdoptObjectRequest(
            name=names.child(names.mesh(self.mesh), "clusters", cluster), object=object, **mutation(options)
        )
        return await self._change(
            Call("/egress.v1.FleetService/AdoptObject", request, AdoptObjectResponse, options.get("timeout"))
        )

    async def release_object(
        self, cluster: str, object: str, **options: Unpack[MutationOptions]
    ) -> AsyncMutationResult[ReleaseObjectResponse]:
        """Releases an adopted object and restores its previous state.

        Args:
            cluster: ID or full name of the cluster: `meshes/{mesh}/clusters/{id}`.
            object: The object as `KIND/NAMESPACE/NAME`, such as `Sidecar/prod/default`.
            options: See `MutationOptions`.

        Returns:
            The result, with `change`, `findings` and `plan`. Its `wait` waits for the rollout.
            It has `cluster`: The cluster after the change; if `validate_only` is true, as it would be.

        Raises:
            NotFound: The resource does not exist.
            FailedPrecondition: Lint errors or the state of the mesh block the change.
            EgressError: The call failed for another reason; the subclasses tell which.
        """
        request = ReleaseObjectRequest(
            name=names.child(names.mesh(self.mesh), "clusters", cluster), object=object, **mutation(options)
        )
        return await self._change(
            Call("/egress.v1.FleetService/ReleaseObject", request, ReleaseObjectResponse, options.get("timeout"))
        )

    async def approve_deletion(
        self, cluster: str, *, token: str = "", **options: Unpack[MutationOptions]
    ) -> AsyncMutationResult[ApproveDeletionResponse]:
        """Approves the deletion that a guard is holding back on a cluster.

        Later deletions need their own approval.

        Args:
            cluster: ID or full name of the cluster: `meshes/{mesh}/clusters/{id}`.
            token: The `approval_token` in the cluster's status. If set, the request fails with ABORTED unless the
                pending deletion still has this token; if empty, the deletion that is currently pending is approved.
            options: See `MutationOptions`.

        Returns:
            The result, with `change`, `findings` and `plan`. Its `wait` waits for the rollout.
            It has `cluster`: The cluster after the change; if `validate_only` is true, as it would be.

        Raises:
            NotFound: The resource does not exist.
            FailedPrecondition: Lint errors or the state of the mesh block the change.
            EgressError: The call failed for another reason; the subclasses tell which.
        """
        request = ApproveDeletionRequest(
            name=names.child(names.mesh(self.mesh), "clusters", cluster), token=token, **mutation(options)
        )
        return await self._change(
            Call("/egress.v1.FleetService/ApproveDeletion", request, ApproveDeletionResponse, options.get("timeout"))
        )

    async def accept_store_reset(
        self, cluster: str, *, token: str = "", **options: Unpack[MutationOptions]
    ) -> AsyncMutationResult[AcceptStoreResetResponse]:
        """Accepts this store for a cluster that was last managed by a lost or restored store.

        Args:
            cluster: ID or full name of the cluster: `meshes/{mesh}/clusters/{id}`.
            token: The `approval_token` in the cluster's status. If set, the request fails with ABORTED unless the
                cluster is still held with this token; if empty, the current state is accepted.
            options: See `MutationOptions`.

        Returns:
            The result, with `change`, `findings` and `plan`. Its `wait` waits for the rollout.
            It has `cluster`: The cluster after the change; if `validate_only` is true, as it would be.

        Raises:
            NotFound: The resource does not exist.
            FailedPrecondition: Lint errors or the state of the mesh block the change.
            EgressError: The call failed for another reason; the subclasses tell which.
        """
        request = AcceptStoreResetRequest(
            name=names.child(names.mesh(self.mesh), "clusters", cluster), token=token, **mutation(options)
        )
        return await self._change(
            Call("/egress.v1.FleetService/AcceptStoreReset", request, AcceptStoreResetResponse, options.get("timeout"))
        )

    async def restart_workloads(
        self, cluster: str, workloads: Iterable[str] = (), **options: Unpack[MutationOptions]
    ) -> AsyncMutationResult[RestartWorkloadsResponse]:
        """Restarts workloads one at a time, and stops at the first that does not become available again.

        Returns immediately; progress is reported in the cluster's status. Replaces a restart that is in progress.

        Args:
            cluster: ID or full name of the cluster: `meshes/{mesh}/clusters/{id}`.
            workloads: The workloads as `KIND/NAMESPACE/NAME`, such as `Deployment/prod/web`, at most 1000. If empty,
                restarts all workloads that are stale when the restart begins.
            options: See `MutationOptions`.

        Returns:
            The result, with `change`, `findings` and `plan`. Its `wait` waits for the rollout.
            It has `cluster`: The cluster after the change; if `validate_only` is true, as it would be.
            It has `restart_id`: ID of the restart in the cluster's status.

        Raises:
            NotFound: The resource does not exist.
            FailedPrecondition: Lint errors or the state of the mesh block the change.
            EgressError: The call failed for another reason; the subclasses tell which.
        """
        request = RestartWorkloadsRequest(
            name=names.child(names.mesh(self.mesh), "clusters", cluster), workloads=workloads, **mutation(options)
        )
        return await self._change(
            Call("/egress.v1.FleetService/RestartWorkloads", request, RestartWorkloadsResponse, options.get("timeout"))
        )

    async def get_mesh(self, *, timeout: float | None = None) -> Mesh:
        """Returns a mesh.

        Args:
            timeout: Seconds for the call, retries included. Defaults to the client's timeout.

        Raises:
            NotFound: The resource does not exist.
            EgressError: The call failed for another reason; the subclasses tell which.
        """
        request = GetMeshRequest(name=names.mesh(self.mesh))
        return await self._send(Call("/egress.v1.FleetService/GetMesh", request, Mesh, timeout))
