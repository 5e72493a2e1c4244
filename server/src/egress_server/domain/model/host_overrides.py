"""The names that a local cluster knows without DNS: `--resolve HOST:PORT:ADDRESS[:PORT2]`.

Why it exists: tests and the demo stand in for external hosts with servers on loopback, on ports
that need no root. The option is curl's `--resolve`, with PORT2 as in its `--connect-to`. It is also
the one list of loopback addresses that probes may reach, so nothing but the command line may extend
it.
"""

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

_FORM = "HOST:PORT:ADDRESS[:PORT2]"


@dataclass(frozen=True, slots=True)
class HostOverride:
    """Connections to `host`:`port` go to `address`; there, `port2` is the port that really
    listens."""

    host: str
    port: int
    address: str
    port2: int


def parse_host_override(text: str) -> HostOverride:
    """Read one option value. An IPv6 ADDRESS stands in brackets; PORT2 defaults to PORT.

    Raises:
        ValueError: says which part is wrong.
    """
    host, _, rest = text.partition(":")
    port, _, rest = rest.partition(":")
    if not host or not port or not rest:
        raise ValueError(f"{text!r}: expected {_FORM}")
    address, port2 = _split_address(text, rest)
    number = _port(text, "PORT", port)
    return HostOverride(
        host=host.lower().rstrip("."),
        port=number,
        address=address,
        port2=number if port2 is None else _port(text, "PORT2", port2),
    )


def _split_address(text: str, rest: str) -> tuple[str, str | None]:
    if rest.startswith("["):
        inside, closed, after = rest[1:].partition("]")
        if not closed or (after and not after.startswith(":")):
            raise ValueError(f"{text!r}: an IPv6 ADDRESS is written [ADDRESS], then :PORT2 if any")
        address, port2 = inside, after[1:] if after else None
    else:
        address, colon, after = rest.partition(":")
        port2 = after if colon else None
    try:
        parsed = ip_address(address)
    except ValueError:
        raise ValueError(f"{text!r}: ADDRESS {address!r} is not an IP address") from None
    if isinstance(parsed, IPv6Address) != rest.startswith("["):
        raise ValueError(f"{text!r}: brackets are for IPv6 addresses, and only for them")
    return str(parsed), port2


def _port(text: str, part: str, digits: str) -> int:
    if not (digits.isascii() and digits.isdigit() and 0 < int(digits) <= 0xFFFF):
        raise ValueError(f"{text!r}: {part} {digits!r} is not a number from 1 to 65535")
    return int(digits)
