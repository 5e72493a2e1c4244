"""Where a resource's name comes from: parent and id of the request, or the name inside the resource.

A resource that was read can be sent back as it is; whoever makes a new one need not know how names are built. Where
both are given they must agree.
"""

from egress_server.domain.model.errors import InvalidArgument
from egress_server.domain.model.names import Name, ResourceKind, check_id, check_label, expect_mesh, expect_name
from egress_server.domain.validate import Problems

_ALL_CLUSTERS = "/clusters/-"


def resource_name(
    problems: Problems,
    kind: ResourceKind,
    *,
    own: tuple[str, str],
    parent: str,
    id_field: str,
    id_: str,
    default_id: str = "",
) -> Name | None:
    """The name of a `kind` without namespace; `own` is the path and value of the name inside the resource.

    `default_id` stands in for an id that nobody gave; it is made of the resource, so what is wrong with it is said
    there. What is wrong is added to `problems`, and the name is None then.
    """
    try:
        if own[1]:
            name = expect_name(own[0], own[1], kind)
            _agree(problems, own[0], name, {"parent": (parent, f"meshes/{name.mesh}"), id_field: (id_, name.id)})
            return name
        mesh = expect_mesh("parent", parent)
        return Name(mesh, kind, default_id if default_id and not id_ else check_id(kind, id_field, id_))
    except InvalidArgument as error:
        problems.include(error)
        return None


def namespaced_name(
    problems: Problems,
    kind: ResourceKind,
    *,
    own: tuple[str, str],
    parent: str,
    id_field: str,
    id_: str,
    hints: Name | None,
    default_id: str = "",
) -> Name | None:
    """The name of a `kind` in a namespace. `hints` has namespace and id as the YAML gives them, empty where it does
    not; where nobody names a namespace it is `default`. `default_id` is as for `resource_name`."""
    try:
        if own[1]:
            name = expect_name(own[0], own[1], kind)
            mesh = f"meshes/{name.mesh}"
            whole = mesh if parent == mesh else f"{mesh}/namespaces/{name.namespace}"
            _agree(problems, own[0], name, {"parent": (parent, whole), id_field: (id_, name.id)})
            return name
        mesh, namespace = _split_parent(parent)
        hinted = hints or Name("", kind, "")
        if hinted.namespace and namespace and hinted.namespace != namespace:
            problems.at("istio_yaml.metadata.namespace").add(f"is {hinted.namespace}, and parent says {namespace}")
        if hinted.id and id_ and hinted.id != id_:
            problems.at("istio_yaml.metadata.name").add(f"is {hinted.id}, and {id_field} says {id_}")
        place = id_field if id_ or not hints else "istio_yaml.metadata.name"
        where = "parent" if namespace else "istio_yaml.metadata.namespace"
        chosen = id_ or hinted.id
        return Name(
            mesh,
            kind,
            default_id if default_id and not chosen else check_id(kind, place, chosen),
            check_label(where, namespace or hinted.namespace or "default", "namespace"),
        )
    except InvalidArgument as error:
        problems.include(error)
        return None


def cluster_or_all(parent: str) -> tuple[str, str]:
    """Mesh and id of the cluster that a list's parent names; no id for `-`, which means all. Raises InvalidArgument."""
    if parent.endswith(_ALL_CLUSTERS):
        return expect_mesh("parent", parent.removesuffix(_ALL_CLUSTERS)), ""
    name = expect_name("parent", parent, ResourceKind.CLUSTER)
    return name.mesh, name.id


def _split_parent(parent: str) -> tuple[str, str]:
    match parent.split("/"):
        case ["meshes", mesh, "namespaces", namespace]:
            return check_label("parent", mesh, "mesh"), check_label("parent", namespace, "namespace")
    return expect_mesh("parent", parent), ""


def _agree(problems: Problems, path: str, name: Name, others: dict[str, tuple[str, str]]) -> None:
    for field, (given, wanted) in others.items():
        if given and given != wanted:
            problems.at(field).add(f"is {given!r}, and {path} is {name}")
