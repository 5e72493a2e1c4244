"""Whether other clients keep istiod debouncing."""

from egress_server.targets.kubernetes.informer.foreign_writes import ForeignWrites


class ManualClock:
    """A clock that is set by the test."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def writes(*moments: float, now: float, kind: str = "ServiceEntry") -> ForeignWrites:
    """Writes by kubectl so many seconds after our own, observed after `now` seconds."""
    clock = ManualClock()
    made = ForeignWrites(clock)
    made.applied()
    for moment in moments:
        clock.now = 100.0 + moment
        made.record(kind, "kubectl")
    clock.now = 100.0 + now
    return made


def test_writes_without_a_pause_delay_our_own() -> None:
    """The message says who writes what."""
    problem = writes(0.1, 0.2, 0.3, 0.4, now=0.5).propagation_problem()
    assert problem is not None
    assert problem.reason == "ISTIOD_DEBOUNCING"
    assert "ServiceEntry by kubectl" in problem.message
    assert "other clients wrote 4 times in the last 0.5 s" in problem.message


def test_a_pause_ends_the_delay() -> None:
    """Anywhere between our write and now."""
    assert writes(0.1, 0.3, 0.4, now=0.45).propagation_problem() is None
    assert writes(0.1, 0.2, now=0.5).propagation_problem() is None
    assert writes(0.2, 0.3, now=0.35).propagation_problem() is None


def test_istiod_waits_ten_seconds_at_most() -> None:
    """Then it pushes, pause or not."""
    moments = [step / 10 for step in range(1, 111)]
    assert writes(*moments, now=10.0).propagation_problem() is not None
    assert writes(*moments, now=11.0).propagation_problem() is None


def test_without_our_own_write_nothing_is_delayed() -> None:
    """Whatever others do."""
    idle = ForeignWrites(ManualClock())
    idle.record("ServiceEntry", "kubectl")
    assert idle.propagation_problem() is None
    assert writes(now=0.05).propagation_problem() is None


def test_kinds_that_istiod_ignores_delay_nothing() -> None:
    """Such as a namespace's labels."""
    assert writes(0.1, 0.2, now=0.25, kind="Namespace").propagation_problem() is None
