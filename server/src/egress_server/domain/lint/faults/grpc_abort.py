"""EGR0204: a gRPC abort on ports that speak plain HTTP.

To a client that does not speak gRPC, the abort is an answer with HTTP status 200 and no trace of the gRPC status: the
intended error looks like success.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.fault_rule import entries_of, faults_with_entries
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Fault, Protocol, ServiceEntry


class GrpcAbort(Rule[Fault | ServiceEntry]):
    """At most one finding per fault, on whichever is set last."""

    code = "EGR0204"
    severity = Severity.WARNING
    title = "gRPC abort on a plain HTTP port"
    applies_to = (Fault, ServiceEntry)

    def check(self, snapshot: Snapshot, resource: Fault | ServiceEntry) -> Iterator[Finding]:
        """Checks the entries of the fault's host, or the faults on the entry's hosts."""
        seen: set[str] = set()
        for fault, entry in faults_with_entries(snapshot, resource):
            if fault.name in seen or fault.abort is None or fault.abort.http_status or not fault.abort.grpc_status:
                continue
            others = (other for other in entries_of(snapshot, fault) if other.name != entry.name)
            protocols = {
                port.protocol
                for each in (entry, *others)
                for port in each.ports
                if port.protocol.is_http and (not fault.ports or port.number in fault.ports)
            }
            if protocols == {Protocol.HTTP}:
                seen.add(fault.name)
                is_fault = resource is fault
                yield self.finding(
                    "abort.grpc_status" if is_fault else "ports",
                    f"{fault.host} is plain HTTP; clients that don't speak gRPC get HTTP status 200 from an abort with "
                    f"{fault.abort.grpc_status}, which looks like success",
                    "set abort.http_status, such as 503, or declare the port as GRPC",
                    entry.name if is_fault else fault.name,
                )
