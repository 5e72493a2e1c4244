"""How long to wait before the next try. Every retry of the server and the agent takes its pauses from here."""

from dataclasses import dataclass
from random import Random

_random = Random()


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses in seconds: the first one, then twice as long each time, up to `most`.

    Each is shortened at random by up to the share `jitter`, so that clients that failed together don't return together.
    """

    first: float
    most: float
    jitter: float = 0.5

    def pause(self, failures: int, random: Random = _random) -> float:
        """How long to wait after this many consecutive failures; 0 after none."""
        if failures < 1:
            return 0.0
        longest = min(self.most, self.first * 2.0 ** min(failures - 1, 32))
        return longest * (1.0 - self.jitter * random.random())
