"""The comments of the contract state the limits that the server enforces."""

from importlib.resources import files

import pytest

from egress_server.domain.model import limits
from egress_server.gateway.openapi.comments import comments_of
from egress_server.wire import METHODS
from tests.support.paths import ROOT
from tests.support.requests import requests
from tests.support.violations import violations_of

COMMENTS = comments_of(files("egress_server.wire").joinpath("descriptors.binpb").read_bytes())
MUTATING = [m.descriptor.input_type.full_name for m in METHODS.values() if m.mutates]
LISTS = sorted(path for path, m in METHODS.items() if "page_token" in m.descriptor.input_type.fields_by_name)


def seconds(value: float) -> str:
    """A duration, written as in the comments."""
    for unit, name in ((limits.HOUR, "hour"), (limits.MINUTE, "minute"), (1.0, "second")):
        if value >= unit and value / unit < 100:
            return f"{value / unit:g} {name}" + ("" if value == unit else "s")
    raise ValueError(value)


FAULT_TTL = f"Defaults to {seconds(limits.DEFAULT_FAULT_TTL)}; at most {seconds(limits.MAX_FAULT_TTL)}"
LIMITS = {
    "ClusterSelector.clusters": f"at most {limits.MAX_CLUSTERS}",
    "Cluster.DirectoryTarget.service_cidrs": f"at most {limits.MAX_CIDRS}",
    "Cluster.KubernetesTarget.service_cidrs": f"at most {limits.MAX_CIDRS}",
    "Cluster.LocalTarget.service_cidrs": f"at most {limits.MAX_CIDRS}",
    "Cluster.labels": f"at most {limits.MAX_LABELS}",
    "ExplainRequest.url": f"At most {limits.MAX_URL} characters",
    "Fault.match_headers": f"At most {limits.MAX_HEADER_MATCHES}",
    "Fault.ports": f"at most {limits.MAX_PORTS}",
    "Fault.ttl": FAULT_TTL,
    "HeaderOperations": f"at most {limits.MAX_HEADER_OPERATIONS}",
    "InjectFaultRequest.ttl": FAULT_TTL,
    "Interception.exclude_cidrs": f"at most {limits.MAX_CIDRS}",
    "Interception.exclude_outbound_ports": f"at most {limits.MAX_INTERCEPTION_PORTS}",
    "Interception.include_cidrs": f"at most {limits.MAX_CIDRS}",
    "Interception.include_outbound_ports": f"at most {limits.MAX_INTERCEPTION_PORTS}",
    "Mesh.display_name": f"At most {limits.MAX_DISPLAY_NAME} characters",
    "PlanGroup.clusters": f"up to {limits.MAX_PLAN_SAMPLE}",
    "ProbeRequest.count": f"at most {limits.MAX_PROBE_COUNT}",
    "ProbeRequest.headers": f"at most {limits.MAX_PROBE_HEADERS}",
    "ProbeRequest.min_applied_revision": f"at most {limits.MAX_APPLIED_WAIT:g} seconds",
    "ProbeRequest.timeout": (
        f"Defaults to {seconds(limits.DEFAULT_PROBE_TIMEOUT)}; at most {seconds(limits.MAX_PROBE_TIMEOUT)}"
    ),
    "ProbeRequest.url": f"At most {limits.MAX_URL} characters",
    "RestartWorkloadsRequest.workloads": f"at most {limits.MAX_WORKLOADS}",
    "Retries.attempts": f"0 to {limits.MAX_RETRIES}",
    "Route.destinations": f"at most {limits.MAX_DESTINATIONS}",
    "Route.match_headers": f"at most {limits.MAX_HEADER_MATCHES}",
    "ServiceEntry.annotations": f"at most {limits.MAX_ANNOTATIONS}",
    "ServiceEntry.subject_alt_names": f"at most {limits.MAX_SUBJECT_ALT_NAMES}",
    "ServiceEntry.addresses": f"at most {limits.MAX_ADDRESSES}",
    "ServiceEntry.endpoints": f"at most {limits.MAX_ENDPOINTS}",
    "ServiceEntry.export_to": f"At most {limits.MAX_EXPORTS}",
    "ServiceEntry.hosts": f"at most {limits.MAX_HOSTS}",
    "ServiceEntry.ports": f"at most {limits.MAX_PORTS}",
    "TrafficSettings.routes": f"at most {limits.MAX_ROUTES}",
    "TrafficSettings.timeout": f"At most {seconds(limits.MAX_TRAFFIC_TIMEOUT)}",
    "WaitChangeRequest.timeout": f"Defaults to {seconds(limits.DEFAULT_WAIT)}; at most {seconds(limits.MAX_WAIT)}",
    "WaitChangeResponse.waiting_for": f"up to {limits.MAX_WAITING_FOR}",
}


@pytest.mark.parametrize("field", sorted(LIMITS))
def test_a_limit_is_in_the_comment_of_its_field(field: str) -> None:
    """With the words that the API reference and the SDK show."""
    assert LIMITS[field] in COMMENTS[f"egress.v1.{field}"]


@pytest.mark.parametrize("message", sorted(MUTATING))
def test_limits_of_mutation_options(message: str) -> None:
    """The same in every mutating request."""
    assert f"At most {limits.MAX_REQUEST_ID} printable" in COMMENTS[f"{message}.request_id"]
    assert f"At most {limits.MAX_REASON_BYTES} bytes" in COMMENTS[f"{message}.reason"]
    assert f"At most {limits.MAX_SUPPRESSED_FINDINGS}." in COMMENTS[f"{message}.suppress_findings"]


@pytest.mark.parametrize("path", LISTS)
def test_a_list_documents_its_pages_and_filters(path: str) -> None:
    """The filterable fields in the comment are those that the server accepts."""
    message = METHODS[path].descriptor.input_type.full_name
    sizes = f"Defaults to {limits.DEFAULT_PAGE_SIZE}; values above {limits.MAX_PAGE_SIZE} are reduced"
    assert sizes in COMMENTS[f"{message}.page_size"]
    request = requests()[path]
    request.filter = "nonsense = 1"  # type: ignore[attr-defined]
    ((field, problem),) = violations_of(lambda: METHODS[path].decode(request))
    accepted = problem.rpartition(" are ")[2].replace("labels.", "labels.KEY")
    assert field == "filter"
    assert COMMENTS[f"{message}.filter"].endswith(f"Filterable fields: {accepted}.")


def test_the_readme_has_the_most_important_limits() -> None:
    """Those that users reach first."""
    readme = (ROOT / "README.md").read_text()
    sizes = {
        "MiB": limits.MAX_REQUEST_BYTES // 1024**2,
        "hosts": limits.MAX_HOSTS,
        "ports": limits.MAX_PORTS,
        "endpoints": limits.MAX_ENDPOINTS,
    }
    assert [f"{size:,} {what}" for what, size in sizes.items() if f"{size:,} {what}" not in readme] == []
