"""EGR0201: a fault on a port where the sidecar sees no requests.

Delays and aborts are injected into HTTP requests. On HTTPS and TLS the sidecar sees encrypted bytes, on TCP just bytes:
the fault is accepted and stored, but has no effect (a 5 s delay on an https URL answers immediately).
"""

from collections.abc import Collection, Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.fault_rule import Entries, FaultRule
from egress_server.domain.model.findings import Severity
from egress_server.domain.model.resources import Fault

_NO_HTTP_PORT = "host"


class FaultWithoutHttp(FaultRule):
    """One finding per port of the fault, or one if its host has no HTTP port at all."""

    code = "EGR0201"
    severity = Severity.ERROR
    title = "fault on a port that is not HTTP, HTTP2 or GRPC"
    suppressible = True
    entry_field = "ports"
    fix = (
        "remove such ports from the fault; to inject faults into HTTPS, have the sidecar originate TLS: declare port "
        "80 as HTTP with target port 443, set traffic.tls_origination, and let clients call http"
    )

    def problems(self, _: Snapshot, fault: Fault, entries: Entries) -> set[str]:
        """Fields of the fault. A host without any entry is left to EGR0202."""
        if not entries:
            return set()
        http = {port.number for entry in entries for port in entry.ports if port.protocol.is_http}
        if not fault.ports:
            return set() if http else {_NO_HTTP_PORT}
        return {f"ports[{index}]" for index, number in enumerate(fault.ports) if number not in http}

    def describe(self, fault: Fault, problems: Collection[str], entries: Entries) -> Iterator[tuple[str, str]]:
        """Names the protocol of each port."""
        known = {port.number: port.protocol.label for entry in entries for port in entry.ports}
        if _NO_HTTP_PORT in problems:
            ports = ", ".join(f"{number} {protocol}" for number, protocol in known.items())
            yield (
                _NO_HTTP_PORT,
                f"{fault.host} has only {ports}, where sidecars see no requests, so the fault has no effect",
            )
        for index, number in enumerate(fault.ports):
            if (field := f"ports[{index}]") in problems:
                port = f"port {number} of {fault.host}"
                if number in known:
                    cause = (
                        f"{port} is {known[number]}, where sidecars see no requests, so the fault has no effect there"
                    )
                else:
                    cause = f"no entry declares {port}, so the fault has no effect there"
                yield field, cause
