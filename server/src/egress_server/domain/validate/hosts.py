"""Rules of host names, of services as of the places that requests are sent to."""

import re

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
