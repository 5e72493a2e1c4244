"""Header matches to the domain and back."""

from collections.abc import Iterable

from egress.v1 import service_entry_pb2 as pb
from egress_server.domain.resources import HeaderMatch, MatchKind


def read_headers(messages: Iterable[pb.HeaderMatch]) -> tuple[HeaderMatch, ...]:
    """The matches as they came."""
    return tuple(_read(message) for message in messages)


def _read(message: pb.HeaderMatch) -> HeaderMatch:
    given = message.WhichOneof("value")
    if given is None:
        return HeaderMatch(message.name)
    return HeaderMatch(message.name, MatchKind(given), getattr(message, given))


def write_headers(matches: Iterable[HeaderMatch]) -> list[pb.HeaderMatch]:
    """The matches."""
    return [_write(match) for match in matches]


def _write(match: HeaderMatch) -> pb.HeaderMatch:
    match match.kind:
        case MatchKind.EXACT:
            return pb.HeaderMatch(name=match.name, exact=match.value)
        case MatchKind.PREFIX:
            return pb.HeaderMatch(name=match.name, prefix=match.value)
        case MatchKind.REGEX:
            return pb.HeaderMatch(name=match.name, regex=match.value)
    return pb.HeaderMatch(name=match.name)
