"""What stream entries and flat replies look like."""

from collections.abc import Iterator, Sequence

from egress_server.domain.changes import Change
from egress_server.store.codec import decode_record, from_ms

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
