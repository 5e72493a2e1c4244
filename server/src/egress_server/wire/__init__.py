"""The method table: every unary RPC of the contract, by its path. A method without an entry is not served."""

from collections.abc import Mapping

from egress_server.pipeline import Method
from egress_server.wire.methods import (
    delete_outbound_policy,
    delete_service_entry,
    get_change,
    get_cluster,
    get_outbound_policy,
    get_service_entry,
    list_changes,
    list_cluster_rollouts,
    list_clusters,
    list_outbound_policies,
    list_service_entries,
    probe,
    register_cluster,
    set_outbound_policy,
    upsert_service_entry,
    wait_change,
)

_MODULES = (
    set_outbound_policy,
    get_outbound_policy,
    list_outbound_policies,
    delete_outbound_policy,
    upsert_service_entry,
    get_service_entry,
    list_service_entries,
    delete_service_entry,
    probe,
    register_cluster,
    get_cluster,
    list_clusters,
    get_change,
    list_changes,
    list_cluster_rollouts,
    wait_change,
)

METHODS: Mapping[str, Method] = {module.METHOD.path: module.METHOD for module in _MODULES}
