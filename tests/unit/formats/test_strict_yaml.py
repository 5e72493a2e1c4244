"""YAML: what is accepted, what it means, and what is refused with its position."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egress_server.formats.strict_yaml import MAX_DEPTH, MAX_LENGTH, YamlError, dump, load_mapping

FLAT = """apiVersion: networking.istio.io/v1alpha3
kind: ServiceEntry
metadata:
name: aliyun-com-ext
spec:
hosts:
- 'www.aliyun.com'
"""


def nested(depth: int) -> str:
    """A mapping with this many levels."""
    return "".join(f"{'  ' * level}a:\n" for level in range(depth))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: b", {"a": "b"}),
        ("---\na: b\n...\n", {"a": "b"}),
        ("# a comment\na: b # another\n", {"a": "b"}),
        ("a: b\r\nc:\r\n- d\r\n", {"a": "b", "c": ["d"]}),
        ("\ufeffa: b", {"a": "b"}),
        ("a:\tb", {"a": "b"}),
        ('{"a": ["b", 1]}', {"a": ["b", 1]}),
        ("a: &anchor b", {"a": "b"}),
        ("a: |\n  line\n  line\n", {"a": "line\nline\n"}),
        ("'a b': ''", {"a b": ""}),
    ],
    ids=["plain", "one document", "comments", "CRLF", "BOM", "tab", "JSON", "anchor", "block", "quotes"],
)
def test_ordinary_yaml_is_read(text: str, value: dict[str, Any]) -> None:
    """One mapping, in every notation."""
    assert load_mapping(text) == value


@pytest.mark.parametrize(
    ("plain", "value"),
    [
        *[(word, True) for word in ("true", "True", "yes", "on", "ON")],
        *[(word, False) for word in ("false", "no", "off")],
        *[(word, None) for word in ("", "~", "null")],
        ("80", 80),
        ("-1", -1),
        ("0", 0),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("010", 10.0),
        ("1" * 18, int("1" * 18)),
        ("1" * 19, float("1" * 19)),
        ("2001-01-01", "2001-01-01"),
        ("2001-01-01T00:00:00Z", "2001-01-01T00:00:00Z"),
        ("1:20", "1:20"),
        ("0x50", "0x50"),
        ("1_000", "1_000"),
        ("10.0.0.1", "10.0.0.1"),
        ("=", "="),
        ("nope", "nope"),
        ("'80'", "80"),
        ('"yes"', "yes"),
    ],
)
def test_plain_text_means_what_people_expect(plain: str, value: object) -> None:
    """No dates, and no numbers of base 8 or 60; a number in an unusual form is not an integer."""
    found = load_mapping(f"a: {plain}")["a"]
    assert found == value
    assert type(found) is type(value)


def test_keys_are_always_text() -> None:
    """Even if YAML would read them as numbers, booleans or merge keys."""
    text = "1: a\ntrue: b\nnull: c\non: d\n<<: {e: f}\n2001-01-01: g"
    assert list(load_mapping(text)) == ["1", "true", "null", "on", "<<", "2001-01-01"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must be an object"),
        ("# nothing", "must be an object"),
        ("just text", "must be an object"),
        ("[a]", "must be an object"),
        ("a: 1\na: 2", r"line 2: duplicate key 'a'"),
        ("x:\n  1: a\n  '1': b", r"line 3: duplicate key '1'"),
        ("a: {b: 1, b: 2}", r"duplicate key 'b'"),
        ("a: &x b\nc: *x", "line 2: aliases are not allowed"),
        ("a: &x [*x]", "line 1: aliases are not allowed"),
        ("a: !!str 5", "line 1: tags such as tag:yaml.org,2002:str are not allowed"),
        ("a: !!python/object/apply:os.getpid []", "tags such as tag:yaml.org,2002:python/"),
        ("a: !!binary aGk=", "tags such as"),
        ("a: !mine {}", "tags such as !mine"),
        ("a: b\n---\nc: d", "line 2: only one document is allowed; send one at a time"),
        ("a: b\n---\n", "line 2: only one document is allowed; send one at a time"),
        ("? [a]\n: b", "line 1: a key must be a plain string"),
        ("? {a: b}\n: c", "line 1: a key must be a plain string"),
        (nested(MAX_DEPTH + 1), f"nested deeper than {MAX_DEPTH}"),
        ("a: " + "[" * 1000, "nested deeper than"),
        ("a: " + "{a: " * 1000, "nested deeper than"),
        ("\ta: b", "line 1, column 1: found character"),
        ("a: b\n\tc: d", "line 2, column 1"),
        ("a: 'b", "line 1"),
        ("a: b: c", "line 1, column 5"),
        ("a: [b", "line 2, column 1: did not find"),
        ("a: @b", "line 1, column 4"),
        ("a: \x00", "control characters are not allowed"),
        ("a: \x1b[31m", "control characters are not allowed"),
        ('a: "\\ud800"', "line 1, column"),
        ("a: \ud800", "surrogates not allowed"),
        ("%YAML 1.3\n---\na: b", "line 1"),
        ("a: " + "b" * MAX_LENGTH, "at most"),
    ],
)
def test_what_is_unclear_is_refused_with_its_place(text: str, said: str) -> None:
    """The message has the problem and its position; nothing is guessed and nothing is expanded."""
    with pytest.raises(YamlError, match=said) as caught:
        load_mapping(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "text",
    [
        FLAT,
        FLAT.replace("\n", "\r\n"),
        FLAT.replace("spec:\n", "spec:\n\n  \n"),
        FLAT.replace("metadata:\nname: aliyun-com-ext\n", "metadata:\n  name: aliyun-com-ext\n"),
        FLAT.replace("spec:\nhosts", "spec: \t\nhosts"),
    ],
    ids=["as pasted", "CRLF", "blank lines", "only the spec", "blanks after the colon"],
)
def test_lost_indentation_is_told_as_such(text: str) -> None:
    """Text pasted without its indentation is the most likely mistake: the error gives the line and the fix."""
    with pytest.raises(YamlError, match=r"line \d: the indentation is missing below .(metadata|spec):.; indent"):
        load_mapping(text)


@pytest.mark.parametrize(
    "text",
    [
        "metadata:\n  name: x\nspec:\n  hosts: [a]\n",
        "metadata:\nspec:\n  a: b\n",
        "spec:\n# a comment\n  a: b\n",
        "spec:\n\n  a: b\n",
        "kind: a\nspec:\n",
        "spec: {a: b}\nmore: c\n",
        "spec:\n---\n",
    ],
)
def test_good_indentation_is_never_taken_for_lost(text: str) -> None:
    """An empty section does not count as missing indentation."""
    try:
        load_mapping(text)
    except YamlError as error:
        assert "indentation" not in str(error)  # noqa: PT017


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Only YamlError is raised."""
    try:
        load_mapping(text)
    except YamlError as error:
        assert str(error)  # noqa: PT017


_plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.text(st.characters(exclude_categories=["C"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc1~", min_size=1), inner, max_size=3),
    max_leaves=8,
)


_odd = [
    "yes",
    "~",
    "",
    "=",
    "080",
    "010",
    "1e3",
    "1.",
    "1:20",
    "0x50",
    "1_0",
    "2001-01-01",
    "- a",
    "a: b",
    "#",
    "<<",
    "1" * 20,
    *"yYnN",
    "0o7",
    "-0O7",
    "0B1",
    "+0X1f",
    "1_000",
    "1_0.5",
    "-.Inf",
    ".nan",
]


@pytest.mark.parametrize("text", _odd)
def test_text_that_looks_like_something_else_is_written_in_quotes(text: str) -> None:
    """A label such as 1e3 stays a string, as key and as value, also for Kubernetes, whose YAML knows more words."""
    assert dump([text]) in {f"- '{text}'\n", f'- "{text}"\n'}
    assert load_mapping(dump({"a": text, text: "b", "c": [text]})) == {"a": text, text: "b", "c": [text]}


@pytest.mark.parametrize("text", ["203.0.113.7", "10.0.0.0/8", "v1", "yn", "e1", "0o", "0xg", "1.2.3", "a_1"])
def test_ordinary_text_is_written_plain(text: str) -> None:
    """Quotes only where they are needed: people read these files."""
    assert dump({"a": text}) == f"a: {text}\n"


@given(st.dictionaries(st.text("abc:- '1", min_size=1), _plain, max_size=4))
def test_what_is_written_is_read_again(value: dict[str, Any]) -> None:
    """Objects that are shown can be sent back."""
    assert load_mapping(dump(value)) == value


def test_what_stands_twice_is_written_twice() -> None:
    """The output can be parsed again: no anchors, no aliases."""
    part = {"a": ["b"]}
    text = dump({"one": part, "two": part})
    assert text == "one:\n  a:\n  - b\ntwo:\n  a:\n  - b\n"
    assert load_mapping(text) == {"one": part, "two": part}
