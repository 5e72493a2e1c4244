"""Checks that several resources share: lists, durations, ports, address ranges and host names."""

import re
from collections.abc import Iterable, Sequence
from ipaddress import ip_address, ip_network

from egress_server.domain.model.limits import HOUR
from egress_server.domain.validate.problems import Problems

CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
NO_CONTROL_CHARACTERS = "must not contain control characters, such as line breaks"


def check_count(count: int, least: int, most: int, what: str, problems: Problems) -> None:
    """The length of a list."""
    if count < least:
        problems.add(f"at least {least} {what} is required")
    if count > most:
        problems.add(f"has {count}; at most {most} are allowed")


def check_unique(values: Iterable[object], problems: Problems) -> None:
    """Values must be unique; the later occurrence is the problem."""
    seen: dict[object, int] = {}
    for index, value in enumerate(values):
        if seen.setdefault(value, index) != index:
            problems.at(index).add(f"is already listed at [{seen[value]}]")


def check_duration(seconds: float | None, most: float, problems: Problems) -> None:
    """A duration that Istio accepts: whole milliseconds, at least one, and at most `most` seconds. None is ignored."""
    if seconds is None:
        return
    if not 0 < seconds <= most:
        problems.add(f"{seconds:g} s must be greater than 0 and at most {_format(most)}")
    elif abs(seconds * 1000 - round(seconds * 1000)) > 1e-6 or seconds < 0.001:
        problems.add("must be whole milliseconds, which is Istio's resolution")


def _format(seconds: float) -> str:
    return f"{seconds / HOUR:g} h" if seconds >= HOUR else f"{seconds:g} s"


def check_ports(ports: Sequence[int], most: int, problems: Problems) -> None:
    """Valid port numbers, without duplicates."""
    check_count(len(ports), 0, most, "port", problems)
    check_unique(ports, problems)
    for index, port in enumerate(ports[:most]):
        if not 1 <= port <= 65535:
            problems.at(index).add(f"{port} must be between 1 and 65535")


def check_cidrs(cidrs: Sequence[str], most: int, problems: Problems) -> None:
    """CIDRs in canonical form, which every tool reads the same way, without duplicates."""
    check_count(len(cidrs), 0, most, "range", problems)
    check_unique(cidrs, problems)
    for index, cidr in enumerate(cidrs[:most]):
        if problem := _cidr_problem(cidr):
            problems.at(index).add(problem)


def _cidr_problem(text: str) -> str | None:
    if text != "".join(text.split()):
        return "must not contain spaces"
    try:
        if "%" in text:
            raise ValueError
        network = ip_network(text, strict=False)
    except ValueError:
        return "must be a CIDR range, such as 10.0.0.0/8 or 2001:db8::/32"
    if "/" not in text:
        return f"must be a CIDR range; write {ip_address(text)}/{network.max_prefixlen} for a single address"
    return None if text == str(network) else f"must be written {network}"


_DNS_LABEL = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}$)(?:\*\.)?{_DNS_LABEL}(?:\.{_DNS_LABEL})*")


def host_problem(host: str) -> str | None:
    """Why a host is not a valid lowercase DNS name, optionally with a leading `*.`; None if it is."""
    if not host.isascii():
        return "must be ASCII; write an internationalized name in its xn-- form"
    if host != "*" and "*" in host.removeprefix("*."):
        return "the wildcard must be the whole first label: write *.example.com, or list the names"
    if not _HOST.fullmatch(host):
        return "must be a DNS name such as www.example.com, or *.example.com for all subdomains"
    if host.rpartition(".")[2].isdigit():
        return "must be a DNS name; list IP addresses in addresses or endpoints"
    if host == "localhost" or host.endswith(".localhost"):
        return "is the workload itself, not an external service"
    return None
