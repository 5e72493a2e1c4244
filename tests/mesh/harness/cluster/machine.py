"""The real-mesh tier's requirements of the machine: root, network namespaces, a few Debian packages."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable

# Program to the Debian package that has it.
_PROGRAMS = {
    "ip": "iproute2",
    "iptables-legacy": "iptables",
    "iptables-nft": "iptables",
    "dnsmasq": "dnsmasq-base",
    "curl": "curl",
    "socat": "socat",
    "setpriv": "util-linux",
}


def prepare(report: Callable[[str], None]) -> list[str]:
    """Installs what is missing, if possible; describes what is still missing."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return ["root on Linux: network namespaces and iptables need it"]
    packages = sorted({package for program, package in _PROGRAMS.items() if not shutil.which(program)})
    if packages and shutil.which("apt-get"):
        report(f"installing {' '.join(packages)}")
        _install(packages)
    missing = [f"{program} (Debian: {package})" for program, package in _PROGRAMS.items() if not shutil.which(program)]
    return missing or _namespace_problems()


def boxed(missing: list[str]) -> str:
    """The message in a box that is hard to overlook."""
    lines = ["NOT RUN: the real-mesh tier. This machine lacks:", *(f"  - {what}" for what in missing)]
    lines.append("Nothing was tested here.")
    width = max(map(len, lines))
    rule = "*" * (width + 6)
    return "\n".join([rule, *(f"*  {line:<{width}}  *" for line in lines), rule])


def _install(packages: list[str]) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
        subprocess.run(["apt-get", *words], env=environment, stdout=subprocess.DEVNULL, check=False)


def _namespace_problems() -> list[str]:
    """Containers are often root without permission to create namespaces or iptables rules."""
    name = f"eg-{os.getpid()}-probe"
    problems = _said(["ip", "netns", "add", name])
    if not problems:
        inside = ["ip", "netns", "exec", name]
        problems += _said([*inside, "iptables-legacy", "-t", "nat", "-L", "-n"])
        problems += _said([*inside, "ip", "link", "add", "br0", "type", "bridge"])
        subprocess.run(["ip", "netns", "del", name], check=False)
    return problems


def _said(words: list[str]) -> list[str]:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return [f"the right to run `{' '.join(words)}`: {done.stderr.strip()}"] if done.returncode else []
