"""Between the domain's dataclasses and the bytes in Redis: values, stream entries and flat replies."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgspec

from egress_server.domain.model.changes import Change, ChangeRecord, Versioned
from egress_server.domain.model.names import ResourceKind, parse_name
from egress_server.domain.model.resources import (
    Cluster,
    Fault,
    Interception,
    Mesh,
    OutboundPolicy,
    Resource,
    ServiceEntry,
)
from egress_server.domain.model.status import ClusterStatus
from egress_server.domain.observed.inventory import Inventory

_encoder = msgspec.json.Encoder()
_resource_decoders: dict[ResourceKind, msgspec.json.Decoder[Any]] = {
    ResourceKind.MESH: msgspec.json.Decoder(Mesh),
    ResourceKind.CLUSTER: msgspec.json.Decoder(Cluster),
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
    return _encoder.encode(value)


def decode_record(data: bytes) -> ChangeRecord:
    """A stored change record."""
    return _record_decoder.decode(data)


def decode_status(data: bytes) -> ClusterStatus:
    """A stored record of a cluster."""
    return _status_decoder.decode(data)


def decode_inventory(data: bytes) -> Inventory:
    """A stored record of what a cluster holds and is not managed here."""
    return _inventory_decoder.decode(data.replace(b'"escapes":', b'"policy_gaps":'))  # as 0.1.0 calls them


def decode_versioned(name: str, value: bytes) -> Versioned[Resource]:
    """The stored value of the resource called `name`."""
    create_ms, update_ms, revision, deleted, data = value.split(b" ", 4)
    resource: Resource = _resource_decoders[parse_name(name).kind].decode(data)
    return Versioned(resource, int(revision), from_ms(int(create_ms)), from_ms(int(update_ms)), deleted == b"1")


def content_of(value: bytes) -> bytes:
    """The JSON in a stored value."""
    return value.split(b" ", 4)[4]


def from_ms(milliseconds: int) -> datetime:
    """A time by the store's clock."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def content_digest(resource: bytes) -> str:
    """What the audit record says of the resource's new state."""
    return sha256(resource).hexdigest()


def record_digest(record: bytes, content: str) -> str:
    """The digest of an audit record: it covers who, what and why, and by `content` the resource itself."""
    return sha256(record + content.encode()).hexdigest()


RESYNC_PREFIX = "resync/"
"""What stands before a cluster's id, where an entry of the status log asks for a fresh look at the cluster."""

INVENTORY_PREFIX = "inventory/"
"""What stands before a cluster's id, where an entry of the status log says that there is a newer inventory of it."""

Entry = tuple[bytes, list[bytes]]
"""A stream's entry: id, then field, value, field, value…"""


def pairs(flat: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Field and value, by turns in Redis' replies."""
    return zip(flat[::2], flat[1::2], strict=True)


def number_of(entry: Entry) -> int:
    """The revision (or count of status writes) that is an entry's id."""
    return int(entry[0].partition(b"-")[0])


def change_of(mesh: str, entry: Entry) -> Change:
    """The change in an audit entry."""
    fields = dict(pairs(entry[1]))
    record = decode_record(fields[b"r"])
    return Change(mesh, number_of(entry), int(fields[b"p"]), from_ms(int(fields[b"t"])), record)
