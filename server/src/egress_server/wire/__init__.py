"""The method tables: every RPC of the contract, by its path. A method without an entry is not served.

A method that has something to say of its own has a file; what is alike for every kind (get, list, delete) is made by
`collection`, in one file a kind.
"""

from collections.abc import Mapping

from egress_server.pipeline.pipeline import Method, StreamMethod
from egress_server.wire.methods import (
    accept_store_reset,
    adopt_object,
    approve_deletion,
    deregister_cluster,
    explain,
    faults,
    get_change,
    get_cluster,
    get_mesh,
    inject_fault,
    interceptions,
    list_agents,
    list_changes,
    list_cluster_rollouts,
    list_clusters,
    list_drift,
    list_policy_gaps,
    list_registry,
    list_stale_workloads,
    outbound_policies,
    probe,
    register_cluster,
    release_object,
    restart_workloads,
    resync,
    revert_change,
    service_entries,
    set_interception_cidrs,
    set_outbound_policy,
    update_cluster,
    update_mesh,
    upsert_service_entry,
    wait_change,
    watch_changes,
)

_METHODS = (
    set_outbound_policy.METHOD,
    *outbound_policies.METHODS,
    upsert_service_entry.METHOD,
    *service_entries.METHODS,
    inject_fault.METHOD,
    *faults.METHODS,
    set_interception_cidrs.METHOD,
    *interceptions.METHODS,
    probe.METHOD,
    explain.METHOD,
    list_registry.METHOD,
    register_cluster.METHOD,
    get_cluster.METHOD,
    list_clusters.METHOD,
    update_cluster.METHOD,
    deregister_cluster.METHOD,
    get_mesh.METHOD,
    update_mesh.METHOD,
    get_change.METHOD,
    list_changes.METHOD,
    list_cluster_rollouts.METHOD,
    wait_change.METHOD,
    revert_change.METHOD,
    list_agents.METHOD,
    resync.METHOD,
    list_drift.METHOD,
    list_policy_gaps.METHOD,
    list_stale_workloads.METHOD,
    adopt_object.METHOD,
    release_object.METHOD,
    approve_deletion.METHOD,
    accept_store_reset.METHOD,
    restart_workloads.METHOD,
)

METHODS: Mapping[str, Method] = {method.path: method for method in _METHODS}
STREAMS: Mapping[str, StreamMethod] = {method.path: method for method in (watch_changes.METHOD,)}
