"""Paging, filtering and ordering of lists: the supported subset of AIP-158, AIP-160 and AIP-132.

A filter consists of conditions joined by AND: `FIELD = VALUE`, `FIELD != VALUE`, or `FIELD:VALUE` (a list contains the
value).
"""

import base64
import binascii
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from egress_server.domain.model.errors import invalid
from egress_server.domain.model.limits import DEFAULT_PAGE_SIZE, MAX_FILTER, MAX_PAGE_SIZE

_INVALID_TOKEN = "is not valid for this list; use a next_page_token returned for the same parent, filter and order"
_CONDITION = re.compile(
    r"""\s*([A-Za-z_][A-Za-z0-9_./-]*)\s*(=|!=|:)\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s"']+)\s*"""
)
_AND = re.compile(r"AND\s")
_REVISION = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison of a filter."""

    field: str
    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class ListQuery:
    """The parsed parameters of a list request; `after` is the last key of the previous page, empty on the first
    page."""

    page_size: int
    after: str
    conditions: tuple[Condition, ...]
    descending: bool
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Page:
    """The keys of one page, and the token of the next one (empty on the last page)."""

    keys: tuple[str, ...]
    next_page_token: str


def parse_listing(
    *,
    page_size: int,
    page_token: str,
    filter_text: str,
    order_by: str,
    fields: Sequence[str],
    key_field: str = "name",
    descends: bool = False,
    parent: str = "",
) -> ListQuery:
    """Parse the parameters of a list request; raises InvalidArgument for the field of the request.

    `fields` are the filterable ones (`labels.` allows any key below it), `key_field` is the one to order by, and
    `descends` its default direction. A page token is only valid for the same `parent`.
    """
    if page_size < 0:
        raise invalid("page_size", "must not be negative")
    descending = _direction(order_by, key_field, descends)
    fingerprint = f"{parent}|{filter_text}|{descending}"
    return ListQuery(
        page_size=min(page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE),
        after=_open_token(page_token, fingerprint),
        conditions=_parse_filter(filter_text, fields),
        descending=descending,
        fingerprint=fingerprint,
    )


def page_of(keys: Sequence[str], listing: ListQuery, item: Callable[[str], Any]) -> Page:
    """The next page of `keys` (in ascending order) whose items match the filter. The cost is proportional to the
    page."""
    if listing.descending:
        end = bisect_left(keys, listing.after) if listing.after else len(keys)
        candidates = range(end - 1, -1, -1)
    else:
        candidates = range(bisect_right(keys, listing.after), len(keys))
    chosen: list[str] = []
    for index in candidates:
        if not matches(item(keys[index]), listing.conditions):
            continue
        if len(chosen) == listing.page_size:
            return Page(tuple(chosen), make_token(chosen[-1], listing))
        chosen.append(keys[index])
    return Page(tuple(chosen), "")


def revision_after(listing: ListQuery) -> int | None:
    """The last revision of the previous page, for a list whose keys are revisions; raises InvalidArgument."""
    if listing.after and not _REVISION.fullmatch(listing.after):
        raise invalid("page_token", _INVALID_TOKEN)
    return int(listing.after) if listing.after else None


def make_token(key: str, listing: ListQuery) -> str:
    """The opaque token for the page after `key`."""
    return base64.urlsafe_b64encode(f"{key}\n{_digest(listing.fingerprint)}".encode()).decode().rstrip("=")


def matches(item: Any, conditions: Sequence[Condition]) -> bool:
    """Whether an item (a dataclass or a mapping) satisfies all conditions."""
    return all(_meets(_value(item, condition.field), condition) for condition in conditions)


def _direction(order_by: str, key_field: str, descends: bool) -> bool:
    match order_by.split():
        case []:
            return descends
        case [field] | [field, "asc"] if field == key_field:
            return False
        case [field, "desc"] if field == key_field:
            return True
    raise invalid("order_by", f"must be '{key_field}' or '{key_field} desc'")


def _parse_filter(text: str, fields: Sequence[str]) -> tuple[Condition, ...]:
    if len(text) > MAX_FILTER:
        raise invalid("filter", f"must be at most {MAX_FILTER} characters")
    conditions: list[Condition] = []
    position = 0
    while position < len(text) and text[position:].strip():
        found = _CONDITION.match(text, position)
        if found is None:
            raise invalid("filter", 'must consist of conditions such as name = "x", joined by AND')
        field, operator, value = found.groups()
        if not any(field == known or (known.endswith(".") and field.startswith(known)) for known in fields):
            raise invalid("filter", f"can't filter by {field!r}; supported fields are {', '.join(fields)}")
        conditions.append(Condition(field, operator, _unquoted(value)))
        position = found.end()
        if position < len(text):
            joined = _AND.match(text, position)
            if joined is None:
                raise invalid("filter", "conditions must be joined by AND")
            position = joined.end()
            if not text[position:].strip():
                raise invalid("filter", "a condition is missing after AND")
    return tuple(conditions)


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value[0] in "\"'" else value


def _value(item: Any, path: str) -> Any:
    for step in path.split(".") if not path.startswith("labels.") else ("labels", path[7:]):
        item = item.get(step, "") if isinstance(item, Mapping) else getattr(item, step)
    return item


def _meets(value: Any, condition: Condition) -> bool:
    values = [_text(v) for v in value] if isinstance(value, tuple | list) else [_text(value)]
    return (condition.value in values) != (condition.operator == "!=")


def _text(value: Any) -> str:
    return str(value.value) if isinstance(value, Enum) else str(value)


def _digest(text: str) -> str:
    return f"{binascii.crc32(text.encode()):08x}"


def _open_token(token: str, fingerprint: str) -> str:
    if not token:
        return ""
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
        key, _, digest = text.rpartition("\n")
    except ValueError:
        key = digest = ""
    if not key or digest != _digest(fingerprint):
        raise invalid("page_token", _INVALID_TOKEN)
    return key
