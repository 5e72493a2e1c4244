"""Outbound policies: set."""

from collections.abc import Iterable, Mapping
from typing import Unpack

from egress._api import names
from egress._api.fields import MutationOptions, enum, mutation, scope, selector
from egress._client.calls import Call, mutating
from egress.v1 import egress_service_pb2 as pb
from egress.v1.outbound_policy_pb2 import OutboundPolicy


class PolicyMethods:
    """Whether workloads may reach destinations that are not registered."""

    mesh: str

    @mutating
    def set_outbound_policy(
        self,
        mode: OutboundPolicy.Mode.ValueType | str,
        *,
        id: str = "",
        namespace: str = "",
        match_labels: Mapping[str, str] | None = None,
        clusters: Iterable[str] = (),
        cluster_labels: Mapping[str, str] | None = None,
        **options: Unpack[MutationOptions],
    ) -> Call[pb.SetOutboundPolicyResponse]:
        """Creates or fully replaces an outbound policy.

        `mode` is ALLOW_ANY or REGISTRY_ONLY. The policy applies in `namespace` (default: the whole mesh), to workloads
        with `match_labels`, on `clusters` or on clusters with `cluster_labels` (default: all). `id` defaults to an ID
        derived from this scope. For `options` see `MutationOptions`.
        """
        policy = OutboundPolicy(
            mode=enum(OutboundPolicy.Mode, mode),
            scope=scope(namespace, match_labels),
            cluster_selector=selector(clusters, cluster_labels),
        )
        request = pb.SetOutboundPolicyRequest(
            parent=names.mesh(self.mesh), outbound_policy_id=id, outbound_policy=policy, **mutation(options)
        )
        path = "/egress.v1.EgressService/SetOutboundPolicy"
        return Call(path, request, pb.SetOutboundPolicyResponse, options.get("timeout"))
