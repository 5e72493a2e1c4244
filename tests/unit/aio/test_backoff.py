"""Pauses between attempts."""

from random import Random

import pytest

from egress_server.aio.backoff import Backoff


def test_pauses_double_up_to_the_longest() -> None:
    """Without jitter they are exact; without a failure there is none."""
    backoff = Backoff(0.5, 3.0, jitter=0.0)
    assert [backoff.pause(failures) for failures in range(6)] == [0.0, 0.5, 1.0, 2.0, 3.0, 3.0]
    assert backoff.pause(10_000) == 3.0


@pytest.mark.parametrize("failures", [1, 2, 50])
def test_jitter_shortens_them(failures: int) -> None:
    """By at most its share, and differently for each client."""
    backoff, random = Backoff(1.0, 8.0, jitter=0.5), Random(1)
    longest = min(8.0, 2.0 ** (failures - 1))
    pauses = [backoff.pause(failures, random) for _ in range(100)]
    assert all(longest / 2 <= pause <= longest for pause in pauses)
    assert len(set(pauses)) > 50
