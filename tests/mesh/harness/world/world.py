"""What lies outside a mesh: a network namespace with external services, a DNS server, and a way to ask what arrived.

The namespace answers on every address of the documentation ranges, so a test gives a host an
address of its own and needs no new server. It answers on service addresses too: what a sidecar does
not take reaches it there, in place of kube-proxy. Nothing here is reachable from outside the namespaces.
"""

import itertools
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.mesh.harness.cluster.addresses import ServiceRange
from tests.mesh.harness.run.run import Child, Run, command, eventually
from tests.support.paths import ROOT

RANGES = ("198.51.100.0/24", "203.0.113.0/24")
RANGES_V6 = "2001:db8::/32"
ALIYUN = "198.51.100.10"
ZONES = {
    "www.aliyun.com": ALIYUN,
    "example.com": "203.0.113.10",
    "example.org": "203.0.113.20",
    "example.net": "203.0.113.30",
    "wild.example": "203.0.113.77",
}
"""A zone's address is that of every name in it, unless `name` gives that name another one."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A workload's connection to the world."""

    namespace: str
    v4: str
    v6: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that arrived: the address and port it came to, and its headers."""

    address: str
    port: int
    tls_name: str
    method: str
    path: str
    headers: Mapping[str, str]

    @property
    def host(self) -> str:
        """The Host that it named."""
        return self.headers.get("host", "")


class World:
    """The outside of one mesh. Each workload is attached to its bridge by a veth pair."""

    def __init__(self, run: Run, folder: Path, index: int, services: ServiceRange) -> None:
        self._run = run
        self._services = services
        self._folder = folder
        self._network = f"10.{150 + index}"
        self._network_v6 = f"fd00:{150 + index}:"
        self._numbers = itertools.count(2)
        self._fakes = itertools.count(2)
        self._socket = folder / "control.sock"
        self._dns: Child | None = None
        self.namespace = run.namespace()

    @property
    def authority(self) -> Path:
        """The certificate authority of its TLS servers."""
        return self._folder / "ca.pem"

    @property
    def gateway(self) -> str:
        """Its own address on the bridge, where the DNS server listens."""
        return f"{self._network}.0.1"

    def start(self) -> None:
        """Build the network and start the servers."""
        ip = ("ip", "-n", self.namespace)
        # Without an address of its own a bridge takes the lowest of its ports: each new workload might change it, and
        # the others would not find their gateway until they ask again.
        command(*ip, "link", "add", "br0", "address", "02:00:00:00:00:01", "type", "bridge")
        command(*ip, "addr", "add", f"{self.gateway}/16", "dev", "br0")
        command(*ip, "-6", "addr", "add", f"{self._network_v6}:1/64", "dev", "br0", "nodad")
        command(*ip, "link", "set", "br0", "up")
        for served in (*RANGES, self._services.v4):
            command(*ip, "route", "add", "local", served, "dev", "lo")
        for served in (RANGES_V6, self._services.v6):
            command(*ip, "-6", "route", "add", "local", served, "dev", "lo")
        inside = ("ip", "netns", "exec", self.namespace)
        environment = {"PYTHONPATH": str(ROOT)}
        servers = [*inside, sys.executable, "-m", "tests.mesh.harness.world.world_server", str(self._folder)]
        child = self._run.spawn("world", servers, self._folder, environment)
        self.start_dns()
        child.wait_until(lambda: self._control("GET", "/seen") is not None)

    def start_dns(self) -> None:
        """Start the DNS server."""
        names = self._run.make_folder(*self._folder.relative_to(self._run.folder).parts, "names")
        zones = [f"--address=/{zone}/{address}" for zone, address in ZONES.items()]
        argv = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root"]
        argv += ["--bind-interfaces", f"--listen-address={self.gateway}", "--pid-file=", "--log-facility=-"]
        argv += ["--log-queries", f"--hostsdir={names}", *zones]
        self._dns = self._run.spawn("dnsmasq", ["ip", "netns", "exec", self.namespace, *argv], self._folder)

    def stop_dns(self) -> None:
        """Names are no longer answered."""
        assert self._dns is not None
        self._dns.kill()

    def name(self, host: str, *addresses: str) -> None:
        """Give a host addresses, immediately and permanently; a zone's address no longer applies to it."""
        draft = self._folder / "draft"
        draft.write_text("".join(f"{address} {host}\n" for address in addresses))
        draft.rename(self._folder / "names" / host)
        dig = [sys.executable, "-c", "import socket,sys; print(socket.getaddrinfo(sys.argv[1], 1)[0][4][0])", host]
        environment = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}
        inside = ("ip", "netns", "exec", self._self_resolving())
        eventually(lambda: command(*inside, *dig, env=environment).strip() in addresses, f"{host} in DNS", 5)

    def asked(self, host: str) -> bool:
        """Whether the DNS server was asked for a host."""
        assert self._dns is not None
        return f"] {host} from" in self._dns.log.read_text(errors="replace")

    def attach(self) -> Attachment:
        """Make a network namespace for a workload and attach it."""
        namespace = self._run.namespace()
        v4, v6 = self._addresses(next(self._numbers))
        cable = f"v{v4.rsplit('.', 2)[1]}x{v4.rsplit('.', 1)[1]}"
        ends = ("type", "veth", "peer", "name", cable, "netns", self.namespace)
        command("ip", "link", "add", "eth0", "netns", namespace, *ends)
        command("ip", "-n", self.namespace, "link", "set", cable, "master", "br0", "up")
        ip = ("ip", "-n", namespace)
        command(*ip, "addr", "add", f"{v4}/16", "dev", "eth0")
        command(*ip, "-6", "addr", "add", f"{v6}/64", "dev", "eth0", "nodad")
        command(*ip, "link", "set", "eth0", "up")
        command(*ip, "route", "add", "default", "via", self.gateway)
        command(*ip, "-6", "route", "add", "default", "via", f"{self._network_v6}:1")
        self._write_resolver(namespace)
        return Attachment(namespace, v4, v6)

    def unplugged_address(self) -> str:
        """An address for a pod that exists as an object only."""
        number = next(self._fakes)
        return f"{self._network}.{200 + number // 250}.{number % 250 + 2}"

    def seen(self, host: str = "") -> list[Seen]:
        """The requests that arrived, oldest first; of one host if it is named."""
        arrived = [Seen(**fields) for fields in self._control("GET", "/seen")]
        return [request for request in arrived if host in ("", request.host)]

    def connections(self, port: int) -> list[str]:
        """For each connection to a port, oldest first, the address that it came to."""
        arrived: list[str] = self._control("GET", f"/connections/{port}")
        return arrived

    def behave(
        self,
        host: str,
        *,
        status: int = 0,
        times: int = -1,
        delay: float = 0.0,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """From now on answer requests for a host in this way, so many times (forever if negative)."""
        how = {"host": host, "status": status, "times": times, "delay": delay, "headers": dict(headers or {})}
        self._control("POST", "/behave", how)

    def forget(self) -> None:
        """Forget what arrived and how to behave."""
        self._control("POST", "/forget")

    def _addresses(self, number: int) -> tuple[str, str]:
        return f"{self._network}.{number // 250}.{number % 250 + 1}", f"{self._network_v6}:{number:x}"

    def _self_resolving(self) -> str:
        self._write_resolver(self.namespace)
        return self.namespace

    def _write_resolver(self, namespace: str) -> None:
        """`ip netns exec` shows this file as /etc/resolv.conf."""
        folder = Path("/etc/netns") / namespace
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "resolv.conf").write_text(f"nameserver {self.gateway}\noptions timeout:3 attempts:3\n")

    def _control(self, method: str, path: str, body: Any = None) -> Any:
        transport = httpx.HTTPTransport(uds=str(self._socket))
        with httpx.Client(transport=transport, base_url="http://world", timeout=10) as client:
            return client.request(method, path, json=body).raise_for_status().json()
