"""Resource names (AIP-122): the only place that builds and parses them."""

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from egress_server.domain.model.errors import invalid

# RFC 1123 label: what Kubernetes requires of namespaces, and valid as any other name, too.
_LABEL = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_LABEL_RE = re.compile(_LABEL)
# RFC 1123 subdomain: what Kubernetes requires of object names.
_SUBDOMAIN_RE = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*")


class ResourceKind(Enum):
    """Kinds of resources, by the name of their collection."""

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
    """A parsed resource name. `namespace` is empty for kinds without one; the `id` of a mesh is the mesh."""

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
    """Parse a name that has been validated before, such as one from the store. Raises ValueError."""
    match text.split("/"):
        case ["meshes", mesh]:
            return Name(mesh, ResourceKind.MESH, mesh)
        case ["meshes", mesh, collection, id_] if collection in _BY_COLLECTION:
            return Name(mesh, _BY_COLLECTION[collection], id_)
        case ["meshes", mesh, "namespaces", namespace, collection, id_] if collection in _BY_COLLECTION:
            return Name(mesh, _BY_COLLECTION[collection], id_, namespace)
    raise ValueError(f"not a resource name: {text!r}")


def object_name(kind: str, namespace: str, name: str) -> str:
    """The name of an object on a cluster: KIND/NAMESPACE/NAME. No resource name has three parts."""
    return f"{kind}/{namespace}/{name}"


def is_resource(name: str) -> bool:
    """Whether `name` is the name of a resource rather than of a foreign object."""
    return name.startswith("meshes/")


def namespace_of(name: str) -> str:
    """The namespace in the name of a resource or object; empty if it has none."""
    return parse_name(name).namespace if is_resource(name) else name.split("/")[1]


def check_id(kind: ResourceKind, field: str, text: str) -> str:
    """Return `text`, which must be a valid id for a `kind`; raises InvalidArgument for `field`.

    Resources that may be imported from Kubernetes objects allow the names of such objects. Other ids are labels, so
    that names derived from them are short enough for an object.
    """
    return (check_object_id if kind in _NAMESPACED else check_label)(field, text, "id")


def check_label(field: str, text: str, what: str) -> str:
    """Return `text`, which must be an RFC 1123 label; raises InvalidArgument for `field`."""
    if not _LABEL_RE.fullmatch(text):
        raise invalid(
            field,
            f"{what} {_quoted(text)} must be 1 to 63 lowercase letters, digits or '-', "
            "and start and end with a letter or digit",
        )
    return text


def check_object_id(field: str, text: str, what: str) -> str:
    """Return `text`, which must be an RFC 1123 subdomain like a Kubernetes object name; raises InvalidArgument."""
    if not _SUBDOMAIN_RE.fullmatch(text):
        raise invalid(
            field,
            f"{what} {_quoted(text)} must be lowercase letters, digits, '-' or '.', at most 253 in total "
            "and 63 between dots, and start and end with a letter or digit",
        )
    return text


def expect_name(field: str, text: str, kind: ResourceKind) -> Name:
    """Parse and validate the name of a `kind`; raises InvalidArgument for `field`."""
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
    raise invalid(field, f"{_quoted(text)} must look like {pattern}")


def expect_mesh(field: str, text: str) -> str:
    """The mesh id of `meshes/{mesh}`; raises InvalidArgument for `field`."""
    match text.split("/"):
        case ["meshes", mesh]:
            return check_label(field, mesh, "mesh")
    raise invalid(field, f"{_quoted(text)} must look like meshes/{{mesh}}")


def expect_namespace(field: str, text: str, *, wildcard: bool = False) -> tuple[str, str]:
    """Mesh and namespace of `meshes/{mesh}/namespaces/{namespace}`; with `wildcard`, `-` means all namespaces."""
    match text.split("/"):
        case ["meshes", mesh, "namespaces", namespace]:
            check_label(field, mesh, "mesh")
            if not (wildcard and namespace == "-"):
                check_label(field, namespace, "namespace")
            return mesh, namespace
    raise invalid(field, f"{_quoted(text)} must look like meshes/{{mesh}}/namespaces/{{namespace}}")


def change_name(mesh: str, revision: int) -> str:
    """meshes/{mesh}/changes/{revision}"""
    return f"meshes/{mesh}/changes/{revision}"


def expect_change(field: str, text: str) -> tuple[str, int]:
    """Mesh and revision of the name of a change; raises InvalidArgument for `field`."""
    match text.split("/"):
        case ["meshes", mesh, "changes", revision] if revision.isascii() and revision.isdigit() and len(revision) <= 18:
            return check_label(field, mesh, "mesh"), int(revision)
    raise invalid(field, f"{_quoted(text)} must look like meshes/{{mesh}}/changes/{{revision}}")


def _quoted(text: str) -> str:
    """`text` in quotes, truncated to a sensible length."""
    return repr(text if len(text) <= 80 else text[:77] + "...")


def normal_host(text: str) -> str:
    """A DNS name in lower case, without the dot of a fully qualified name: Istio would compare Host headers with it."""
    return text.lower().removesuffix(".")


def matches_host(pattern: str, host: str) -> bool:
    """Whether `host` equals `pattern`, or is a subdomain of a `*.` pattern; `*` matches every host."""
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) > len(pattern) - 1
    return pattern in {"*", host}
