"""How a request names a resource: by parent and ID, or by the name inside the resource.

A resource that was read can be sent back as it is, and a new one can be created without knowing how names are built. If
both are given, they must agree.
"""

import hashlib

from egress_server.domain.model.errors import InvalidArgument
from egress_server.domain.model.names import Name, ResourceKind, check_id, check_label, expect_mesh, expect_name
from egress_server.domain.model.resources import Scoped
from egress_server.domain.model.selectors import ClusterSelector, Scope
from egress_server.domain.validate import Problems

DEFAULT_NAMESPACE = "default"
_ALL_CLUSTERS = "/clusters/-"
_MAX_LABEL = 63
_DIGEST_LENGTH = 8


def resource_name(
    problems: Problems,
    kind: ResourceKind,
    *,
    own: tuple[str, str],
    parent: str,
    id_field: str,
    id_: str,
    default_id: str = "",
) -> Name:
    """The name of a resource whose kind has no namespace.

    `own` is the path and the value of the name inside the resource. `default_id` is used if the request has no ID; it
    is derived from the resource, whose own problems are reported there. Adds problems, and then returns a placeholder.
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
        return _placeholder(kind)


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
) -> Name:
    """The name of a resource whose kind has a namespace; the default namespace is `default`.

    `hints` has the namespace and ID in the YAML, empty if it has none. The rest is as for `resource_name`.
    """
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
            problems.at("istio_yaml.metadata.namespace").add(f"is {hinted.namespace}, but parent has {namespace}")
        if hinted.id and id_ and hinted.id != id_:
            problems.at("istio_yaml.metadata.name").add(f"is {hinted.id}, but {id_field} is {id_}")
        id_place = id_field if id_ or not hints else "istio_yaml.metadata.name"
        namespace_place = "parent" if namespace else "istio_yaml.metadata.namespace"
        chosen = id_ or hinted.id
        return Name(
            mesh,
            kind,
            default_id if default_id and not chosen else check_id(kind, id_place, chosen),
            check_label(namespace_place, namespace or hinted.namespace or DEFAULT_NAMESPACE, "namespace"),
        )
    except InvalidArgument as error:
        problems.include(error)
        return _placeholder(kind)


def scoped_id(policy: Scoped) -> str:
    """The default ID of a policy, derived from its scope and clusters: setting the same scope and clusters again
    replaces the policy."""
    scope, selector = policy.scope, policy.cluster_selector
    if scope == Scope() and selector == ClusterSelector():
        return "default"
    digest = _digest(repr((scope.key(), sorted(selector.clusters), sorted(selector.match_labels.items()))))
    return f"{(scope.namespace or 'default')[: _MAX_LABEL - _DIGEST_LENGTH - 1]}-{digest}"


def host_id(host: str) -> str:
    """The default ID of a fault, derived from its host: injecting a fault for the same host again replaces it."""
    base = host.replace("*", "wildcard").replace(".", "-") or "default"
    if len(base) <= _MAX_LABEL:
        return base
    return f"{base[: _MAX_LABEL - _DIGEST_LENGTH - 1].rstrip('-')}-{_digest(host)}"


def cluster_or_all(parent: str) -> tuple[str, str]:
    """Mesh and ID of the cluster that a list's parent names. The ID is empty for `-`, which means all clusters. Raises
    InvalidArgument."""
    if parent.endswith(_ALL_CLUSTERS):
        return expect_mesh("parent", parent.removesuffix(_ALL_CLUSTERS)), ""
    name = expect_name("parent", parent, ResourceKind.CLUSTER)
    return name.mesh, name.id


def _placeholder(kind: ResourceKind) -> Name:
    """A well-formed name for a resource whose own name is invalid, so that the rest of it can be validated."""
    return Name("invalid", kind, "invalid", "invalid")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH]


def _split_parent(parent: str) -> tuple[str, str]:
    match parent.split("/"):
        case ["meshes", mesh, "namespaces", namespace]:
            return check_label("parent", mesh, "mesh"), check_label("parent", namespace, "namespace")
    return expect_mesh("parent", parent), ""


def _agree(problems: Problems, path: str, name: Name, others: dict[str, tuple[str, str]]) -> None:
    for field, (value, expected) in others.items():
        if value and value != expected:
            problems.at(field).add(f"is {value!r}, but {path} is {name}")
