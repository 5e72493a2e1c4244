"""Lists: filters, tokens, order, and pages that add up to the whole list."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egress_server.domain.model.errors import InvalidArgument
from egress_server.domain.model.paging import (
    Condition,
    ListQuery,
    make_token,
    matches,
    page_of,
    parse_listing,
    revision_after,
)
from egress_server.domain.model.selectors import Scope
from tests.support.meshes import cluster, entry, policy

FIELDS = ("name", "hosts", "labels.", "mode", "scope.namespace")


def parse(**fields: Any) -> ListQuery:
    """A list request with FIELDS to filter by."""
    asked = {"page_size": 0, "page_token": "", "filter_text": "", "order_by": "", **fields}
    return parse_listing(**{"fields": FIELDS, **asked})


@pytest.mark.parametrize(
    ("text", "conditions"),
    [
        ("", []),
        ("  ", []),
        ('name = "x"', [("name", "=", "x")]),
        ("name=x", [("name", "=", "x")]),
        ("name != 'x'", [("name", "!=", "x")]),
        ('hosts:"www.aliyun.com"', [("hosts", ":", "www.aliyun.com")]),
        (r'name = "a\"b\\"', [("name", "=", 'a"b\\')]),
        ('name = ""', [("name", "=", "")]),
        ('name = "a AND b"', [("name", "=", "a AND b")]),
        ("labels.example.com/app = x", [("labels.example.com/app", "=", "x")]),
        ('mode = "A" AND name = "B" AND hosts:C', [("mode", "=", "A"), ("name", "=", "B"), ("hosts", ":", "C")]),
        ("  mode  =  A  \n AND\tname=B  ", [("mode", "=", "A"), ("name", "=", "B")]),
    ],
)
def test_filters_are_conditions_joined_by_and(text: str, conditions: list[tuple[str, str, str]]) -> None:
    """Values may be quoted; a backslash escapes the next character."""
    assert parse(filter_text=text).conditions == tuple(Condition(*parts) for parts in conditions)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name", "must consist of conditions"),
        ("name =", "must consist of conditions"),
        ('name = "x', "must consist of conditions"),
        ("name > 3", "must consist of conditions"),
        ("= x", "must consist of conditions"),
        ('(name = "x")', "must consist of conditions"),
        ('NOT name = "x"', "must consist of conditions"),
        ("secret = x", "can't filter by 'secret'; supported fields are name, hosts"),
        ("__class__ = x", "can't filter by"),
        ("name.x = x", "can't filter by"),
        ("name = a mode = b", "joined by AND"),
        ("name = a OR name = b", "joined by AND"),
        ("name = a and name = b", "joined by AND"),
        ("name = a AND ", "missing after AND"),
        ("name = a AND", "joined by AND"),
        ("AND name = a", "must consist of conditions"),
        ("x" * 2049, "at most 2048"),
    ],
)
def test_bad_filters_are_refused(text: str, said: str) -> None:
    """An invalid filter is refused by its field, and never interpreted as something else."""
    with pytest.raises(InvalidArgument, match=said) as caught:
        parse(filter_text=text)
    assert caught.value.violations[0].field == "filter"


@pytest.mark.parametrize(
    ("item", "text", "met"),
    [
        (policy("ALLOW_ANY"), "mode = ALLOW_ANY", True),
        (policy("ALLOW_ANY"), "mode != ALLOW_ANY", False),
        (policy("ALLOW_ANY"), "mode = allow_any", False),
        (policy("ALLOW_ANY", scope=Scope("prod")), "scope.namespace = prod", True),
        (policy("ALLOW_ANY"), 'scope.namespace = ""', True),
        (entry(hosts=("a", "b")), "hosts:b", True),
        (entry(hosts=("a", "b")), "hosts:c", False),
        (entry(hosts=("a", "b")), "hosts != b", False),
        (entry(hosts=("a", "b")), "hosts != c", True),
        (cluster(env="prod"), "labels.env = prod", True),
        (cluster(env="prod"), "labels.env:test", False),
        (cluster(), "labels.env = prod", False),
        (cluster(), 'labels.env = ""', True),
        (cluster(**{"example.com/app": "x"}), "labels.example.com/app = x", True),
        (cluster(env="prod", tier="1"), "labels.env = prod AND labels.tier = 2", False),
    ],
)
def test_conditions_look_at_the_resource(item: object, text: str, met: bool) -> None:
    """Enums compare by value, lists by their elements, and missing labels as empty."""
    assert matches(item, parse(filter_text=text).conditions) is met


@pytest.mark.parametrize(("asked", "given"), [(0, 50), (1, 1), (1000, 1000), (1001, 1000), (2**31 - 1, 1000)])
def test_page_sizes_are_bounded(asked: int, given: int) -> None:
    """0 means 50, and more than 1000 means 1000."""
    assert parse(page_size=asked).page_size == given


def test_a_negative_page_size_is_refused() -> None:
    """It is not coerced."""
    with pytest.raises(InvalidArgument, match="page_size"):
        parse(page_size=-1)


@pytest.mark.parametrize(
    ("order_by", "descends", "descending"),
    [
        ("", False, False),
        ("", True, True),
        ("name", True, False),
        ("name asc", True, False),
        (" name  desc ", False, True),
    ],
)
def test_order_is_by_the_key(order_by: str, descends: bool, descending: bool) -> None:
    """Ascending or descending by the key, with a default per list."""
    assert parse(order_by=order_by, descends=descends).descending is descending


@pytest.mark.parametrize("order_by", ["mode", "name down", "name desc desc", "name, mode", "desc", "NAME"])
def test_other_orders_are_refused(order_by: str) -> None:
    """Only the key can be ordered by."""
    with pytest.raises(InvalidArgument, match="must be 'name' or 'name desc'"):
        parse(order_by=order_by)


_TOKEN = make_token("key", parse(filter_text="name = a", parent="meshes/a"))


@pytest.mark.parametrize(
    "fields",
    [
        {"page_token": _TOKEN, "filter_text": "name = b", "parent": "meshes/a"},
        {"page_token": _TOKEN, "filter_text": "name = a", "parent": "meshes/b"},
        {"page_token": _TOKEN, "filter_text": "name = a", "parent": "meshes/a", "order_by": "name desc"},
        {"page_token": _TOKEN[:-2]},
        {"page_token": "x"},
        {"page_token": "ö"},
        {"page_token": "////"},
        {"page_token": base64.b64encode(b"\xff\xfe\n00000000").decode()},
        {"page_token": base64.b64encode(b"no digest").decode()},
        {"page_token": "\x00"},
    ],
)
def test_a_token_is_good_for_its_own_list_only(fields: dict[str, str]) -> None:
    """A token for another filter, parent or order, or an invalid one, is refused."""
    with pytest.raises(InvalidArgument, match="page_token") as caught:
        parse(**fields)
    assert caught.value.violations[0].field == "page_token"


@pytest.mark.parametrize("key", ["x", "-1", "²", "1" * 19, "9" * 5000])
def test_a_forged_revision_is_no_token(key: str) -> None:
    """A token without a revision is refused."""
    listing = parse(page_token=make_token(key, parse()))
    with pytest.raises(InvalidArgument, match="page_token"):
        revision_after(listing)


def test_a_revision_is_read_from_a_token() -> None:
    """The first page has none."""
    assert revision_after(parse()) is None
    assert revision_after(parse(page_token=make_token("17", parse()))) == 17


_keys = st.lists(st.text("abc/-.", min_size=1, max_size=4), unique=True, max_size=30).map(sorted)


@given(_keys, st.integers(1, 7), st.booleans(), st.sampled_from(["", "name = yes", "name != yes"]))
def test_pages_add_up_to_the_filtered_list(keys: list[str], size: int, down: bool, text: str) -> None:
    """Whatever the page size, filter and order, the pages together are the list, and only the last has no token."""

    def item(key: str) -> dict[str, str]:
        return {"name": "yes" if len(key) % 2 else "no"}

    found: list[str] = []
    token = ""
    while True:
        asked = {"page_size": size, "page_token": token, "filter_text": text, "order_by": "name desc" if down else ""}
        listing = parse(**asked)
        page = page_of(keys, listing, item)
        assert len(page.keys) == size or not page.next_page_token
        found += page.keys
        token = page.next_page_token
        if not token:
            break
    whole = [key for key in keys if matches(item(key), parse(filter_text=text).conditions)]
    assert found == (whole[::-1] if down else whole)


def _nothing(_: str) -> dict[str, str]:
    return {}


@given(_keys, _keys, st.integers(1, 5))
def test_a_list_that_changes_between_pages_repeats_nothing(first: list[str], then: list[str], size: int) -> None:
    """The next page starts after the last key of the previous one, even if that key has been deleted."""
    page = page_of(first, parse(page_size=size), _nothing)
    if page.next_page_token:
        rest = page_of(then, parse(page_size=1000, page_token=page.next_page_token), _nothing)
        assert rest.keys == tuple(key for key in then if key > page.keys[-1])


@given(st.text(max_size=60))
def test_any_filter_is_read_or_refused(text: str) -> None:
    """Any text gives either conditions or an error about the filter."""
    try:
        parse(filter_text=text)
    except InvalidArgument as error:
        assert error.violations[0].field == "filter"  # noqa: PT017


@given(st.text(max_size=60))
def test_any_token_is_read_or_refused(text: str) -> None:
    """Any text is either a token or an invalid one."""
    try:
        parse(page_token=text)
    except InvalidArgument as error:
        assert error.violations[0].field == "page_token"  # noqa: PT017
