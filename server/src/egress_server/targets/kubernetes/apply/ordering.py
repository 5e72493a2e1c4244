"""In which order a change goes out, so that nothing that is allowed is cut and nothing that is not gets out.

Services come before the policy that blocks all others, and go after the policy is loosened; exceptions from a wide
policy come before it; what is new comes before what it replaces goes. Within a stage all goes at once.
"""

from collections.abc import Iterable, Sequence

from egress_server.domain.model.objects import IstioObject, ObjectKey, key_of

_NARROW, _WIDE = "narrow", "wide"
_UPSERTS = (
    ("ServiceEntry",),
    ("DestinationRule",),
    ("VirtualService",),
    ("MutatingAdmissionPolicy", "Interception", "InjectorValues", _NARROW),
    ("MutatingAdmissionPolicyBinding", "MeshConfig", _WIDE),
)
_DELETES = (
    ("VirtualService", "MutatingAdmissionPolicyBinding"),
    ("DestinationRule", "MutatingAdmissionPolicy", "Interception", "InjectorValues", "MeshConfig", "Sidecar"),
    ("ServiceEntry",),
)


def upsert_stages(objects: Sequence[IstioObject], root: str) -> list[list[IstioObject]]:
    """What is to be made or changed, stage by stage."""
    sorts = [(_sort(obj, root), obj) for obj in objects]
    return [found for stage in _UPSERTS if (found := [obj for sort, obj in sorts if sort in stage])]


def delete_stages(keys: Iterable[ObjectKey]) -> list[list[ObjectKey]]:
    """What is to go, stage by stage."""
    going = list(keys)
    return [found for stage in _DELETES if (found := [key for key in going if key.kind in stage])]


def waves(created: Sequence[IstioObject]) -> list[list[IstioObject]]:
    """New entries, which come oldest first, so that no two of a wave are for one host: the older by a second is the one
    that Istio heeds."""
    made: list[tuple[set[str], list[IstioObject]]] = []
    for obj in created:
        hosts = set(obj["spec"]["hosts"])
        last = max((number for number, (known, _) in enumerate(made) if known & hosts), default=-1)
        if last + 1 == len(made):
            made.append((set(), []))
        made[last + 1][0].update(hosts)
        made[last + 1][1].append(obj)
    return [objects for _, objects in made]


def _sort(obj: IstioObject, root: str) -> str:
    key = key_of(obj)
    if key.kind != "Sidecar":
        return key.kind
    return _WIDE if key.namespace == root and "workloadSelector" not in obj["spec"] else _NARROW
