"""Asks the model again without one condition, and compares with what istiod has said: no mesh is needed for that."""

import multiprocessing
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace

from egress_server.domain.desired.effective import Effective
from tests.truth.compare import Answer, model_answers
from tests.truth.mutate.conditions import Mutant, mutants
from tests.truth.world import Question

_PROCESSES = 2
_SECONDS = 20
_recorded: Sequence["Recorded"] = ()
_all: Sequence[Mutant] = ()


@dataclass(frozen=True, slots=True)
class Recorded:
    """A question to which model and istiod give the same answer. `names_route` is false if the configuration does not
    say which VirtualService routes the connection."""

    effective: Effective
    question: Question
    answer: Answer
    names_route: bool

    def holds(self) -> bool:
        """Whether the model still says it."""
        for said in model_answers(self.effective, self.question):
            names = said.routed_by if self.names_route else self.answer.routed_by
            if replace(said, routed_by=names) == self.answer:
                return True
        return False


def unnoticed(recorded: Sequence[Recorded]) -> tuple[int, list[Mutant]]:
    """How many conditions the model has, and those without which it gives the same answers."""
    global _recorded, _all  # Forked processes inherit them, which is faster than sending them.
    _recorded, _all = recorded, list(mutants())
    with multiprocessing.get_context("fork").Pool(_PROCESSES, maxtasksperchild=1) as pool:
        noticed = pool.map(_is_noticed, range(len(_all)), chunksize=1)
    return len(_all), [mutant for mutant, found in zip(_all, noticed, strict=True) if not found]


def _is_noticed(index: int) -> bool:
    _all[index].apply()
    signal.signal(signal.SIGALRM, _too_slow)
    signal.alarm(_SECONDS)
    try:
        return not all(each.holds() for each in _recorded)
    except Exception:  # noqa: BLE001  # Without the condition the model does not work at all.
        return True


def _too_slow(*_: object) -> None:
    raise TimeoutError
