"""Names that a local cluster resolves without DNS: `--resolve HOST:PORT:ADDRESS[:PORT2]`.

Tests and the demo replace external hosts with servers on loopback, on ports that don't need root. The option works
like curl's `--resolve`, with PORT2 as in curl's `--connect-to`. It is also the only list of loopback addresses that
probes may reach, so nothing but the command line may extend it.
"""

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

_FORM = "HOST:PORT:ADDRESS[:PORT2]"


@dataclass(frozen=True, slots=True)
class HostOverride:
    """Connections to `host`:`port` go to `address`:`port2` instead."""

    host: str
    port: int
    address: str
    port2: int


def parse_host_override(text: str) -> HostOverride:
    """Parse one option value. An IPv6 ADDRESS is written in brackets; PORT2 defaults to PORT.

    Raises:
        ValueError: names the invalid part.
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
            raise ValueError(f"{text!r}: an IPv6 ADDRESS must be written [ADDRESS], optionally followed by :PORT2")
        address, port2 = inside, after[1:] if after else None
    else:
        address, colon, after = rest.partition(":")
        port2 = after if colon else None
    try:
        parsed = ip_address(address)
    except ValueError:
        raise ValueError(f"{text!r}: ADDRESS {address!r} is not an IP address") from None
    if isinstance(parsed, IPv6Address) != rest.startswith("["):
        raise ValueError(f"{text!r}: an IPv4 ADDRESS must not be in brackets")
    return str(parsed), port2


def _port(text: str, part: str, digits: str) -> int:
    if not (digits.isascii() and digits.isdigit() and 0 < int(digits) <= 0xFFFF):
        raise ValueError(f"{text!r}: {part} {digits!r} is not a number from 1 to 65535")
    return int(digits)
