"""EGR0201: a fault on a port where the sidecar sees no requests.

Delays and aborts are injected into HTTP requests. On HTTPS and TLS the sidecar sees encrypted bytes, on TCP just bytes:
the fault is accepted, stored, and does nothing (a 5 s delay on an https URL answers at once).
"""

from collections.abc import Collection, Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.fault_rule import Entries, FaultRule
from egress_server.domain.model.findings import Severity
from egress_server.domain.model.resources import Fault

_NO_PORT = "host"


class FaultWithoutHttp(FaultRule):
    """One finding for each port of the fault, or one where its host has no HTTP port at all."""

    code = "EGR0201"
    severity = Severity.ERROR
    title = "a fault on a port that is not HTTP, HTTP2 or GRPC"
    forceable = True
    entry_field = "ports"
    fix = (
        "leave such ports out of the fault; to disturb HTTPS, let the sidecar speak TLS: port 80 HTTP with target port "
        "443 and traffic.tls_origination, and clients that call http"
    )

    def problems(self, _: Snapshot, fault: Fault, entries: Entries) -> set[str]:
        """Fields of the fault. Without any entry it is EGR0202 that speaks."""
        if not entries:
            return set()
        requests = {port.number for entry in entries for port in entry.ports if port.protocol.is_http}
        if not fault.ports:
            return set() if requests else {_NO_PORT}
        return {f"ports[{index}]" for index, number in enumerate(fault.ports) if number not in requests}

    def explain(self, fault: Fault, problems: Collection[str], entries: Entries) -> Iterator[tuple[str, str]]:
        """What each port is instead."""
        known = {port.number: port.protocol.value for entry in entries for port in entry.ports}
        if _NO_PORT in problems:
            ports = ", ".join(f"{number} {protocol}" for number, protocol in known.items())
            yield _NO_PORT, f"{fault.host} has only {ports}, where sidecars see no requests; a fault does nothing"
        for index, number in enumerate(fault.ports):
            if (field := f"ports[{index}]") in problems:
                what = f"is {known[number]}, where sidecars see no requests" if number in known else "is in no entry"
                yield field, f"port {number} of {fault.host} {what}; the fault does nothing there"
