"""Paths of google.api.http: `/v1/{name=meshes/*/changes/*}:wait` as a pattern over the raw request path.

Matches the path as sent, before percent-decoding: by the rules of google/api/http.proto, an encoded slash is part of
the value of a single-segment variable, and stays encoded in a variable with several segments. The decoded path of an
ASGI server has lost that difference.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

_IDENT = r"[A-Za-z_][A-Za-z0-9_]*"
_VARIABLE = re.compile(rf"\{{(?P<field>{_IDENT}(?:\.{_IDENT})*)(?:=(?P<pattern>[^{{}}]+))?\}}")
_PIECE = re.compile(r"\{[^{}]*\}|[^/{}]+")
_VERB = re.compile(r":([^/{}:*]+)$")
_RANK = {"*": 1, "**": 2}


@dataclass(frozen=True, slots=True)
class Segment:
    """A part between slashes: a literal, `*` or `**`, and the variable it belongs to, if any."""

    text: str
    field: str = ""

    @property
    def rank(self) -> int:
        """How much it matches: 0 a literal, 1 one segment, 2 any number of segments."""
        return _RANK.get(self.text, 0)


@dataclass(frozen=True, slots=True)
class Capture:
    """The part of a path that a variable matched, as sent."""

    field: str
    raw: str
    multi: bool

    def decode(self) -> str:
        """The percent-decoded value; %2F stays as it is in a variable of several segments. Raises
        UnicodeDecodeError."""
        if "%" not in self.raw:
            return self.raw
        if not self.multi:
            return unquote(self.raw, errors="strict")
        parts = re.split("(%2[Ff])", self.raw)
        return "".join(p if i % 2 else unquote(p, errors="strict") for i, p in enumerate(parts))


@dataclass(frozen=True, slots=True)
class PathTemplate:
    """A parsed path template. Create one with `PathTemplate.parse`."""

    text: str
    segments: tuple[Segment, ...]
    verb: str
    _regex: re.Pattern[str]
    _variables: tuple[tuple[str, bool], ...]

    @classmethod
    def parse(cls, text: str) -> "PathTemplate":
        """Parses a template. Raises ValueError if it violates the grammar of google/api/http.proto."""
        if not text.startswith("/"):
            raise ValueError(f"path template {text!r} must begin with '/'")
        verb = match.group(1) if (match := _VERB.search(text)) else ""
        path = text.removesuffix(f":{verb}") if verb else text
        pieces = [_piece(text, piece) for piece in _split(text, path)]
        segments = tuple(segment for piece in pieces for segment in piece)
        if any(segment.text == "**" for segment in segments[:-1]):
            raise ValueError(f"path template {text!r}: '**' must come last")
        variables = tuple(
            (piece[0].field, len(piece) > 1 or piece[0].text == "**") for piece in pieces if piece[0].field
        )
        if len({field for field, _ in variables}) < len(variables):
            raise ValueError(f"path template {text!r} names a variable twice")
        return cls(text, segments, verb, _compile(pieces, verb), variables)

    @property
    def fields(self) -> tuple[str, ...]:
        """The dotted paths of the fields that its variables set."""
        return tuple(field for field, _ in self._variables)

    @property
    def specificity(self) -> tuple[int, ...]:
        """Sort key: of two templates that match the same path, the more specific one comes first."""
        return (*(segment.rank for segment in self.segments), 0 if self.verb else 1)

    def match(self, raw_path: str) -> tuple[Capture, ...] | None:
        """What the variables match in a path as sent, without the query; None if the template does not match."""
        if (found := self._regex.fullmatch(raw_path)) is None:
            return None
        return tuple(
            Capture(field, raw, multi) for (field, multi), raw in zip(self._variables, found.groups(), strict=True)
        )


def _split(text: str, path: str) -> Iterator[str]:
    """The parts between slashes, ignoring slashes inside braces."""
    at = 0
    while at < len(path):
        if path[at] != "/" or (match := _PIECE.match(path, at + 1)) is None:
            raise ValueError(f"path template {text!r} is malformed at {path[at:]!r}")
        yield match.group()
        at = match.end()


def _piece(text: str, piece: str) -> tuple[Segment, ...]:
    """The segments of a literal, wildcard or variable."""
    if not piece.startswith("{"):
        return (_segment(text, piece, ""),)
    if (match := _VARIABLE.fullmatch(piece)) is None:
        raise ValueError(f"path template {text!r} has a malformed variable {piece}")
    field, pattern = match["field"], match["pattern"] or "*"
    return tuple(_segment(text, part, field) for part in pattern.split("/"))


def _segment(text: str, part: str, field: str) -> Segment:
    if not part or ("*" in part and part not in _RANK) or ":" in part:
        raise ValueError(f"path template {text!r} has a malformed segment {part!r}")
    return Segment(part, field)


def _compile(pieces: list[tuple[Segment, ...]], verb: str) -> re.Pattern[str]:
    """One group per variable. A bare ':' in the last segment always starts a verb; in a value it is sent as %3A."""
    last = pieces[-1][-1]
    out = []
    for piece in pieces:
        body = "/".join(_segment_regex(segment, segment is last) for segment in piece)
        out.append("/" + (f"({body})" if piece[0].field else body))
    return re.compile("".join(out) + (re.escape(f":{verb}") if verb else ""), re.ASCII)


def _segment_regex(segment: Segment, is_last: bool) -> str:
    if segment.text == "**":
        return "[^:]*"
    if segment.text == "*":
        return "[^/:]+" if is_last else "[^/]+"
    return re.escape(segment.text)
