"""Text of the command line as values."""

import pytest
import typer

from egress.cli.support.values import duration, pairs


@pytest.mark.parametrize(
    ("text", "seconds"), [("10s", 10), ("500ms", 0.5), ("2m", 120), ("1m30s", 90), ("1.5s", 1.5), ("1h", 3600)]
)
def test_duration(text: str, seconds: float) -> None:
    """Durations are numbers with units, which may be joined."""
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "s", "10 s", "-1s", "1d", "1sx"])
def test_no_duration(text: str) -> None:
    """Everything else is a usage error."""
    with pytest.raises(typer.BadParameter):
        duration(text)


def test_pairs() -> None:
    """A value may contain `=` or be empty; a key may not."""
    assert pairs(["a=b=c", "d="], "--label") == {"a": "b=c", "d": ""}
    for text in ("a", "=b", ""):
        with pytest.raises(typer.BadParameter):
            pairs([text], "--label")
