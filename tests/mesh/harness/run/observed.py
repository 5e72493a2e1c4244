"""What a workload gets, observed twice: by plain curl in it, and by a probe. Both must agree."""

from egress import ProbeResponse
from tests.mesh.harness.run.egressd import Egressd
from tests.mesh.harness.workload.curl import Answer
from tests.mesh.harness.workload.workload import Workload


class Observer:
    """Looks from one workload, in which an agent runs."""

    def __init__(self, egressd: Egressd, workload: Workload) -> None:
        self._egressd = egressd
        self._workload = workload

    def sees(self, url: str, outcome: str, status: int, *, by: str = "", agrees: bool = True) -> Answer:
        """Ask until curl and probe see this, the probe agreeing with policy or not, that of the resource `by` if it is
        named; curl's answer."""
        wanted = f"{outcome} {status}{f' by {by}' if by else ''}, {'agrees' if agrees else 'disagrees'}"
        told: list[str] = []

        def alike(answer: Answer) -> bool:
            told.append(self._probe(url, named=bool(by)))
            return (told[-1], answer.status) == (wanted, status)

        try:
            return self._workload.until(lambda: self._curl(url), alike, f"{url}: {wanted}")
        except AssertionError as error:
            raise AssertionError(f"{error}; last probe {told[-1]}") from None

    def _curl(self, url: str) -> Answer:
        return self._workload.curl(url, "--cacert", str(self._workload.mesh.world.authority))

    def _probe(self, url: str, *, named: bool) -> str:
        reply = self._egressd.client.probe(
            url, cluster=self._workload.mesh.name, namespace=self._workload.namespace, timeout=30
        )
        by = f" by {reply.expected.resource}" if named else ""
        outcome = ProbeResponse.Outcome.Name(reply.outcome)
        return f"{outcome} {reply.attempts[0].status}{by}, {'agrees' if reply.agrees else 'disagrees'}"
