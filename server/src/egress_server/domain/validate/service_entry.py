"""Validation of service entries. Entries that are valid but harmful are left to lint."""

import re
from ipaddress import ip_address, ip_network

from egress_server.domain.model.limits import (
    MAX_ADDRESSES,
    MAX_ENDPOINTS,
    MAX_EXPORTS,
    MAX_HOSTS,
    MAX_NETWORK,
    MAX_PORTS,
)
from egress_server.domain.model.resources import (
    Endpoint,
    Protocol,
    Resolution,
    ServiceEntry,
    ServicePort,
    TrafficSettings,
)
from egress_server.domain.model.selectors import NO_NAMESPACE
from egress_server.domain.validate.metadata import check_metadata
from egress_server.domain.validate.problems import Problems
from egress_server.domain.validate.selectors import check_cluster_selector, check_labels, check_namespace
from egress_server.domain.validate.subject_alt_names import check_subject_alt_names
from egress_server.domain.validate.traffic import check_traffic
from egress_server.domain.validate.values import check_count, check_unique, host_problem

_PORT_NAME = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9]{0,61}[A-Za-z0-9])?")
_NETWORK = re.compile(rf"[!-~]{{0,{MAX_NETWORK}}}")
_MAX_ENDPOINT_PORT_NAME = 62
_BY_DNS = frozenset({Resolution.DNS, Resolution.DNS_ROUND_ROBIN})
_WITH_ENDPOINTS = _BY_DNS | {Resolution.STATIC}
_WITH_RANGES = frozenset({Resolution.NONE, Resolution.STATIC})


def check_service_entry(entry: ServiceEntry, problems: Problems) -> None:
    """Adds everything that is wrong with `entry`."""
    _check_hosts(entry, problems.at("hosts"))
    _check_ports(entry.ports, problems.at("ports"))
    _check_protocols(entry, problems.at("ports"))
    _check_endpoints(entry, problems.at("endpoints"))
    _check_workload_selector(entry, problems.at("workload_selector"))
    _check_addresses(entry, problems.at("addresses"))
    _check_exports(entry, problems.at("export_to"))
    check_subject_alt_names(entry.subject_alt_names, problems.at("subject_alt_names"))
    check_metadata(entry, problems)
    check_cluster_selector(entry.cluster_selector, problems.at("cluster_selector"))
    check_traffic(entry, problems.at("traffic"))


def _check_hosts(entry: ServiceEntry, problems: Problems) -> None:
    check_count(len(entry.hosts), 1, MAX_HOSTS, "host", problems)
    check_unique(entry.hosts, problems)
    for index, host in enumerate(entry.hosts[:MAX_HOSTS]):
        if problem := host_problem(host):
            problems.at(index).add(problem)
        elif entry.resolution is Resolution.DYNAMIC_DNS and not host.startswith("*"):
            problems.at(index).add("must be a wildcard with resolution DYNAMIC_DNS; use DNS to resolve a single host")


def _check_ports(ports: tuple[ServicePort, ...], problems: Problems) -> None:
    check_count(len(ports), 1, MAX_PORTS, "port", problems)
    numbers: dict[int, int] = {}
    names: dict[str, int] = {}
    for index, port in enumerate(ports[:MAX_PORTS]):
        here = problems.at(index)
        if not 1 <= port.number <= 65535:
            here.at("number").add(f"{port.number} must be between 1 and 65535")
        elif numbers.setdefault(port.number, index) != index:
            here.at("number").add(f"{port.number} is already used by ports[{numbers[port.number]}]")
        if not 0 <= port.target_port <= 65535:
            here.at("target_port").add(f"{port.target_port} must be between 1 and 65535, or 0 for the same as number")
        if not _PORT_NAME.fullmatch(port.name):
            here.at("name").add("must be 1 to 63 letters, digits or '-'")
        elif names.setdefault(port.name, index) != index:
            here.at("name").add(f"{port.name} is already used by ports[{names[port.name]}]")


def _check_protocols(entry: ServiceEntry, problems: Problems) -> None:
    """Sidecars must handle the protocol, and distinguish several hosts by it."""
    for index, port in enumerate(entry.ports[:MAX_PORTS]):
        here, protocol = problems.at(index, "protocol"), port.protocol
        if protocol is Protocol.UDP:
            here.add("sidecars don't handle UDP: datagrams leave the pod directly, registered or not; remove this port")
            continue
        carries_host = protocol.is_http or protocol.is_tls
        if len(entry.hosts) > 1 and not carries_host and entry.resolution is not Resolution.NONE:
            what = "a port without a protocol" if protocol is Protocol.DETECTED else protocol.value
            here.add(f"{what} carries no host name; list one host only, or use resolution NONE")


def _check_endpoints(entry: ServiceEntry, problems: Problems) -> None:
    count = len(entry.endpoints)
    if entry.resolution is Resolution.NONE and count:
        problems.add("must be empty with resolution NONE, which uses the original address")
    if entry.resolution is Resolution.DYNAMIC_DNS and count:
        problems.add("must be empty with resolution DYNAMIC_DNS, which resolves the host of each request")
    if entry.resolution is Resolution.DNS_ROUND_ROBIN and count > 1:
        problems.add("resolution DNS_ROUND_ROBIN allows at most one endpoint")
    check_count(count, 0, MAX_ENDPOINTS, "endpoint", problems)
    names = {port.name for port in entry.ports}
    for index, endpoint in enumerate(entry.endpoints[:MAX_ENDPOINTS]):
        _check_endpoint(endpoint, entry.resolution, names, problems.at(index))


def _check_workload_selector(entry: ServiceEntry, problems: Problems) -> None:
    if not entry.workload_selector:
        return
    if entry.endpoints:
        problems.add("can't be combined with endpoints: the service runs either on workloads or at fixed addresses")
    if entry.resolution not in _WITH_ENDPOINTS:
        problems.add(f"has no effect with resolution {entry.resolution.value}; use STATIC or DNS")
    check_labels(entry.workload_selector, problems)


def _check_endpoint(endpoint: Endpoint, resolution: Resolution, names: set[str], problems: Problems) -> None:
    if problem := _endpoint_address_problem(endpoint.address, resolution):
        problems.at("address").add(problem)
    if not _NETWORK.fullmatch(endpoint.network):
        problems.at("network").add(f"must be the name of a network: at most {MAX_NETWORK} characters without spaces")
    for name, number in sorted(endpoint.ports.items()):
        if name not in names:
            problems.at("ports").key(name).add("is not the name of a port in this entry")
        elif len(name) > _MAX_ENDPOINT_PORT_NAME:
            # A rule of Istio's CRD; the names of the entry's own ports may be one longer.
            problems.at("ports").key(name).add(
                f"the port's name must have at most {_MAX_ENDPOINT_PORT_NAME} characters to be used here"
            )
        if not 1 <= number <= 65535:
            problems.at("ports").key(name).add(f"{number} must be between 1 and 65535")
    check_labels(endpoint.labels, problems.at("labels"))
    if not 0 <= endpoint.weight <= 2**31 - 1:
        problems.at("weight").add("must not be negative")
    if len(endpoint.locality) > 253 or endpoint.locality.count("/") > 2:
        problems.at("locality").add("must look like region/zone/subzone")


def _endpoint_address_problem(address: str, resolution: Resolution) -> str | None:
    if _is_ip(address):
        return None
    if address.startswith("unix:"):
        return "a sidecar can't reach a socket of another pod; give the service an IP address"
    if resolution not in _BY_DNS:
        return f"must be an IP address with resolution {resolution.value}"
    if address.startswith("*") or host_problem(address):
        return "must be an IP address or a DNS name"
    return None


def _check_addresses(entry: ServiceEntry, problems: Problems) -> None:
    if entry.resolution is Resolution.DYNAMIC_DNS and entry.addresses:
        problems.add("must be empty with resolution DYNAMIC_DNS, which finds hosts by name only")
    check_count(len(entry.addresses), 0, MAX_ADDRESSES, "address", problems)
    check_unique(entry.addresses, problems)
    for index, address in enumerate(entry.addresses[:MAX_ADDRESSES]):
        if problem := _address_problem(address, entry.resolution):
            problems.at(index).add(problem)


def _address_problem(address: str, resolution: Resolution) -> str | None:
    length = address.partition("/")[2]
    try:
        network = ip_network(address, strict=False)
        if "%" in address or (length and not length.isdigit()):
            raise ValueError
    except ValueError:
        return "must be an IP address, or a CIDR range such as 203.0.113.0/24"
    if ip_address(address.partition("/")[0]) != network.network_address:
        return f"must be written {network}"
    if "/" in address and resolution not in _WITH_RANGES:
        return f"a range requires resolution NONE or STATIC; {resolution.value} allows single addresses only"
    if network.prefixlen == 0:
        return "matches every address; leave addresses empty instead"
    return None


def _check_exports(entry: ServiceEntry, problems: Problems) -> None:
    exports = entry.export_to
    check_count(len(exports), 0, MAX_EXPORTS, "namespace", problems)
    check_unique(exports, problems)
    for index, to in enumerate(exports[:MAX_EXPORTS]):
        if to not in {"*", ".", NO_NAMESPACE}:
            check_namespace(to, problems.at(index))
    if "*" in exports and len(exports) > 1:
        problems.add("'*' means all namespaces, so it must be the only one")
    if NO_NAMESPACE in exports:
        if len(exports) > 1:
            problems.add("'~' means no namespace, so it must be the only one")
        if entry.traffic != TrafficSettings():
            problems.add("'~' hides the entry from all workloads, so its traffic settings would have no effect")
    if "." in exports and entry.namespace in exports:
        problems.add(f"'.' means {entry.namespace}; remove one of them")


def _is_ip(text: str) -> bool:
    """Whether it is an IP address without a zone, which would only be valid on one machine."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text
