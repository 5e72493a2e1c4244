"""Converts between the domain's dataclasses and the bytes in Redis: values, stream entries and flat replies."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgspec

from egress_server.domain.model.changes import Change, ChangeRecord, Versioned
from egress_server.domain.model.clusters import Cluster, Mesh
from egress_server.domain.model.names import ResourceKind, parse_name
from egress_server.domain.model.resources import Fault, Interception, OutboundPolicy, Resource, ServiceEntry
from egress_server.domain.model.status import ClusterStatus
from egress_server.domain.observed.inventory import Inventory
from egress_server.store.cluster_record import ClusterRecord, from_record, to_record

_encoder = msgspec.json.Encoder()
_resource_decoders: dict[ResourceKind, msgspec.json.Decoder[Any]] = {
    ResourceKind.MESH: msgspec.json.Decoder(Mesh),
    ResourceKind.CLUSTER: msgspec.json.Decoder(ClusterRecord),
    ResourceKind.OUTBOUND_POLICY: msgspec.json.Decoder(OutboundPolicy),
    ResourceKind.SERVICE_ENTRY: msgspec.json.Decoder(ServiceEntry),
    ResourceKind.FAULT: msgspec.json.Decoder(Fault),
    ResourceKind.INTERCEPTION: msgspec.json.Decoder(Interception),
}
_record_decoder = msgspec.json.Decoder(ChangeRecord)
_status_decoder = msgspec.json.Decoder(ClusterStatus)
_inventory_decoder = msgspec.json.Decoder(Inventory)


def encode(value: Resource | ChangeRecord | ClusterStatus | Inventory) -> bytes:
    """The stored form."""
    return _encoder.encode(to_record(value) if isinstance(value, Cluster) else value)


def decode_record(data: bytes) -> ChangeRecord:
    """A stored change record."""
    return _record_decoder.decode(data)


def decode_status(data: bytes) -> ClusterStatus:
    """A stored status record of a cluster."""
    return _status_decoder.decode(data)


def decode_inventory(data: bytes) -> Inventory:
    """A stored inventory. 0.1.0 called policy gaps escapes."""
    if b'"escapes":' not in data:
        return _inventory_decoder.decode(data)
    stored: dict[str, Any] = msgspec.json.decode(data)
    for fields in (stored, stored.get("left_out", {})):
        if "escapes" in fields:
            fields["policy_gaps"] = fields.pop("escapes")
    return msgspec.convert(stored, Inventory)


def decode_versioned(name: str, value: bytes) -> Versioned[Resource]:
    """The stored value of the resource called `name`."""
    create_ms, update_ms, revision, deleted, data = value.split(b" ", 4)
    decoded = _resource_decoders[parse_name(name).kind].decode(data)
    resource: Resource = from_record(decoded) if isinstance(decoded, ClusterRecord) else decoded
    return Versioned(resource, int(revision), from_ms(int(create_ms)), from_ms(int(update_ms)), deleted == b"1")


def content_of(value: bytes) -> bytes:
    """The JSON in a stored value."""
    return value.split(b" ", 4)[4]


def from_ms(milliseconds: int) -> datetime:
    """A time of the store's clock."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def content_digest(resource: bytes) -> str:
    """The digest of a resource's new state, as its audit record has it."""
    return sha256(resource).hexdigest()


def record_digest(record: bytes, content: str) -> str:
    """The digest of an audit record: it covers the actor, the change and the reason and, by `content`, the resource."""
    return sha256(record + content.encode()).hexdigest()


RESYNC_PREFIX = "resync/"
"""Prefix of a cluster's id in a status log entry that requests a resync."""

INVENTORY_PREFIX = "inventory/"
"""Prefix of a cluster's id in a status log entry that announces a newer inventory."""

Entry = tuple[bytes, list[bytes]]
"""A stream entry: id, then field, value, field, value…"""


def pairs(flat: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Pairs of field and value from a flat reply."""
    return zip(flat[::2], flat[1::2], strict=True)


def number_of(entry: Entry) -> int:
    """The revision, or count of status writes, in an entry's id."""
    return int(entry[0].partition(b"-")[0])


def change_of(mesh: str, entry: Entry) -> Change:
    """The change in an audit entry."""
    fields = dict(pairs(entry[1]))
    record = decode_record(fields[b"r"])
    return Change(mesh, number_of(entry), int(fields[b"p"]), from_ms(int(fields[b"t"])), record)
