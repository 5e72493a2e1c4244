"""How an HTTP request becomes a message: body, path, query and headers."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egress_server.domain.model.errors import InvalidArgument
from egress_server.gateway.requests import HttpRequests
from egress_server.gateway.transcoder.shapes import shape_of
from egress_server.gateway.transcoder.template import Capture
from tests.unit.gateway.sample import Sample

SHAPE = shape_of(Sample.DESCRIPTOR, {})
JSON = {"content-type": "application/json"}


def read(
    body: object = None,
    *,
    query: str = "",
    path: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    rule: str = "*",
) -> Any:
    """The message of a request. A body that is not bytes is sent as JSON."""
    captures = [Capture(field, raw, multi=True) for field, raw in (path or {}).items()]
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    scope = {"query_string": query.encode()}
    return HttpRequests(Sample, SHAPE, rule).read(tuple(captures), scope, {**JSON, **(headers or {})}, raw)


def problems(*args: Any, **kwargs: Any) -> dict[str, str]:
    """The problems of a request, by field."""
    with pytest.raises(InvalidArgument) as caught:
        read(*args, **kwargs)
    assert caught.value.reason == "INVALID_FIELD"
    return {v.field: v.description for v in caught.value.violations}


GOOD: list[tuple[str, object, object]] = [
    ("text", "x", "x"),
    ("text", "", ""),
    ("flag", True, True),
    ("raw", "-_8=", b"\xfb\xff"),
    ("raw", "+/8", b"\xfb\xff"),
    ("int32", 7, 7),
    ("int32", "-7", -7),
    ("int32", 7.0, 7),
    ("int32", 1e3, 1000),
    ("int32", "1e3", 1000),
    ("int64", str(2**63 - 1), 2**63 - 1),
    ("int64", -(2**63), -(2**63)),
    ("uint32", 2**32 - 1, 2**32 - 1),
    ("uint64", str(2**64 - 1), 2**64 - 1),
    ("double", 1.5, 1.5),
    ("double", "1.5", 1.5),
    ("double", "-Infinity", float("-inf")),
    ("color", "RED", 1),
    ("color", 2, 2),
    ("color", "2", 2),
    ("color", 99, 99),
    ("tags", ["a", "b"], ["a", "b"]),
    ("tags", None, []),
    ("labels", {"a": "b"}, {"a": "b"}),
    ("byFlag", {"true": 1}, {True: 1}),
]


@pytest.mark.parametrize(("name", "value", "want"), GOOD)
def test_value(name: str, value: object, want: object) -> None:
    """Each form that the proto3 JSON mapping allows is read."""
    field = SHAPE.fields[name].name
    got = getattr(read({name: value}), field)
    assert (dict(got) if isinstance(want, dict) else list(got) if isinstance(want, list) else got) == want


BAD: list[tuple[str, object, str]] = [
    ("text", 1, "must be a string"),
    ("text", ["x"], "must be a string"),
    ("text", "\ud800", "must be valid Unicode"),
    ("flag", "true", "must be true or false"),
    ("flag", 1, "must be true or false"),
    ("raw", "a", "must be base64 text"),
    ("raw", "ä", "must be base64 text"),
    ("int32", True, "must be an integer from -2147483648 to 2147483647"),
    ("int32", 2**31, "must be an integer from"),
    ("int32", 1.5, "must be an integer from"),
    ("int32", "1_0", "must be an integer from"),
    ("int32", " 1", "must be an integer from"),
    ("int32", {}, "must be an integer from"),
    ("uint32", -1, "must be an integer from 0"),
    ("uint64", 2**64, "must be an integer from 0"),
    ("int64", "9" * 21, "must be an integer from"),
    ("int32", "1e-3", "must be an integer from"),
    ("int32", "1e999", "must be an integer from"),
    ("int32", "", "must be an integer from"),
    ("double", "x", "must be a number"),
    ("double", "1_0", "must be a number"),
    ("double", " 1", "must be a number"),
    ("double", "infinity", "must be a number"),
    ("double", "1e999", "is out of range"),
    ("double", True, "must be a number"),
    ("double", 10**400, "must be a number"),
    ("single", 1e300, "is out of range"),
    ("color", "GREEN", "must be one of RED, BLUE"),
    ("color", "1e0", "must be one of RED, BLUE"),
    ("color", True, "must be one of RED, BLUE"),
    ("color", 1.5, "must be one of RED, BLUE"),
    ("color", ["RED"], "must be one of RED, BLUE"),
    ("color", 2**31, "must be one of RED, BLUE"),
    ("waitTime", 10, "must be a duration in seconds, such as 10s or 1.5s"),
    ("waitTime", "10", "must be a duration in seconds"),
    ("waitTime", "999999999999s", "must be a duration in seconds"),
    ("waitTime", {"seconds": 1}, "must be a duration in seconds"),
    ("atTime", "yesterday", "must be an RFC 3339 time"),
    ("tags", "a", "must be a JSON array"),
    ("labels", [], "must be a JSON object"),
    ("subItem", "x", "must be a JSON object"),
    ("subItem", [], "must be a JSON object"),
]


@pytest.mark.parametrize(("name", "value", "said"), BAD)
def test_bad_value(name: str, value: object, said: str) -> None:
    """Each other form is refused with the field's proto name, and without names of Python types."""
    found = problems({name: value})
    assert list(found) == [SHAPE.fields[name].name]
    assert found[SHAPE.fields[name].name].startswith(said)


def test_numbers_beyond_double() -> None:
    """A number that does not fit into a double is refused with its field."""
    assert list(problems(b'{"int32": 1e400, "double": 1e400, "color": 1e400}')) == ["int32", "double", "color"]


def test_times() -> None:
    """A duration and a time are read from their JSON forms."""
    message = read({"waitTime": "1.5s", "atTime": "2026-01-02T03:04:05Z"})
    assert message.wait_time.ToMilliseconds() == 1500
    assert message.at_time.ToJsonString() == "2026-01-02T03:04:05Z"


def test_paths_of_problems() -> None:
    """All problems are found in one pass, each with its path in proto names."""
    found = problems(
        {
            "subItem": {"waitTime": 1, "nope": 1, "labels": {"a.b/c": 1, "d": None}},
            "sub_items": [{}, {"subItem": {"int32": "x"}}, None],
            "tags": ["a", None, 3],
            "byFlag": {"yes": 1},
            "byNumber": {"7": {"flag": 1}, "x": {}},
        }
    )
    assert list(found) == [
        "sub_item.wait_time",
        "sub_item.nope",
        'sub_item.labels["a.b/c"]',
        'sub_item.labels["d"]',
        "sub_items[1].sub_item.int32",
        "sub_items[2]",
        "tags[1]",
        "tags[2]",
        'by_flag["yes"]',
        'by_number["7"].flag',
        'by_number["x"]',
    ]


def test_both_spellings() -> None:
    """JSON names and proto names are both read; one field under both names is refused."""
    assert read({"sub_item": {"wait_time": "1s"}}) == read({"subItem": {"waitTime": "1s"}})
    assert problems({"subItem": {}, "sub_item": {}}) == {"sub_item": "is set twice"}


def test_oneof() -> None:
    """Two fields of a oneof exclude each other, wherever they are set; null counts as not set."""
    excluded = {"right": "only one of left and right may be set"}
    assert problems({"left": "a", "right": "b"}) == excluded
    assert problems({"left": "a"}, query="right=b") == excluded
    assert read({"left": "a", "right": None}).left == "a"


def test_long_unknown_name_is_cut() -> None:
    """An error does not repeat a long name chosen by the caller."""
    assert [len(field) for field in problems({"x" * 100_000: 1})] == [64]


@pytest.mark.parametrize("body", [[], "x", 1, None, True])
def test_body_must_be_an_object(body: object) -> None:
    """JSON that is not an object is rejected."""
    with pytest.raises(InvalidArgument, match="must be an object") as caught:
        read(json.dumps(body).encode())
    assert caught.value.reason == "MALFORMED_REQUEST"


def test_body_of_one_field() -> None:
    """A rule with a field as its body takes only that field's value, and the rest from the query."""
    assert read({"flag": True}, rule="sub_item", query="text=x") == Sample(text="x", sub_item=Sample(flag=True))
    assert problems({"flag": 1}, rule="sub_item") == {"sub_item.flag": "must be true or false"}


def test_unexpected_body() -> None:
    """A method without a body refuses one instead of ignoring it."""
    with pytest.raises(InvalidArgument) as caught:
        read({"flag": True}, rule="")
    assert caught.value.reason == "UNEXPECTED_BODY"


def test_query() -> None:
    """Every kind of field can be set in the query: nested, repeated, maps, enums, times."""
    message = read(
        query="text=a+b%2Bc&flag=true&int64=-5&double=1.5&color=BLUE&waitTime=2s&tags=x&tags=y"
        "&sub_item.waitTime=1s&subItem.labels[a.b/c]=d&labels[]=empty&byFlag[true]=1"
    )
    want = Sample(text="a b+c", flag=True, int64=-5, double=1.5, color=2, tags=["x", "y"], labels={"": "empty"})
    want.wait_time.seconds = 2
    want.sub_item.wait_time.seconds = 1
    want.sub_item.labels["a.b/c"] = "d"
    want.by_flag[True] = 1
    assert message == want


@pytest.mark.parametrize(
    ("query", "field", "said"),
    [
        ("nope=1", "nope", "unknown field"),
        ("subItem.nope=1", "sub_item.nope", "unknown field"),
        ("text.x=1", "text", "has no fields that can be set in the query"),
        ("subItems.text=1", "sub_items", "has no fields"),
        ("subItem=1", "sub_item", "is an object and cannot be set in the query"),
        ("labels=1", "labels", "is a map; set a single entry as NAME[KEY]"),
        ("text[a]=1", "text", "is not a map"),
        ("flag=1", "flag", "must be true or false"),
        ("flag=", "flag", "must be true or false"),
        ("int32=x", "int32", "must be an integer"),
        ("text=a&text=b", "text", "is set more than once in the query"),
        ("labels[a]=1&labels[a]=2", "labels", "is set more than once"),
        ("color=GREEN", "color", "must be one of"),
        ("byFlag[yes]=1", 'by_flag["yes"]', "the key must be true or false"),
        ("=1", "", "unknown field"),
        ("a[b]c=1", "a[b]c", "unknown field"),
    ],
)
def test_bad_query(query: str, field: str, said: str) -> None:
    """A parameter without a field is refused by name, not ignored."""
    found = problems(query=query)
    assert list(found) == [field]
    assert found[field].startswith(said)


def test_query_not_utf8() -> None:
    """A query that is not UTF-8 is refused."""
    with pytest.raises(InvalidArgument, match="query"):
        read(query="text=%ff")


def test_path() -> None:
    """Path variables are set, including nested ones, and must be UTF-8."""
    assert read(path={"text": "a/b", "sub_item.text": "c"}) == Sample(text="a/b", sub_item=Sample(text="c"))
    assert problems(path={"text": "%ff"}) == {"text": "is not valid percent-encoded UTF-8 in the path"}


@pytest.mark.parametrize(
    "twice",
    [
        {"body": {"text": "a"}, "path": {"text": "b"}},
        {"body": {"text": "a"}, "query": "text=b"},
        {"path": {"text": "a"}, "query": "text=b"},
    ],
)
def test_given_twice(twice: dict[str, Any]) -> None:
    """A field that is set in two places must have the same value in both."""
    body = twice.pop("body", None)
    assert list(problems(body, **twice)) == ["text"]


def test_given_twice_alike() -> None:
    """The same value in two places is accepted; an empty string in a body counts as not set."""
    assert read({"text": "a", "tags": ["x"]}, path={"text": "a"}, query="text=a&tags=x") == Sample(text="a", tags=["x"])
    assert read({"text": ""}, path={"text": "a"}).text == "a"
    assert read({"labels": {"a": "1"}}, query="labels[a]=1&labels[b]=2").labels == {"a": "1", "b": "2"}
    assert list(problems({"labels": {"a": "1"}}, query="labels[a]=2")) == ["labels"]


@pytest.mark.parametrize(
    "content_type", ["application/yaml", "text/yaml", "application/x-yaml; charset=UTF-8", "Application/YAML"]
)
def test_yaml(content_type: str) -> None:
    """A YAML body goes to istio_yaml byte for byte, and the other fields come from path and query."""
    text = "kind: ServiceEntry\nü: 1\r\n"
    message = read(
        text.encode(), headers={"content-type": content_type}, query="flag=true&labels[a]=b", path={"text": "x"}
    )
    assert message == Sample(istio_yaml=text, flag=True, labels={"a": "b"}, text="x")


def test_yaml_not_utf8() -> None:
    """YAML that is not UTF-8 is refused with the position."""
    assert problems(b"a: \xff", headers={"content-type": "text/yaml"}) == {"istio_yaml": "is not valid UTF-8 at byte 3"}


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
        "text/html",
        "application/json;charset=utf-16",
        "application/jsonx",
    ],
)
@pytest.mark.parametrize("body", [b"{}", b""])
def test_other_content_types(content_type: str, body: bytes) -> None:
    """Any other content type is refused, even without a body: a foreign web page can send it."""
    with pytest.raises(InvalidArgument) as caught:
        read(body, headers={"content-type": content_type})
    assert caught.value.reason == "UNSUPPORTED_MEDIA_TYPE"
    assert caught.value.metadata == {"accepted": "application/json, application/yaml"}


def test_content_type_of_nothing() -> None:
    """If a method has no body and none is sent, the content type is ignored."""
    assert read(headers={"content-type": "text/plain"}, rule="", query="text=a").text == "a"


def test_body_without_content_type() -> None:
    """A body must have a content type; a request without a body need not."""
    requests = HttpRequests(Sample, SHAPE, "*")
    assert requests.read((), {"query_string": b""}, {}, b"") == Sample()
    with pytest.raises(InvalidArgument) as caught:
        requests.read((), {"query_string": b""}, {}, b"{}")
    assert caught.value.reason == "UNSUPPORTED_MEDIA_TYPE"


def error_message(*args: Any, **kwargs: Any) -> str:
    """The message of the error; empty if the request is accepted."""
    try:
        read(*args, **kwargs)
    except InvalidArgument as error:
        return error.message
    return ""


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["RED", "1s", "7"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(sorted(SHAPE.fields)) | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON_VALUES)
def test_any_json(value: object) -> None:
    """Any JSON gives a message or an InvalidArgument; what the check accepts, the converter accepts."""
    assert "is not a valid" not in error_message(json.dumps(value).encode())


NAMES = st.sampled_from([*sorted(SHAPE.fields), "labels[a]", "by_flag[true]", "byNumber[1]", "sub_item.tags"])
TEXTS = st.sampled_from(["true", "1", "-1", "1e3", "RED", "1s", "2026-01-02T03:04:05Z", ""]) | st.text(max_size=5)


@given(st.lists(st.tuples(NAMES | st.text(max_size=5), TEXTS), max_size=4))
def test_any_query(pairs: list[tuple[str, str]]) -> None:
    """Any query gives a message or an InvalidArgument."""
    assert "is not a valid" not in error_message(query=urlencode(pairs, errors="replace"))
