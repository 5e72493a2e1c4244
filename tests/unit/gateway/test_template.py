"""Path templates: grammar, matching, decoding."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egress_server.gateway.transcoder.template import PathTemplate

LITERAL = st.text("abcXYZ019-_.~", min_size=1, max_size=8)
VALUE = st.text(min_size=1, max_size=20).filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text))


def values(template: str, path: str) -> dict[str, str] | None:
    """The decoded variables of a path; None if it does not match."""
    captures = PathTemplate.parse(template).match(path)
    return None if captures is None else {c.field: c.decode() for c in captures}


@pytest.mark.parametrize(
    ("template", "path", "want"),
    [
        ("/v1/meshes", "/v1/meshes", {}),
        ("/v1/meshes", "/v1/meshes/", None),
        ("/v1/meshes", "/v1/meshesx", None),
        ("/v1/{name=meshes/*}", "/v1/meshes/a", {"name": "meshes/a"}),
        ("/v1/{name=meshes/*}", "/v1/meshes/", None),
        ("/v1/{name=meshes/*}", "/v1/meshes/a/b", None),
        ("/v1/{name=meshes/*}:wait", "/v1/meshes/a:wait", {"name": "meshes/a"}),
        ("/v1/{name=meshes/*}", "/v1/meshes/a:wait", None),
        ("/v1/{name=meshes/*}:wait", "/v1/meshes/a", None),
        ("/v1/{name=meshes/*}", "/v1/meshes/a%3Await", {"name": "meshes/a:wait"}),
        ("/v1/{parent=meshes/*}/things:set", "/v1/meshes/a/things:set", {"parent": "meshes/a"}),
        ("/v1/{a.b}/x/{c=y/*}", "/v1/1/x/y/2", {"a.b": "1", "c": "y/2"}),
        ("/v1/{one}", "/v1/a%2Fb", {"one": "a/b"}),
        ("/v1/{name=meshes/*}", "/v1/meshes/a%2Fb%20c%2fd", {"name": "meshes/a%2Fb c%2fd"}),
        ("/v1/{rest=**}", "/v1/a/b%20c", {"rest": "a/b c"}),
        ("/v1/{rest=files/**}:read", "/v1/files/a/b:read", {"rest": "files/a/b"}),
        ("/v1/{rest=**}", "/v1/", {"rest": ""}),
        ("/v1/*/x", "/v1/anything/x", {}),
        ("/v1/a.b", "/v1/aXb", None),
    ],
)
def test_match(template: str, path: str, want: dict[str, str] | None) -> None:
    """A template matches exactly the paths that google/api/http.proto defines, and decodes by its two rules."""
    assert values(template, path) == want


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v1",
        "/",
        "/v1/",
        "/v1//x",
        "/v1/{}",
        "/v1/{a",
        "/v1/a}",
        "/v1/{a=}",
        "/v1/{a=x//y}",
        "/v1/{1a}",
        "/v1/{a=***}",
        "/v1/x*",
        "/v1/{a=**}/x",
        "/v1/{a}/{a}",
        "/v1/{a={b}}",
        "/v1/x:",
        "/v1/{a=b:c}",
    ],
)
def test_bad_template(text: str) -> None:
    """An invalid template is refused at start, with the template in the message."""
    with pytest.raises(ValueError, match="path template"):
        PathTemplate.parse(text)


@given(st.lists(LITERAL, min_size=1, max_size=5), LITERAL)
def test_literals_match_only_themselves(parts: list[str], other: str) -> None:
    """A path of literals matches itself and no other path."""
    path = "/" + "/".join(parts)
    assert values(path, path) == {}
    assert values(path, f"{path}/{other}") is None
    assert values(path, f"{path}:{other}") is None


@given(VALUE)
def test_single_segment_gives_back_any_text(value: str) -> None:
    """Whatever a client encodes into one segment arrives unchanged, including slashes and colons."""
    assert values("/v1/{id}/end", f"/v1/{quote(value, safe='')}/end") == {"id": value}
    assert values("/v1/{id}:verb", f"/v1/{quote(value, safe='')}:verb") == {"id": value}


@given(st.lists(VALUE.filter(lambda v: "/" not in v and "%2" not in v), min_size=2, max_size=2))
def test_several_segments_give_back_any_text(ids: list[str]) -> None:
    """In a variable of several segments, each segment without a slash arrives unchanged."""
    raw = "/".join(quote(value, safe="") for value in ("a", ids[0], "b", ids[1]))
    assert values("/v1/{name=a/*/b/*}", f"/v1/{raw}") == {"name": f"a/{ids[0]}/b/{ids[1]}"}


@given(st.text(max_size=40))
def test_any_path_is_answered(path: str) -> None:
    """No path makes matching fail; a match starts with the literal part."""
    found = PathTemplate.parse("/v1/{name=meshes/*/changes/*}:wait").match(path)
    assert found is None or path.startswith("/v1/meshes/")


def test_not_utf8() -> None:
    """A value that is not UTF-8 after decoding is an error, and is not replaced."""
    (capture,) = PathTemplate.parse("/v1/{id}").match("/v1/%ff") or ()
    with pytest.raises(UnicodeDecodeError):
        capture.decode()


def test_narrower_first() -> None:
    """Sorted by specificity, a literal comes before a wildcard, and that before any number of segments."""
    texts = ["/v1/{a=**}", "/v1/*", "/v1/x", "/v1/x:go"]
    assert sorted(texts, key=lambda t: PathTemplate.parse(t).specificity) == [
        "/v1/x:go",
        "/v1/x",
        "/v1/*",
        "/v1/{a=**}",
    ]
