"""Durations in Istio's YAML."""

import pytest

from egress_server.formats.fields import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5s", 5.0),
        ("0s", 0.0),
        ("1.5s", 1.5),
        (".5s", 0.5),
        ("100ms", 0.1),
        ("1h2m3s4ms", 3723.004),
        ("2us1ns", 2.001e-6),
    ],
)
def test_read(text: str, seconds: float) -> None:
    """Numbers with units, in sequence."""
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "5 s", "-5s", "5s ", "5d", "1e3s", "five", "5s5", "٥s"])
def test_refused(text: str) -> None:
    """Anything else."""
    with pytest.raises(ValueError, match="such as 5s"):
        parse_duration(text)
