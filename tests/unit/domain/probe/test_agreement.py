"""How single verdicts compare with what policy expects."""

import pytest

from egress_server.domain.probe.agreement import Agreement, compare
from egress_server.domain.probe.verdicts import Expectation, Outcome, Reply, Upstream, Verdict

BANK = "outbound|80||bank.example.com"
PASSTHROUGH = "PassthroughCluster"
R, P, B, U, I = (  # noqa: E741
    Outcome.REGISTERED,
    Outcome.PASSTHROUGH,
    Outcome.BLOCKED,
    Outcome.UNREACHABLE,
    Outcome.INCONCLUSIVE,
)


@pytest.mark.parametrize(
    ("expected", "seen", "upstream", "agreement"),
    [
        (R, R, BANK, Agreement.AGREES),
        # A destination that is down shows neither that policy holds nor that it does not.
        (R, U, BANK, Agreement.UNKNOWN),
        (R, U, PASSTHROUGH, Agreement.DIFFERS),
        (R, B, "", Agreement.DIFFERS),
        (R, P, PASSTHROUGH, Agreement.DIFFERS),
        (R, I, "", Agreement.UNKNOWN),
        (P, P, PASSTHROUGH, Agreement.AGREES),
        (P, P, "AllowAnyDynamicDNSCluster", Agreement.AGREES),
        (P, U, PASSTHROUGH, Agreement.UNKNOWN),
        (P, U, "AllowAnyDynamicDNSCluster", Agreement.UNKNOWN),
        (P, U, BANK, Agreement.DIFFERS),
        (B, B, "", Agreement.AGREES),
        (B, U, PASSTHROUGH, Agreement.DIFFERS),
        (B, P, PASSTHROUGH, Agreement.DIFFERS),
        (U, U, BANK, Agreement.AGREES),
        (I, R, BANK, Agreement.UNKNOWN),
        (I, I, "", Agreement.UNKNOWN),
    ],
)
def test_outcomes(expected: Outcome, seen: Outcome, upstream: str, agreement: Agreement) -> None:
    """Nothing agrees by default: what policy does not predict, or the evidence does not show, is unknown."""
    assert compare(Expectation(expected), Verdict(seen, upstream, ())).agreement is agreement


@pytest.mark.parametrize(
    ("upstream", "agreement"),
    [
        (BANK, Agreement.AGREES),
        ("outbound|80||other.example.com", Agreement.DIFFERS),
        ("outbound|8080||bank.example.com", Agreement.DIFFERS),
        ("outbound|80|v1|bank.example.com", Agreement.DIFFERS),
    ],
)
@pytest.mark.parametrize("outcome", [R, Outcome.FAULTED, U])
def test_upstream(upstream: str, agreement: Agreement, outcome: Outcome) -> None:
    """Another host, port or subset than predicted is wrong, however well it answers; the cause names both."""
    expected = Expectation(R, also=(Outcome.FAULTED, U), upstreams=(Upstream("bank.example.com", 80),))
    comparison = compare(expected, Verdict(outcome, upstream, (), routed_by=("default/t",)))
    assert comparison.agreement is agreement
    if agreement is Agreement.DIFFERS:
        assert comparison.cause is not None
        assert comparison.cause.code == "WRONG_UPSTREAM"
        assert comparison.cause.text.startswith("policy sends it to bank.example.com port 80, but it went to ")
        assert comparison.cause.evidence == f"{upstream}; its route is that of VirtualService default/t"


def test_diverted() -> None:
    """An unmanaged VirtualService that sends the connections of a managed entry elsewhere contradicts policy, although
    it is predicted; a share of them that stays is right."""
    sent = Upstream("other.example.com", 80), Upstream("bank.example.com", 80)
    expected = Expectation(R, upstreams=sent, routed_by="shop/v", diverted_from=sent[1])
    comparison = compare(expected, Verdict(R, "outbound|80||other.example.com", ()))
    assert comparison.agreement is Agreement.DIFFERS
    assert comparison.cause is not None
    assert comparison.cause.code == "WRONG_UPSTREAM"
    assert (
        comparison.cause.text == "policy sends it to bank.example.com port 80, but it went to other.example.com port 80"
    )
    assert comparison.cause.evidence.endswith("its route is that of VirtualService shop/v")
    assert compare(expected, Verdict(R, BANK, ())).agreement is Agreement.AGREES


def test_upstream_that_is_not_predicted() -> None:
    """Without a prediction any service will do, and traffic to no service has no upstream to compare."""
    assert compare(Expectation(R), Verdict(R, BANK, ())).agreement is Agreement.AGREES
    expected = Expectation(R, also=(P,), upstreams=(Upstream("bank.example.com", 80),))
    assert compare(expected, Verdict(P, PASSTHROUGH, ())).agreement is Agreement.AGREES


def test_route() -> None:
    """The route must be that of the VirtualService that policy names."""
    expected = Expectation(R, routed_by="default/egress-bank")
    assert compare(expected, Verdict(R, BANK, (), routed_by=("default/egress-bank",))).agreement is Agreement.AGREES
    assert compare(expected, Verdict(R, BANK, ())).agreement is Agreement.AGREES
    wrong = compare(expected, Verdict(R, BANK, (), routed_by=("default/t",)))
    assert wrong.agreement is Agreement.DIFFERS
    assert wrong.cause is not None
    assert wrong.cause.code == "WRONG_ROUTE"


@pytest.mark.parametrize(
    ("outcome", "upstream", "reply", "agreement"),
    [
        (R, BANK, Reply.FAILED, Agreement.DIFFERS),
        (R, BANK, Reply.MISSING, Agreement.UNKNOWN),
        (P, PASSTHROUGH, Reply.FAILED, Agreement.UNKNOWN),
        (P, PASSTHROUGH, Reply.MISSING, Agreement.UNKNOWN),
    ],
)
def test_reply(outcome: Outcome, upstream: str, reply: Reply, agreement: Agreement) -> None:
    """The destination itself must have answered."""
    assert compare(Expectation(outcome), Verdict(outcome, upstream, (), reply)).agreement is agreement
