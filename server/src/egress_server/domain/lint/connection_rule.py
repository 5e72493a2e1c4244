"""Rules for one connection of one workload (EGR06xx). `explain` runs them; no mutation has such findings."""

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

from egress_server.domain.desired.cluster_view import ClusterReport
from egress_server.domain.desired.effective import Effective
from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import BaseRule
from egress_server.domain.model.findings import Finding
from egress_server.domain.simulate.evaluate import Evaluation


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection as evaluated: `effective` is what takes effect on the cluster, `report` what its applier
    reported."""

    snapshot: Snapshot
    effective: Effective
    evaluation: Evaluation
    report: ClusterReport


class ConnectionRule(BaseRule):
    """A rule for connections. It never blocks anything."""

    @abstractmethod
    def check(self, connection: Connection, /) -> Iterable[Finding]:
        """The findings on a connection."""
