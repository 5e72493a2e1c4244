"""What every mutating request carries: idempotency, preconditions, reasons; and when two requests are the same one."""

from typing import Any

import pytest

from egress_server.domain.model.changes import ChangeType
from tests.unit.wire.decoding import decode, refused, request

MUTATIONS = {
    "SetOutboundPolicy": ChangeType.SET,
    "UpsertServiceEntry": ChangeType.SET,
    "DeleteOutboundPolicy": ChangeType.DELETE,
    "DeleteServiceEntry": ChangeType.DELETE,
}
NAMES = sorted([*MUTATIONS, "RegisterCluster"])
SETS = [name for name in NAMES if not name.startswith("Delete")]


@pytest.mark.parametrize("name", NAMES)
def test_options_reach_the_command(name: str) -> None:
    """Each by its own name, whatever the change."""
    fields = {
        "request_id": "!" + "~" * 127,
        "etag": "abc",
        "validate_only": True,
        "reason": "r" * 1024,
        "suppress_findings": ["EGR0101"] * 32,
    }
    command = decode(request(name, **fields))
    options = command.options
    for field, value in fields.items():
        assert getattr(options, field) == (tuple(value) if isinstance(value, list) else value)
    assert not options.create_only
    assert command.mesh == "default"


@pytest.mark.parametrize("name", sorted(MUTATIONS))
def test_type_of_the_change(name: str) -> None:
    """What is recorded in the history."""
    assert decode(request(name)).type is MUTATIONS[name]


@pytest.mark.parametrize("name", SETS)
def test_create_only(name: str) -> None:
    """For everything that can be set."""
    assert decode(request(name, create_only=True)).options.create_only


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("Delete")])
def test_what_is_deleted_must_exist(name: str) -> None:
    """So `create_only` is rejected."""
    assert [field for field, _ in refused(request(name, create_only=True))] == ["create_only"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("request_id", "a b", "request_id"),
        ("request_id", "ü", "request_id"),
        ("request_id", "a\n", "request_id"),
        ("request_id", "x" * 129, "request_id"),
        ("etag", "a b", "etag"),
        ("etag", "x" * 129, "etag"),
        ("reason", "r" * 1025, "reason"),
        ("reason", "ü" * 513, "reason"),
        ("suppress_findings", ["EGR0101"] * 33, "suppress_findings"),
        ("suppress_findings", ["EGR0101", "egr0101"], "suppress_findings[1]"),
        ("suppress_findings", ["*"], "suppress_findings[0]"),
    ],
)
def test_bad_options_are_refused_with_their_place(name: str, field: str, value: object, place: str) -> None:
    """Exactly one problem, the same for every mutation."""
    assert [where for where, _ in refused(request(name, **{field: value}))] == [place]


@pytest.mark.parametrize("name", NAMES)
def test_all_bad_options_are_reported_at_once(name: str) -> None:
    """Together with the problems of the resource, so that they can be fixed in one pass."""
    found = refused(request(name, request_id="ü", etag="ü", reason="r" * 2000))
    assert [where for where, _ in found] == ["request_id", "etag", "reason"]


# Fingerprints


def fingerprint(name: str, **fields: Any) -> str:
    """Digest of everything that identifies a request."""
    found: str = decode(request(name, **fields)).options.fingerprint
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_same_request_has_the_same_fingerprint(name: str) -> None:
    """The ID is not part of it, nor whether it is a dry run."""
    assert fingerprint(name) == fingerprint(name)
    assert fingerprint(name) == fingerprint(name, request_id="r", validate_only=True)
    assert len(fingerprint(name)) == 64


@pytest.mark.parametrize("name", NAMES)
def test_another_request_has_another_fingerprint(name: str) -> None:
    """Any precondition, reason or suppressed finding changes it."""
    others: list[dict[str, object]] = [{"etag": "a"}, {"reason": "a"}, {"suppress_findings": ["EGR0101"]}]
    others += [{"create_only": True}] if name in SETS else []
    found = {fingerprint(name), *(fingerprint(name, **fields) for fields in others)}
    assert len(found) == len(others) + 1


def test_what_is_set_is_in_the_fingerprint() -> None:
    """Every field of the resource."""
    base = request("UpsertServiceEntry").service_entry  # type: ignore[attr-defined]
    found = {fingerprint("UpsertServiceEntry")}
    changes: list[dict[str, object]] = [
        {"hosts": ["other.example.com"]},
        {"resolution": 0, "endpoints": []},
        {"location": 2},
        {"addresses": []},
        {"export_to": []},
        {"cluster_selector": None},
    ]
    for fields in changes:
        entry = type(base)()
        entry.CopyFrom(base)
        for field, value in fields.items():
            entry.ClearField(field)
            if value:
                entry.MergeFrom(type(base)(**{field: value}))
        found.add(fingerprint("UpsertServiceEntry", service_entry=entry))
    assert len(found) == len(changes) + 1


def test_ways_to_say_the_same_have_one_fingerprint() -> None:
    """A name in the resource or in parent and ID, defaults set or omitted, labels in any order."""
    policy = request("SetOutboundPolicy").outbound_policy  # type: ignore[attr-defined]
    policy.scope.match_labels.update({"a": "1", "b": "2"})
    other = type(policy)()
    other.CopyFrom(policy)
    other.scope.match_labels.clear()
    other.scope.match_labels.update({"b": "2", "app": "shop", "a": "1"})
    name = decode(request("SetOutboundPolicy", outbound_policy=policy)).name
    id_ = name.rpartition("/")[2]
    named = type(policy)()
    named.CopyFrom(other)
    named.name = name
    assert (
        fingerprint("SetOutboundPolicy", outbound_policy=policy)
        == fingerprint("SetOutboundPolicy", outbound_policy=other, outbound_policy_id=id_)
        == fingerprint("SetOutboundPolicy", outbound_policy=named, parent=None)
    )


def test_an_entry_given_as_yaml_or_as_fields_is_the_same_request() -> None:
    """Both transports and both forms result in one command."""
    text = """
        apiVersion: networking.istio.io/v1
        kind: ServiceEntry
        metadata: {name: bank, namespace: prod}
        spec:
          hosts: [bank.example.com]
          ports: [{number: 443, name: https, protocol: HTTPS, targetPort: 8443}]
          resolution: STATIC
          endpoints: [{address: 203.0.113.7, ports: {https: 8443}, labels: {v: "1"}, locality: eu/west, weight: 2}]
          addresses: [198.51.100.0/24]
          exportTo: [., shop]
    """
    fields = decode(request("UpsertServiceEntry"))
    yaml = decode(
        request(
            "UpsertServiceEntry",
            service_entry=None,
            service_entry_id=None,
            istio_yaml=text,
            cluster_selector={"clusters": ["east"]},
        )
    )
    assert yaml == fields
