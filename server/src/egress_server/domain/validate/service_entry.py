"""Rules of a service entry by itself. What is well formed and does harm all the same is for lint to find."""

import re
from ipaddress import ip_address, ip_network

from egress_server.domain.model.limits import MAX_ADDRESSES, MAX_ENDPOINTS, MAX_EXPORTS, MAX_HOSTS, MAX_PORTS
from egress_server.domain.model.resources import Endpoint, Resolution, ServiceEntry, ServicePort
from egress_server.domain.validate.problems import Problems
from egress_server.domain.validate.selectors import check_cluster_selector, check_labels, check_namespace
from egress_server.domain.validate.traffic import check_traffic
from egress_server.domain.validate.values import check_count, check_unique, what_is_wrong_with_host

_PORT_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_BY_DNS = frozenset({Resolution.DNS, Resolution.DNS_ROUND_ROBIN})
_WITH_RANGES = frozenset({Resolution.NONE, Resolution.STATIC})


def check_service_entry(entry: ServiceEntry, problems: Problems) -> None:
    """Adds all that is wrong with `entry`."""
    _check_hosts(entry, problems.at("hosts"))
    _check_ports(entry.ports, problems.at("ports"))
    _check_protocols(entry, problems.at("ports"))
    _check_endpoints(entry, problems.at("endpoints"))
    _check_addresses(entry, problems.at("addresses"))
    _check_exports(entry, problems.at("export_to"))
    check_cluster_selector(entry.cluster_selector, problems.at("cluster_selector"))
    check_traffic(entry, problems.at("traffic"))


def _check_hosts(entry: ServiceEntry, problems: Problems) -> None:
    check_count(len(entry.hosts), 1, MAX_HOSTS, "host", problems)
    check_unique(entry.hosts, problems)
    for index, host in enumerate(entry.hosts[:MAX_HOSTS]):
        if wrong := what_is_wrong_with_host(host):
            problems.at(index).add(wrong)


def _check_ports(ports: tuple[ServicePort, ...], problems: Problems) -> None:
    check_count(len(ports), 1, MAX_PORTS, "port", problems)
    numbers: dict[int, int] = {}
    names: dict[str, int] = {}
    for index, port in enumerate(ports[:MAX_PORTS]):
        here = problems.at(index)
        if not 1 <= port.number <= 65535:
            here.at("number").add(f"{port.number} must be 1 to 65535")
        elif numbers.setdefault(port.number, index) != index:
            here.at("number").add(f"{port.number} is already used by ports[{numbers[port.number]}]")
        if not 0 <= port.target_port <= 65535:
            here.at("target_port").add(f"{port.target_port} must be 1 to 65535, or 0 for the same as number")
        if not _PORT_NAME.fullmatch(port.name):
            here.at("name").add("must be 1 to 63 lower-case letters, digits or '-'")
        elif names.setdefault(port.name, index) != index:
            here.at("name").add(f"{port.name} is already used by ports[{names[port.name]}]")


def _check_protocols(entry: ServiceEntry, problems: Problems) -> None:
    """The sidecar tells hosts apart by what is spoken."""
    for index, port in enumerate(entry.ports[:MAX_PORTS]):
        here, protocol = problems.at(index, "protocol"), port.protocol
        told_apart = protocol.is_http or protocol.is_tls
        if len(entry.hosts) > 1 and not told_apart and entry.resolution is not Resolution.NONE:
            here.add(f"{protocol.value} does not tell hosts apart; name one host, or use resolution NONE")


def _check_endpoints(entry: ServiceEntry, problems: Problems) -> None:
    count = len(entry.endpoints)
    if entry.resolution is Resolution.NONE and count:
        problems.add("resolution NONE sends to the dialled address and takes no endpoints")
    if entry.resolution is Resolution.STATIC and not count:
        problems.add("resolution STATIC needs at least one endpoint")
    if entry.resolution is Resolution.DNS_ROUND_ROBIN and count > 1:
        problems.add("resolution DNS_ROUND_ROBIN takes at most one endpoint")
    check_count(count, 0, MAX_ENDPOINTS, "endpoint", problems)
    names = {port.name for port in entry.ports}
    for index, endpoint in enumerate(entry.endpoints[:MAX_ENDPOINTS]):
        _check_endpoint(endpoint, entry.resolution, names, problems.at(index))


def _check_endpoint(endpoint: Endpoint, resolution: Resolution, names: set[str], problems: Problems) -> None:
    address = problems.at("address")
    if not _is_ip(endpoint.address):
        if resolution not in _BY_DNS:
            address.add(f"must be an IP address with resolution {resolution.value}")
        elif endpoint.address.startswith("*") or what_is_wrong_with_host(endpoint.address):
            address.add("must be an IP address or a DNS name")
    for name, number in sorted(endpoint.ports.items()):
        if name not in names:
            problems.at("ports").key(name).add("is not the name of a port of this entry")
        if not 1 <= number <= 65535:
            problems.at("ports").key(name).add(f"{number} must be 1 to 65535")
    check_labels(endpoint.labels, problems.at("labels"))
    if not 0 <= endpoint.weight <= 2**31 - 1:
        problems.at("weight").add("must not be negative")
    if len(endpoint.locality) > 253 or endpoint.locality.count("/") > 2:
        problems.at("locality").add("must look like region/zone/subzone")


def _check_addresses(entry: ServiceEntry, problems: Problems) -> None:
    check_count(len(entry.addresses), 0, MAX_ADDRESSES, "address", problems)
    check_unique(entry.addresses, problems)
    for index, address in enumerate(entry.addresses[:MAX_ADDRESSES]):
        if wrong := _what_is_wrong_with_address(address, entry.resolution):
            problems.at(index).add(wrong)


def _what_is_wrong_with_address(address: str, resolution: Resolution) -> str | None:
    length = address.partition("/")[2]
    try:
        network = ip_network(address)
        if "%" in address or (length and not length.isdigit()):
            raise ValueError
    except ValueError:
        return "must be an IP address, or a CIDR range without host bits, such as 203.0.113.0/24"
    if "/" in address and resolution not in _WITH_RANGES:
        return f"a range needs resolution NONE or STATIC; {resolution.value} takes single addresses"
    if network.prefixlen == 0:
        return "takes every address; leave addresses empty for that"
    return None


def _check_exports(entry: ServiceEntry, problems: Problems) -> None:
    exports = entry.export_to
    check_count(len(exports), 0, MAX_EXPORTS, "namespace", problems)
    check_unique(exports, problems)
    for index, to in enumerate(exports[:MAX_EXPORTS]):
        if to not in {"*", "."}:
            check_namespace(to, problems.at(index))
    if "*" in exports and len(exports) > 1:
        problems.add("'*' means every namespace; leave the others out")
    if "." in exports and entry.namespace in exports:
        problems.add(f"'.' is {entry.namespace}; leave one of them out")


def _is_ip(text: str) -> bool:
    """Whether it is an IP address that means the same on every machine: an interface's name does not."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text
