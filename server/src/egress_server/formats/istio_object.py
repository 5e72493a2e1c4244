"""What all of Istio's objects have in common as YAML."""

from egress_server.domain.validate import Problems
from egress_server.formats.fields import Fields
from egress_server.formats.strict_yaml import load_mapping

_API_VERSIONS = frozenset(f"networking.istio.io/{version}" for version in ("v1", "v1beta1", "v1alpha3"))


def read_object(text: str, kind: str, problems: Problems) -> tuple[Fields, Fields] | None:
    """Metadata and spec of the `kind` in `text`; None, with a problem, where it is something else.

    Raises YamlError where the text is no YAML we read.
    """
    top = Fields(load_mapping(text), problems)
    if not _is_kind(top, kind):
        return None
    metadata, spec = top.child("metadata"), top.child("spec")
    top.ignore("status")
    top.refuse_rest()
    return metadata, spec


def _is_kind(top: Fields, kind: str) -> bool:
    version, found = top.text("apiVersion"), top.text("kind")
    if found != kind:
        top.problems.at("kind").add(f"must be {kind}, not {found or 'empty'}")
        return False
    if version not in _API_VERSIONS:
        top.problems.at("apiVersion").add(f"must be networking.istio.io/v1, v1beta1 or v1alpha3, not {version!r}")
        return False
    return True
