"""Explanations and registry items to messages."""

from collections.abc import Mapping

from egress.v1 import explain_pb2 as pb
from egress_server.domain.candidates import Candidate
from egress_server.domain.explain import Explanation
from egress_server.domain.registry import Item
from egress_server.pipeline.status import encode_finding
from egress_server.wire.convert.probe import write_expectation


def write_explanation(explanation: Explanation) -> pb.ExplainResponse:
    """What will happen, and why."""
    return pb.ExplainResponse(
        expected=write_expectation(explanation.expected),
        steps=explanation.steps,
        candidates=map(_write_candidate, explanation.candidates),
        findings=map(encode_finding, explanation.findings),
        revision=explanation.revision,
    )


def write_item(item: Item, managers: Mapping[str, str]) -> pb.ListRegistryResponse.Item:
    """One host and port."""
    return pb.ListRegistryResponse.Item(
        host=item.host,
        port=item.port.number,
        protocol=item.port.protocol.value,
        owner=item.entry.name,
        visible=item.visible,
        shadowed_by=item.shadowed_by,
        why=item.why,
        owner_kind=pb.ListRegistryResponse.OwnerKind.Value(item.owner_kind.value),
        manager=managers.get(item.entry.name, ""),
    )


def _write_candidate(candidate: Candidate) -> pb.ExplainResponse.Candidate:
    return pb.ExplainResponse.Candidate(
        resource=candidate.resource, revision=candidate.revision, wins=candidate.wins, why=candidate.why
    )
