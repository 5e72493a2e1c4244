"""Resource names: how they are built, parsed and refused."""

from collections.abc import Callable
from typing import Any

import pytest

from egress_server.domain.model.errors import InvalidArgument
from egress_server.domain.model.names import (
    Name,
    ResourceKind,
    check_id,
    expect_change,
    expect_mesh,
    expect_name,
    expect_namespace,
    parse_name,
)

_LABEL_63, _LABEL_64 = "a" * 63, "a" * 64


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("meshes/m", Name("m", ResourceKind.MESH, "m")),
        ("meshes/m/clusters/c", Name("m", ResourceKind.CLUSTER, "c")),
        ("meshes/m/outboundPolicies/p", Name("m", ResourceKind.OUTBOUND_POLICY, "p")),
        ("meshes/m/interceptions/i", Name("m", ResourceKind.INTERCEPTION, "i")),
        ("meshes/m/namespaces/n/faults/f", Name("m", ResourceKind.FAULT, "f", "n")),
        ("meshes/m/namespaces/n/serviceEntries/e", Name("m", ResourceKind.SERVICE_ENTRY, "e", "n")),
    ],
)
def test_a_name_comes_back_whole(text: str, name: Name) -> None:
    """Parsing and formatting a name returns the same name."""
    assert parse_name(text) == name
    assert str(name) == text


@pytest.mark.parametrize("text", ["", "meshes", "clusters/c", "meshes/m/clusters", "meshes/m/namespaces/n"])
def test_what_is_no_name_is_a_value_error(text: str) -> None:
    """Names from the store are trusted; anything else is a bug."""
    with pytest.raises(ValueError, match="not a resource name"):
        parse_name(text)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (ResourceKind.CLUSTER, "meshes/default/clusters/east-1"),
        (ResourceKind.OUTBOUND_POLICY, f"meshes/default/outboundPolicies/{_LABEL_63}"),
        (ResourceKind.SERVICE_ENTRY, "meshes/default/namespaces/prod/serviceEntries/www.aliyun.com"),
        (ResourceKind.FAULT, "meshes/default/namespaces/prod/faults/www.aliyun.com"),
        (ResourceKind.INTERCEPTION, "meshes/default/interceptions/vpn"),
        (ResourceKind.SERVICE_ENTRY, "meshes/0/namespaces/0/serviceEntries/0"),
        (ResourceKind.SERVICE_ENTRY, f"meshes/m/namespaces/{_LABEL_63}/serviceEntries/{_LABEL_63}.{_LABEL_63}"),
    ],
)
def test_good_names_are_taken(kind: ResourceKind, text: str) -> None:
    """Ids are labels; those of service entries and faults may contain dots, like object names."""
    assert str(expect_name("name", text, kind)) == text


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        (ResourceKind.CLUSTER, "", "must look like meshes/{mesh}/clusters/{id}"),
        (ResourceKind.CLUSTER, "meshes/m/clusters", "must look like"),
        (ResourceKind.CLUSTER, "meshes/m/clusters/", "id '' must be 1 to 63"),
        (ResourceKind.CLUSTER, "meshes/m/clusters/a.b", "id 'a.b' must be 1 to 63"),
        (ResourceKind.CLUSTER, "meshes/m/clusters/a\n", r"id 'a\\n' must be"),
        (ResourceKind.CLUSTER, "meshes/M/clusters/a", "mesh 'M' must be"),
        (ResourceKind.CLUSTER, "meshes/m/outboundPolicies/a", "must look like"),
        (ResourceKind.OUTBOUND_POLICY, f"meshes/m/outboundPolicies/{_LABEL_64}", "must be 1 to 63"),
        (ResourceKind.OUTBOUND_POLICY, "meshes/m/namespaces/n/outboundPolicies/a", "must look like"),
        (
            ResourceKind.SERVICE_ENTRY,
            "meshes/m/serviceEntries/a",
            "must look like meshes/{mesh}/namespaces/{namespace}/",
        ),
        (ResourceKind.SERVICE_ENTRY, "meshes/m/namespaces/N/serviceEntries/a", "namespace 'N' must be"),
        (ResourceKind.SERVICE_ENTRY, "meshes/m/namespaces/-/serviceEntries/a", "namespace '-' must be"),
        (ResourceKind.SERVICE_ENTRY, "meshes/m/namespaces/n/serviceEntries/a..b", "id 'a..b' must be"),
        (ResourceKind.SERVICE_ENTRY, f"meshes/m/namespaces/n/serviceEntries/{'a.' * 126}aa", "at most 253 in total"),
        (ResourceKind.SERVICE_ENTRY, "x" * 1000, r"'x{77}\.\.\.' must look like"),
    ],
)
def test_bad_names_are_refused_by_their_field(kind: ResourceKind, text: str, said: str) -> None:
    """The error names the field of the request and what the name should look like."""
    with pytest.raises(InvalidArgument, match=said) as caught:
        expect_name("the_field", text, kind)
    assert [violation.field for violation in caught.value.violations] == ["the_field"]


@pytest.mark.parametrize(
    "kind", [kind for kind in ResourceKind if kind not in {ResourceKind.SERVICE_ENTRY, ResourceKind.FAULT}]
)
def test_ids_leave_room_for_what_is_made_of_them(kind: ResourceKind) -> None:
    """An id that would make an object's name too long is refused."""
    assert check_id(kind, "id", _LABEL_63) == _LABEL_63
    with pytest.raises(InvalidArgument):
        check_id(kind, "id", "a.b")


_READERS: dict[str, Callable[..., Any]] = {
    "mesh": expect_mesh,
    "namespace": expect_namespace,
    "change": expect_change,
}


@pytest.mark.parametrize(
    ("reader", "text", "answer"),
    [
        ("mesh", "meshes/default", "default"),
        ("namespace", "meshes/default/namespaces/prod", ("default", "prod")),
        ("change", "meshes/default/changes/17", ("default", 17)),
        ("change", f"meshes/default/changes/{'9' * 18}", ("default", int("9" * 18))),
    ],
)
def test_parents_and_changes_are_read(reader: str, text: str, answer: object) -> None:
    """Parents and changes have names as well."""
    assert _READERS[reader]("parent", text) == answer


@pytest.mark.parametrize(
    ("reader", "text"),
    [
        ("mesh", ""),
        ("mesh", "default"),
        ("mesh", "meshes/"),
        ("mesh", "meshes/a/b"),
        ("namespace", "meshes/default"),
        ("namespace", "meshes/default/namespaces/-"),
        ("namespace", "meshes/default/namespaces/a/b"),
        ("change", "meshes/default/changes/"),
        ("change", "meshes/default/changes/-1"),
        ("change", "meshes/default/changes/1.0"),
        ("change", "meshes/default/changes/²"),
        ("change", f"meshes/default/changes/{'9' * 19}"),
        ("change", "meshes/X/changes/1"),
    ],
)
def test_bad_parents_and_changes_are_refused(reader: str, text: str) -> None:
    """A revision has at most 18 digits, so that no number overflows anywhere."""
    with pytest.raises(InvalidArgument) as caught:
        _READERS[reader]("parent", text)
    assert caught.value.violations[0].field == "parent"


def test_a_dash_stands_for_all_namespaces_where_allowed() -> None:
    """Lists accept `-` for all namespaces."""
    assert expect_namespace("parent", "meshes/default/namespaces/-", wildcard=True) == ("default", "-")
