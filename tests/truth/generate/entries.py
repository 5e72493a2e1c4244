"""Foreign ServiceEntries, with what managed ones lack: UDP, upper case, selectors, `~`, ports without protocol."""

from tests.truth.cluster.etcd import Object
from tests.truth.generate.draw import ADDRESSES, ENDPOINTS, HOSTS, PORTS, Draw, present
from tests.truth.world import NATURAL, Foreign

_PROTOCOLS = {
    80: ("HTTP", "HTTP", "HTTP", "", "TCP", "TLS"),
    443: ("HTTPS", "TLS", "TLS", "", "TCP", "HTTP", "UDP"),
    8080: ("HTTP", "", "TCP", "HTTP2"),
    3306: ("TCP", "TCP", "", "MySQL", "UDP", "HTTP"),
    8443: ("TLS", "HTTPS", "", "TCP"),
    27017: ("MONGO", "TCP", "", "Mongo"),
}


def ports(draw: Draw) -> list[Object]:
    """The ports of an entry."""
    found = []
    for number in draw.some(PORTS, 1, 3):
        protocol = draw.one(_PROTOCOLS[number])
        target = draw.one((0, 0, 0, 443 if number == 80 else 8080))
        found.append(present(number=number, name=f"p{number}", protocol=protocol, targetPort=target or ""))
    return found


def endpoints(draw: Draw, declared: list[Object], *, names: bool) -> list[Object]:
    """The endpoints of an entry, by `names` or by address."""
    pool = ("db.example.com", "a.example.org") if names else ENDPOINTS
    found = []
    for address in draw.some(pool, 1, 2):
        labels = {"version": draw.one(("v1", "v2", "v3"))} if draw.chance(0.5) else {}
        its = {each["name"]: 9000 for each in declared if draw.chance(0.1)}
        found.append(present(address=address, labels=labels, ports=its))
    return found


def service_entry(draw: Draw) -> list[Foreign]:
    """A ServiceEntry, and a WorkloadEntry if it selects one."""
    namespace = draw.namespace()
    hosts = list(dict.fromkeys(draw.host(service=0.05) for _ in range(draw.one((1, 1, 1, 2)))))
    if draw.chance(0.05):
        hosts = [hosts[0].upper() if draw.chance(0.5) else hosts[0].title()]
    resolution = draw.one(("NONE", "NONE", "DNS", "DNS", "STATIC", "STATIC", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"))
    declared = ports(draw)
    addresses = draw.some(ADDRESSES, 1, 2) if draw.chance(0.3) else []
    if draw.chance(0.1):
        addresses = [NATURAL.get(draw.one(HOSTS), "203.0.113.40")]
    spec = present(
        hosts=hosts,
        ports=declared,
        resolution=resolution,
        addresses=[] if resolution == "DYNAMIC_DNS" else addresses,
        exportTo=draw.export_to(),
        location=draw.one(("", "MESH_EXTERNAL", "MESH_EXTERNAL", "MESH_INTERNAL")),
    )
    extra = []
    if resolution in ("STATIC", "DNS") and draw.chance(0.15):
        spec["workloadSelector"] = {"labels": {"app": "vm"}}
        if draw.chance(0.5):
            vm = present(address=draw.one(ENDPOINTS), labels={"app": "vm", "version": draw.one(("v1", "v2"))})
            extra.append(draw.foreign("WorkloadEntry", namespace, vm))
    elif resolution == "STATIC" and draw.chance(0.85):
        spec["endpoints"] = endpoints(draw, declared, names=False)
    elif resolution == "DNS" and (draw.chance(0.25) or any(host.startswith("*") for host in hosts)):
        spec["endpoints"] = endpoints(draw, declared, names=draw.chance(0.7))
    labels = {"networking.istio.io/enable-autoallocate-ip": "false"} if draw.chance(0.05) else {}
    return [*extra, draw.foreign("ServiceEntry", namespace, spec, labels=labels)]
