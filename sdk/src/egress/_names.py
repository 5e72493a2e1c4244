"""Resource names from the short ids that people use. What holds a `/` is a full name already and
stays as it is.
"""

from egress.v1.change_pb2 import Change


def mesh(mesh_id: str) -> str:
    """meshes/{mesh}"""
    return f"meshes/{mesh_id}"


def outbound_policy(mesh_id: str, policy: str) -> str:
    """meshes/{mesh}/outboundPolicies/{id}"""
    return _full(policy) or f"meshes/{mesh_id}/outboundPolicies/{policy}"


def namespace(mesh_id: str, namespace_id: str) -> str:
    """meshes/{mesh}/namespaces/{namespace}"""
    return f"meshes/{mesh_id}/namespaces/{namespace_id}"


def service_entry(mesh_id: str, namespace_id: str, entry: str) -> str:
    """meshes/{mesh}/namespaces/{namespace}/serviceEntries/{id}"""
    return _full(entry) or f"{namespace(mesh_id, namespace_id)}/serviceEntries/{entry}"


def parent(mesh_id: str, namespace_id: str) -> str:
    """meshes/{mesh}/namespaces/{namespace}, meshes/{mesh} where the namespace is empty."""
    return namespace(mesh_id, namespace_id) if namespace_id else mesh(mesh_id)


def fault(mesh_id: str, namespace_id: str, fault_id: str) -> str:
    """meshes/{mesh}/namespaces/{namespace}/faults/{id}"""
    return _full(fault_id) or f"{namespace(mesh_id, namespace_id)}/faults/{fault_id}"


def interception(mesh_id: str, interception_id: str) -> str:
    """meshes/{mesh}/interceptions/{id}"""
    return _full(interception_id) or f"meshes/{mesh_id}/interceptions/{interception_id}"


def cluster(mesh_id: str, cluster_id: str) -> str:
    """meshes/{mesh}/clusters/{id}"""
    return _full(cluster_id) or f"meshes/{mesh_id}/clusters/{cluster_id}"


def change(mesh_id: str, reference: Change | int | str) -> str:
    """meshes/{mesh}/changes/{revision}, from the change itself, its revision or its name."""
    if isinstance(reference, Change):
        return reference.name
    return _full(str(reference)) or f"meshes/{mesh_id}/changes/{reference}"


def _full(name: str) -> str:
    return name if "/" in name else ""
