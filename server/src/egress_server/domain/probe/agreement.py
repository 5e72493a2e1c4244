"""How verdicts compare with what policy expects, one by one and together.

An outcome alone does not agree: the connection must have gone where policy sends it, by the route that policy names,
and the answer must be the destination's own.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from egress_server.domain.probe.clusters import UNREGISTERED_CLUSTERS, upstream_of
from egress_server.domain.probe.verdicts import Cause, Expectation, Outcome, Reply, Upstream, Verdict


class Agreement(Enum):
    """How a verdict compares with an expectation."""

    AGREES = "AGREES"
    DIFFERS = "DIFFERS"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Comparison:
    """An agreement, and why, if the verdict's own causes don't show it."""

    agreement: Agreement
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class ProbeSummary:
    """Several attempts together. `outcome` is the most frequent one, or INCONCLUSIVE if several are equally frequent;
    `counts` are by outcome, in the order of first occurrence."""

    outcome: Outcome
    counts: dict[Outcome, int]
    causes: tuple[Cause, ...]
    agreement: Agreement


def compare(expected: Expectation, verdict: Verdict) -> Comparison:
    """Whether the mesh did what policy says. UNKNOWN if policy predicts nothing, if the evidence allows no verdict, or
    if the destination did not answer although the connection went the right way."""
    if Outcome.INCONCLUSIVE in {verdict.outcome, expected.outcome}:
        return Comparison(Agreement.UNKNOWN)
    sent = _sent_as(verdict)
    if not (expected.allows(verdict.outcome) or expected.allows(sent)):
        return Comparison(Agreement.DIFFERS)
    if cause := _wrong_upstream(expected, verdict) or _wrong_route(expected, verdict):
        return Comparison(Agreement.DIFFERS, cause)
    if not expected.allows(verdict.outcome) or verdict.reply is Reply.MISSING:
        return Comparison(Agreement.UNKNOWN)
    if verdict.reply is Reply.FAILED:
        # Traffic that passes through unchanged fails without any fault of the mesh.
        return Comparison(Agreement.DIFFERS if sent is Outcome.REGISTERED else Agreement.UNKNOWN)
    return Comparison(Agreement.AGREES)


def summarize(verdicts: Sequence[Verdict], expected: Expectation) -> ProbeSummary:
    """The summary of at least one verdict.

    Those with the most frequent outcomes and all conclusive ones count: one blocked connection in a hundred is as wrong
    as a hundred are, while one that other traffic disturbed proves nothing.
    """
    counts = Counter(verdict.outcome for verdict in verdicts)
    most = max(counts.values())
    leaders = [outcome for outcome, count in counts.items() if count == most]
    relevant = {*leaders, *(outcome for outcome in counts if outcome is not Outcome.INCONCLUSIVE)}
    compared = [compare(expected, verdict) for verdict in verdicts if verdict.outcome in relevant]
    agreements = {each.agreement for each in compared}
    differences = {each.cause.code: each.cause for each in compared if each.cause}
    return ProbeSummary(
        outcome=leaders[0] if len(leaders) == 1 else Outcome.INCONCLUSIVE,
        counts=dict(counts),
        causes=(*differences.values(), *_causes(verdicts, leaders), *_shares(verdicts, expected)),
        agreement=next(each for each in (Agreement.DIFFERS, Agreement.UNKNOWN, Agreement.AGREES) if each in agreements),
    )


def _sent_as(verdict: Verdict) -> Outcome:
    """What the outcome would have been if the destination could have been reached."""
    if verdict.outcome is not Outcome.UNREACHABLE:
        return verdict.outcome
    return Outcome.PASSTHROUGH if verdict.upstream in UNREGISTERED_CLUSTERS else Outcome.REGISTERED


def _wrong_upstream(expected: Expectation, verdict: Verdict) -> Cause | None:
    upstream, own = upstream_of(verdict.upstream), expected.diverted_from
    if upstream is None:
        return None
    if own and upstream.host != own.host:
        wanted = _describe(own)
    elif expected.upstreams and upstream not in expected.upstreams:
        wanted = " or ".join(map(_describe, expected.upstreams))
    else:
        return None
    text = f"policy sends it to {wanted}, but it went to {_describe(upstream)}"
    route = next(iter(verdict.routed_by), expected.routed_by)
    by = f"; its route is that of VirtualService {route}" if route else ""
    return Cause("WRONG_UPSTREAM", text, f"{verdict.upstream}{by}")


def _describe(upstream: Upstream) -> str:
    subset = f" subset {upstream.subset}" if upstream.subset else ""
    return f"{upstream.host} port {upstream.port}{subset}"


def _wrong_route(expected: Expectation, verdict: Verdict) -> Cause | None:
    if not expected.routed_by or not verdict.routed_by or expected.routed_by in verdict.routed_by:
        return None
    text = f"the route of VirtualService {expected.routed_by} should apply, but that of {verdict.routed_by[0]} does"
    return Cause("WRONG_ROUTE", text, ", ".join(verdict.routed_by))


def _causes(verdicts: Sequence[Verdict], leaders: Sequence[Outcome]) -> list[Cause]:
    """Each cause of the most frequent outcomes, as it first occurred."""
    found: dict[str, Cause] = {}
    if len(leaders) > 1:
        names = " and ".join(outcome.value for outcome in leaders)
        text = "no outcome occurred more often than the others"
        found["NO_MAJORITY"] = Cause("NO_MAJORITY", text, f"{names} are equally frequent in {len(verdicts)} attempts")
    for verdict in verdicts:
        if verdict.outcome in leaders:
            for cause in verdict.causes:
                found.setdefault(cause.code, cause)
    return list(found.values())


def _shares(verdicts: Sequence[Verdict], expected: Expectation) -> list[Cause]:
    """How many attempts a fault for a share of the requests should have hit."""
    if not 0 < expected.fault_percent < 100:
        return []
    seen = sum(verdict.outcome is Outcome.FAULTED for verdict in verdicts)
    mean = len(verdicts) * expected.fault_percent / 100
    text = f"a fault applies to {expected.fault_percent:g} % of these requests, one in {100 / expected.fault_percent:g}"
    evidence = f"{mean:g} of {len(verdicts)} attempts are expected to be FAULTED, {seen} were"
    return [Cause("FAULT_SHARE", text, evidence)]
