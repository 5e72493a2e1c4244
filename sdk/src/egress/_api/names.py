"""Resource names from IDs. Anything that contains a `/` is a full name already and is used as it is."""

from egress.v1.change_pb2 import Change


def mesh(mesh_id: str) -> str:
    """meshes/{mesh}"""
    return f"meshes/{mesh_id}"


def namespace(mesh_id: str, namespace_id: str) -> str:
    """meshes/{mesh}/namespaces/{namespace}"""
    return child(mesh(mesh_id), "namespaces", namespace_id)


def namespace_or_mesh(mesh_id: str, namespace_id: str) -> str:
    """meshes/{mesh}/namespaces/{namespace}, or meshes/{mesh} if the namespace is empty."""
    return namespace(mesh_id, namespace_id) if namespace_id else mesh(mesh_id)


def child(parent: str, collection: str, resource: Change | int | str) -> str:
    """{parent}/{collection}/{id}, from an ID or a full name; a change also from its message or its revision."""
    if isinstance(resource, Change):
        return resource.name
    name = str(resource)
    return name if "/" in name else f"{parent}/{collection}/{name}"
