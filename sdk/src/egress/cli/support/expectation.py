"""What policy expects, in one line."""

from egress import ProbeResponse


def describe_expectation(expected: ProbeResponse.Expectation) -> str:
    """The expected outcome, further ones that agree, and what decides."""
    outcome, *also = map(ProbeResponse.Outcome.Name, (expected.outcome, *expected.also))
    alternatives = "".join(f" or {name}" for name in also)
    if not expected.resource:
        return f"{outcome}{alternatives} by default"
    revision = f" (revision {expected.revision})" if expected.revision else ""
    return f"{outcome}{alternatives} by {expected.resource}{revision}"
