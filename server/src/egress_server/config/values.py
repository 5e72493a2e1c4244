"""Types of settings: how the text of a flag or variable becomes a value, and the sentence that refuses it."""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

from egress_server.config.host_overrides import HostOverride, parse_host_override
from egress_server.domain.model.errors import InvalidArgument
from egress_server.domain.model.names import check_label

T = TypeVar("T")
_ADDRESS = re.compile(r"(?:\[(?P<ipv6>[^\[\]]+)\]|(?P<host>[^:\[\]]+)):(?P<port>[0-9]{1,5})")
_YES = frozenset({"1", "on", "t", "true", "y", "yes"})
_NO = frozenset({"0", "off", "f", "false", "n", "no"})


@dataclass(frozen=True, slots=True)
class Option:
    """How a setting looks on the command line: the metavar of its value (empty: a flag without one), and its name if
    that is not the field's."""

    metavar: str = ""
    flag: str = ""


def split_address(address: str) -> tuple[str, int]:
    """Host (without brackets) and port of HOST:PORT. Raises ValueError."""
    found = _ADDRESS.fullmatch(address)
    if found is None or int(found["port"]) > 65535:
        raise ValueError(f"{address!r} must be HOST:PORT, with brackets around an IPv6 HOST")
    return found["ipv6"] or found["host"], int(found["port"])


def _address(address: str) -> str:
    split_address(address)
    return address


def _loopback(address: str) -> str:
    host, _ = split_address(address)
    if host == "localhost":
        return address
    try:
        is_loopback = ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise ValueError(f"{address!r} is not a loopback address; without authentication egressd listens nowhere else")
    return address


def _is_socket(address: str) -> bool:
    return address.startswith("unix:") and len(address) > len("unix:")


def _address_or_socket(address: str) -> str:
    return address if _is_socket(address) else _address(address)


def _loopback_or_socket(address: str) -> str:
    return address if _is_socket(address) else _loopback(address)


def _split(value: object) -> object:
    return [part for part in map(str.strip, value.split(",")) if part] if isinstance(value, str) else value


def _resolve(value: object) -> object:
    return parse_host_override(value) if isinstance(value, str) else value


def _label(value: object) -> object:
    if not isinstance(value, str):
        return value
    key, found, label = value.partition("=")
    if not (found and key):
        raise ValueError(f"{value!r} must be KEY=VALUE")
    return key, label


def _switch(value: object) -> object:
    if not isinstance(value, str):
        return value
    if (word := value.lower()) not in _YES | _NO:
        raise ValueError("must be true or false")
    return word in _YES


def _given(value: str) -> str:
    if not value:
        raise ValueError("must not be empty")
    return value


def _rfc1123(what: str, *, may_be_empty: bool = False) -> AfterValidator:
    """Checks a name as the API does."""

    def check(value: str) -> str:
        try:
            return value if may_be_empty and not value else check_label(what, value, what)
        except InvalidArgument as error:
            raise ValueError(error.violations[0].description) from None

    return AfterValidator(check)


def _choice(*choices: str) -> AfterValidator:
    def check(value: str) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return value

    return AfterValidator(check)


def number(kind: type[int] | type[float], low: int, high: int) -> BeforeValidator:
    """A number within bounds."""

    def parse(value: object) -> object:
        try:
            found = kind(str(value))
        except ValueError:
            raise ValueError(f"must be a {'whole ' if kind is int else ''}number") from None
        if not low <= found <= high:
            raise ValueError(f"must be between {low} and {high}")
        return found

    return BeforeValidator(parse)


Listed = Annotated[tuple[T, ...], NoDecode, BeforeValidator(_split)]
"""On the command line an option that can be repeated, in the environment a list with commas."""
Id = Annotated[str, _rfc1123("id")]
Namespace = Annotated[str, _rfc1123("namespace", may_be_empty=True)]
Label = Annotated[tuple[str, str], BeforeValidator(_label)]
Resolve = Annotated[HostOverride, BeforeValidator(_resolve)]
Switch = Annotated[bool, BeforeValidator(_switch)]
Address = Annotated[str, AfterValidator(_address), Option("HOST:PORT")]
AddressOrSocket = Annotated[str, AfterValidator(_address_or_socket), Option("HOST:PORT|unix:PATH")]
Loopback = Annotated[str, AfterValidator(_loopback), Option("HOST:PORT")]
LoopbackOrSocket = Annotated[str, AfterValidator(_loopback_or_socket), Option("HOST:PORT|unix:PATH")]
RedisUrl = Annotated[str, AfterValidator(_given), Option("URL")]
LogLevel = Annotated[str, _choice("debug", "info", "warning", "error"), Option("debug|info|warning|error")]
Folder = Annotated[Path, Option("DIR")]
OptionalFolder = Annotated[Path | None, Option("DIR")]
OptionalFile = Annotated[Path | None, Option("FILE")]
