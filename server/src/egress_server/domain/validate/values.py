"""Rules that several resources share: lists, durations, ports, address ranges, host names."""

import re
from collections.abc import Iterable, Sequence
from ipaddress import ip_address, ip_network

from egress_server.domain.model.limits import HOUR
from egress_server.domain.validate.problems import Problems


def check_count(count: int, least: int, most: int, what: str, problems: Problems) -> None:
    """A list's length."""
    if count < least:
        problems.add(f"needs at least {least} {what}")
    if count > most:
        problems.add(f"has {count}; at most {most} are allowed")


def check_unique(values: Iterable[object], problems: Problems) -> None:
    """No value stands twice; the later place is the wrong one."""
    seen: dict[object, int] = {}
    for index, value in enumerate(values):
        if seen.setdefault(value, index) != index:
            problems.at(index).add(f"is already listed at [{seen[value]}]")


def check_duration(seconds: float | None, most: float, problems: Problems) -> None:
    """A time that Istio takes: whole milliseconds, at least one, and at most `most` seconds. None is left alone."""
    if seconds is None:
        return
    if not 0 < seconds <= most:
        problems.add(f"{seconds:g} s must be more than 0 and at most {_spoken(most)}")
    elif abs(seconds * 1000 - round(seconds * 1000)) > 1e-6 or seconds < 0.001:
        problems.add("must be whole milliseconds: Istio takes nothing finer")


def _spoken(seconds: float) -> str:
    return f"{seconds / HOUR:g} h" if seconds >= HOUR else f"{seconds:g} s"


def check_ports(ports: Sequence[int], most: int, problems: Problems) -> None:
    """Port numbers, each once."""
    check_count(len(ports), 0, most, "port", problems)
    check_unique(ports, problems)
    for index, port in enumerate(ports[:most]):
        if not 1 <= port <= 65535:
            problems.at(index).add(f"{port} must be 1 to 65535")


def check_cidrs(cidrs: Sequence[str], most: int, problems: Problems) -> None:
    """Address ranges in the one form that every tool reads alike, each once."""
    check_count(len(cidrs), 0, most, "range", problems)
    check_unique(cidrs, problems)
    for index, cidr in enumerate(cidrs[:most]):
        if wrong := _what_is_wrong_with_cidr(cidr):
            problems.at(index).add(wrong)


def _what_is_wrong_with_cidr(text: str) -> str | None:
    if text != "".join(text.split()):
        return "must not contain spaces"
    try:
        if "%" in text:
            raise ValueError
        network = ip_network(text, strict=False)
    except ValueError:
        return "must be a CIDR range, such as 10.0.0.0/8 or 2001:db8::/32"
    if "/" not in text:
        return f"must be a range; write {ip_address(text)}/{network.max_prefixlen} for this one address"
    return None if text == str(network) else f"must be written {network}"


_DNS_LABEL = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}$)(?:\*\.)?{_DNS_LABEL}(?:\.{_DNS_LABEL})*")


def what_is_wrong_with_host(host: str) -> str | None:
    """What is wrong with a DNS name in lower case, for people; a leading `*.` is fine. None where nothing is."""
    if not host.isascii():
        return "must be ASCII; write an international name in its xn-- form"
    if not _HOST.fullmatch(host):
        return "must be a DNS name such as www.example.com, or *.example.com for every name below"
    if host.rpartition(".")[2].isdigit():
        return "must be a name; put IP addresses into addresses or endpoints"
    if host == "localhost" or host.endswith(".localhost"):
        return "is the workload itself, never an external service"
    return None
