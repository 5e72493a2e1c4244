"""Explain."""

from egress.v1 import explain_pb2 as pb
from egress_server.commands.explain import Explain, explain_destination
from egress_server.contract.probe import read_destination, write_explanation
from egress_server.domain.model.names import ResourceKind, check_label, expect_name
from egress_server.domain.simulate.evaluate import Request
from egress_server.domain.validate import Problems
from egress_server.domain.validate.selectors import check_labels
from egress_server.pipeline.pipeline import Method

DEFAULT_NAMESPACE = "default"


def decode(request: pb.ExplainRequest) -> Explain:
    """Which connection to explain."""
    cluster = expect_name("cluster", request.cluster, ResourceKind.CLUSTER)
    namespace = check_label("namespace", request.namespace or DEFAULT_NAMESPACE, "namespace")
    problems = Problems()
    labels = dict(request.labels)
    check_labels(labels, problems.at("labels"))
    destination = read_destination(request.url, problems.at("url"))
    problems.raise_if_any()
    return Explain(cluster, Request(destination, namespace, labels))


METHOD = Method(
    "/egress.v1.EgressService/Explain",
    pb.ExplainRequest,
    pb.ExplainResponse,
    "egress.explanations.get",
    decode,
    explain_destination,
    write_explanation,
)
