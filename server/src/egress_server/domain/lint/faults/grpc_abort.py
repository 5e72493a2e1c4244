"""EGR0204: a gRPC abort on ports that speak plain HTTP.

To a client that does not speak gRPC, the abort is an answer with HTTP status 200 and no trace of the gRPC status: the
intended error looks like success.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.fault_rule import entries_of
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Fault, Protocol


class GrpcAbort(Rule[Fault]):
    """At most one finding."""

    code = "EGR0204"
    severity = Severity.WARNING
    title = "gRPC abort on a plain HTTP port"
    applies_to = (Fault,)

    def check(self, snapshot: Snapshot, fault: Fault) -> Iterator[Finding]:
        """Checks the entries of the fault's host."""
        if fault.abort is None or fault.abort.http_status or not fault.abort.grpc_status:
            return
        protocols = {
            port.protocol
            for entry in entries_of(snapshot, fault)
            for port in entry.ports
            if port.protocol.is_http and (not fault.ports or port.number in fault.ports)
        }
        if protocols == {Protocol.HTTP}:
            yield self.finding(
                "abort.grpc_status",
                f"{fault.host} is plain HTTP; clients that don't speak gRPC get HTTP status 200 from an abort with "
                f"{fault.abort.grpc_status}, which looks like success",
                "set abort.http_status, such as 503, or declare the port as GRPC",
            )
