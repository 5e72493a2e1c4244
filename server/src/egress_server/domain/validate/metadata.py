"""Validation of the labels and annotations that an entry's object gets besides our own.

Istio gives meaning to some of them (istio.io/use-waypoint, networking.istio.io/traffic-distribution), so all are kept.
"""

from egress_server.domain.model.limits import MAX_ANNOTATION, MAX_ANNOTATIONS
from egress_server.domain.model.objects import MANAGED_BY, OWN_PREFIX
from egress_server.domain.model.resources import Location, Resolution, ServiceEntry
from egress_server.domain.validate.problems import Problems
from egress_server.domain.validate.selectors import check_labels, is_label_key

_REVISION = "istio.io/rev"
_WAYPOINT = "istio.io/use-waypoint"


def check_metadata(entry: ServiceEntry, problems: Problems) -> None:
    """Adds everything that is wrong with the labels and annotations of `entry`."""
    check_labels(entry.labels, problems.at("labels"))
    for key in sorted(entry.labels):
        here = problems.at("labels").key(key)
        if key in MANAGED_BY or key.startswith(OWN_PREFIX):
            here.add("is set by mesh-egress")
        elif key == _REVISION:
            here.add("would hide the entry from all other revisions of Istio; select clusters by cluster_selector")
    _check_waypoint(entry, problems)
    _check_annotations(entry.annotations, problems.at("annotations"))


def _check_waypoint(entry: ServiceEntry, problems: Problems) -> None:
    """Istio's rule, where `none` means no waypoint."""
    uses_waypoint = entry.labels.get(_WAYPOINT, "").lower() not in {"", "none"}
    if uses_waypoint and entry.resolution is Resolution.DYNAMIC_DNS and entry.location is Location.MESH_INTERNAL:
        problems.at("location").add("must be MESH_EXTERNAL with resolution DYNAMIC_DNS and a waypoint")


def _check_annotations(annotations: dict[str, str], problems: Problems) -> None:
    if len(annotations) > MAX_ANNOTATIONS:
        problems.add(f"has {len(annotations)} annotations; at most {MAX_ANNOTATIONS} are allowed")
    for key, value in sorted(annotations.items()):
        here = problems.key(key)
        if not is_label_key(key):
            here.add("the key must be a Kubernetes annotation key, such as note or example.com/note")
        elif key.startswith(OWN_PREFIX):
            here.add("is set by mesh-egress")
        if len(value) > MAX_ANNOTATION:
            here.add(f"has {len(value)} characters; at most {MAX_ANNOTATION} are allowed")
