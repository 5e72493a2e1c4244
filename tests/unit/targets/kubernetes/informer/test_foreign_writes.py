"""Whether others keep istiod from telling its sidecars."""

from egress_server.targets.kubernetes.informer.foreign_writes import ForeignWrites


class Watch:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def writes(*moments: float, now: float, kind: str = "ServiceEntry") -> ForeignWrites:
    """Writes by kubectl so many seconds after ours, looked at after `now` seconds."""
    watch = Watch()
    made = ForeignWrites(watch)
    made.applied()
    for moment in moments:
        watch.now = 100.0 + moment
        made.saw(kind, "kubectl")
    watch.now = 100.0 + now
    return made


def test_writes_without_a_pause_hold_ours_up() -> None:
    """And who writes what is told."""
    problem = writes(0.1, 0.2, 0.3, 0.4, now=0.45).holding_up()
    assert problem is not None
    assert problem.reason == "ISTIOD_DEBOUNCING"
    assert "ServiceEntry by kubectl" in problem.message
    assert "4 writes" in problem.message


def test_after_a_pause_ours_is_through() -> None:
    """Anywhere between ours and now."""
    assert writes(0.1, 0.3, 0.4, now=0.45).holding_up() is None
    assert writes(0.1, 0.2, now=0.5).holding_up() is None
    assert writes(0.2, 0.3, now=0.35).holding_up() is None


def test_istiod_waits_for_ten_seconds_at_most() -> None:
    """Then it tells, pause or not."""
    moments = [step / 10 for step in range(1, 111)]
    assert writes(*moments, now=10.0).holding_up() is not None
    assert writes(*moments, now=11.0).holding_up() is None


def test_without_a_write_of_ours_nothing_is_held_up() -> None:
    """Whatever others do."""
    idle = ForeignWrites(Watch())
    idle.saw("ServiceEntry", "kubectl")
    assert idle.holding_up() is None
    assert writes(now=0.05).holding_up() is None


def test_what_istiod_does_not_heed_holds_nothing_up() -> None:
    """Such as a namespace's labels."""
    assert writes(0.1, 0.2, now=0.25, kind="Namespace").holding_up() is None
