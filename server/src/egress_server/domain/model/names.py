"""Resource names (AIP-122): the one place that knows how they are built and taken apart."""

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from egress_server.domain.model.errors import invalid

# RFC 1123 label, as Kubernetes demands of namespaces and as Istio's names stay valid everywhere.
_LABEL = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_LABEL_RE = re.compile(_LABEL)
# RFC 1123 subdomain, as Kubernetes demands of object names.
_SUBDOMAIN_RE = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*")


class ResourceKind(Enum):
    """Kinds of resources, by their collection's name."""

    MESH = "meshes"
    CLUSTER = "clusters"
    OUTBOUND_POLICY = "outboundPolicies"
    SERVICE_ENTRY = "serviceEntries"
    FAULT = "faults"
    INTERCEPTION = "interceptions"


_NAMESPACED = frozenset({ResourceKind.SERVICE_ENTRY, ResourceKind.FAULT})
_BY_COLLECTION = {kind.value: kind for kind in ResourceKind}


@dataclass(frozen=True, slots=True)
class Name:
    """A resource name taken apart. `namespace` is empty for kinds without one, `id` is the mesh for a mesh."""

    mesh: str
    kind: ResourceKind
    id: str
    namespace: str = ""

    def __str__(self) -> str:
        """The full name, such as meshes/default/namespaces/prod/serviceEntries/bank."""
        if self.kind is ResourceKind.MESH:
            return f"meshes/{self.mesh}"
        middle = f"namespaces/{self.namespace}/" if self.kind in _NAMESPACED else ""
        return f"meshes/{self.mesh}/{middle}{self.kind.value}/{self.id}"


@lru_cache(maxsize=16_384)
def parse_name(text: str) -> Name:
    """The name in `text`, of a name that was checked before (from the store). Raises ValueError."""
    match text.split("/"):
        case ["meshes", mesh]:
            return Name(mesh, ResourceKind.MESH, mesh)
        case ["meshes", mesh, collection, id_] if collection in _BY_COLLECTION:
            return Name(mesh, _BY_COLLECTION[collection], id_)
        case ["meshes", mesh, "namespaces", namespace, collection, id_] if collection in _BY_COLLECTION:
            return Name(mesh, _BY_COLLECTION[collection], id_, namespace)
    raise ValueError(f"not a resource name: {text!r}")


def object_name(kind: str, namespace: str, name: str) -> str:
    """What an object on a cluster is called: KIND/NAMESPACE/NAME. No resource has three parts."""
    return f"{kind}/{namespace}/{name}"


def is_resource(name: str) -> bool:
    """Whether `name` is a resource's, and not that of an object which is not ours."""
    return name.startswith("meshes/")


def namespace_of(name: str) -> str:
    """The namespace in a resource's or an object's name; empty where it has none."""
    return parse_name(name).namespace if is_resource(name) else name.split("/")[1]


def check_id(kind: ResourceKind, field: str, text: str) -> str:
    """`text`, which must be the id of a `kind`; raises InvalidArgument naming `field`.

    What may come from an object of Kubernetes is called as that is. Other ids are labels, so that what is made of
    them stays short enough for an object's name.
    """
    return (check_object_id if kind in _NAMESPACED else check_label)(field, text, "id")


def check_label(field: str, text: str, what: str) -> str:
    """`text`, which must be an RFC 1123 label; raises InvalidArgument naming `field`."""
    if not _LABEL_RE.fullmatch(text):
        raise invalid(
            field,
            f"{what} {_shown(text)} must be 1 to 63 lower-case letters, digits or '-', "
            "and begin and end with a letter or digit",
        )
    return text


def check_object_id(field: str, text: str, what: str) -> str:
    """`text`, which must be an RFC 1123 subdomain, as names of Kubernetes objects; raises InvalidArgument."""
    if not _SUBDOMAIN_RE.fullmatch(text):
        raise invalid(
            field,
            f"{what} {_shown(text)} must be lower-case letters, digits, '-' or '.', at most 253 in all "
            "and 63 between dots, and begin and end with a letter or digit",
        )
    return text


def expect_name(field: str, text: str, kind: ResourceKind) -> Name:
    """The name of a `kind` in `text`, every part checked; raises InvalidArgument naming `field`."""
    pattern = (
        f"meshes/{{mesh}}/namespaces/{{namespace}}/{kind.value}/{{id}}"
        if kind in _NAMESPACED
        else f"meshes/{{mesh}}/{kind.value}/{{id}}"
    )
    match text.split("/"):
        case ["meshes", mesh, collection, id_] if collection == kind.value and kind not in _NAMESPACED:
            return Name(check_label(field, mesh, "mesh"), kind, check_id(kind, field, id_))
        case ["meshes", mesh, "namespaces", namespace, collection, id_] if (
            collection == kind.value and kind in _NAMESPACED
        ):
            check_label(field, mesh, "mesh")
            check_label(field, namespace, "namespace")
            return Name(mesh, kind, check_id(kind, field, id_), namespace)
    raise invalid(field, f"{_shown(text)} must look like {pattern}")


def expect_mesh(field: str, text: str) -> str:
    """The mesh id of `meshes/{mesh}`; raises InvalidArgument naming `field`."""
    match text.split("/"):
        case ["meshes", mesh]:
            return check_label(field, mesh, "mesh")
    raise invalid(field, f"{_shown(text)} must look like meshes/{{mesh}}")


def expect_namespace(field: str, text: str, *, wildcard: bool = False) -> tuple[str, str]:
    """Mesh and namespace of `meshes/{mesh}/namespaces/{namespace}`; with `wildcard`, `-` stands for all."""
    match text.split("/"):
        case ["meshes", mesh, "namespaces", namespace]:
            check_label(field, mesh, "mesh")
            if not (wildcard and namespace == "-"):
                check_label(field, namespace, "namespace")
            return mesh, namespace
    raise invalid(field, f"{_shown(text)} must look like meshes/{{mesh}}/namespaces/{{namespace}}")


def change_name(mesh: str, revision: int) -> str:
    """meshes/{mesh}/changes/{revision}"""
    return f"meshes/{mesh}/changes/{revision}"


def expect_change(field: str, text: str) -> tuple[str, int]:
    """Mesh and revision of a change's name; raises InvalidArgument naming `field`."""
    match text.split("/"):
        case ["meshes", mesh, "changes", revision] if revision.isascii() and revision.isdigit() and len(revision) <= 18:
            return check_label(field, mesh, "mesh"), int(revision)
    raise invalid(field, f"{_shown(text)} must look like meshes/{{mesh}}/changes/{{revision}}")


def _shown(text: str) -> str:
    """`text` quoted, and cut where somebody sends a novel."""
    return repr(text if len(text) <= 80 else text[:77] + "...")


def matches_host(pattern: str, host: str) -> bool:
    """Whether `host` is `pattern`, or below it where it begins with `*.`; `*` is every host."""
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) > len(pattern) - 1
    return pattern in {"*", host}
