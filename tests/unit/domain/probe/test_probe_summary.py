"""Many attempts as one: outcome, agreement, causes, quantiles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egress_server.domain.probe.agreement import Agreement, summarize
from egress_server.domain.probe.verdicts import Cause, Expectation, Outcome, Quantiles, Verdict, quantiles

R, F, B, I = Outcome.REGISTERED, Outcome.FAULTED, Outcome.BLOCKED, Outcome.INCONCLUSIVE  # noqa: E741
REGISTERED = Expectation(R)
SOMETIMES = Expectation(F, also=(R,))
YES, NO, UNKNOWN = Agreement.AGREES, Agreement.DIFFERS, Agreement.UNKNOWN


def verdicts(*outcomes: Outcome) -> list[Verdict]:
    """Verdicts with distinguishable causes."""
    return [Verdict(o, "", (Cause(o.value, "text", str(number)),)) for number, o in enumerate(outcomes)]


@pytest.mark.parametrize(
    ("outcomes", "expected", "outcome", "agreement"),
    [
        ((R,), REGISTERED, R, YES),
        ((B,), REGISTERED, B, NO),
        ((I,), REGISTERED, I, UNKNOWN),
        ((R, R, R), REGISTERED, R, YES),
        # One of many is as wrong as all.
        ((R, R, B), REGISTERED, R, NO),
        # One disturbed attempt is ignored, many are not.
        ((R, R, I), REGISTERED, R, YES),
        ((R, I, I), REGISTERED, I, UNKNOWN),
        # If two are equally frequent, neither is the outcome.
        ((R, B), REGISTERED, I, NO),
        ((R, I), REGISTERED, I, UNKNOWN),
        # Dice.
        ((R, F), SOMETIMES, I, YES),
        ((R, R, F), SOMETIMES, R, YES),
        ((F,), SOMETIMES, F, YES),
        ((R, F, B), SOMETIMES, I, NO),
        # Policy that predicts nothing is not contradicted.
        ((I,), Expectation(I), I, UNKNOWN),
        ((R,), Expectation(I), R, UNKNOWN),
    ],
)
def test_outcome(outcomes: tuple[Outcome, ...], expected: Expectation, outcome: Outcome, agreement: Agreement) -> None:
    """The outcome is the most frequent one; the summary agrees if all relevant verdicts do."""
    result = summarize(verdicts(*outcomes), expected)
    assert (result.outcome, result.agreement) == (outcome, agreement)
    assert sum(result.counts.values()) == len(outcomes)


def test_causes() -> None:
    """Each cause of the outcome is listed once, as it first occurred; a draw is a cause too, and comes first."""
    assert summarize(verdicts(B, R, R, R), REGISTERED).causes == (Cause("REGISTERED", "text", "1"),)
    draw = summarize(verdicts(R, B, R, B), REGISTERED).causes
    assert [cause.code for cause in draw] == ["NO_MAJORITY", "REGISTERED", "BLOCKED"]
    assert draw[0].evidence == "REGISTERED and BLOCKED are equally frequent in 4 attempts"


def test_share_of_a_fault() -> None:
    """A fault for a share of the requests is said, with how many attempts it should have hit."""
    quarter = Expectation(F, also=(R,), fault_percent=0.25)
    share = summarize(verdicts(*[R] * 40), quarter).causes[-1]
    assert share.code == "FAULT_SHARE"
    assert share.text == "a fault applies to 0.25 % of these requests, one in 400"
    assert share.evidence == "0.1 of 40 attempts are expected to be FAULTED, 0 were"
    assert len(summarize(verdicts(F), Expectation(F, fault_percent=100)).causes) == 1


def test_quantiles() -> None:
    """Quantiles are measured times, by nearest rank."""
    hundred = quantiles(second / 100 for second in range(100, 0, -1))
    assert hundred == Quantiles(0.01, 0.50, 0.90, 0.99, 1.00)
    assert quantiles([0.2, 0.1, 0.3]) == Quantiles(0.1, 0.2, 0.3, 0.3, 0.3)
    assert quantiles([0.2]) == Quantiles(0.2, 0.2, 0.2, 0.2, 0.2)
    assert quantiles([]) is None


@given(st.lists(st.floats(0, 100), min_size=1, max_size=100))
def test_quantiles_are_ordered(seconds: list[float]) -> None:
    """They ascend, and each is one of the times."""
    found = quantiles(seconds)
    assert found is not None
    ordered = [found.min, found.p50, found.p90, found.p99, found.max]
    assert ordered == sorted(ordered)
    assert set(ordered) <= set(seconds)
