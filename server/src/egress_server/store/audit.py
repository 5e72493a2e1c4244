"""The audit chain: detects audit records that were edited, removed or truncated.

Each audit record carries a digest, written in the same commit. A sealer chains the records afterwards over the gap-free
revisions: chain(r) = sha256(chain(r-1) | r | time | previous revision | digest). The chain's head and, if old records
were deleted, its base are kept in one hash. An attacker who can rewrite everything can rewrite the chain too; only a
copy of the head kept elsewhere detects that.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from egress_server.store import scripts
from egress_server.store.codec import Entry, content_digest, content_of, decode_record, number_of, pairs, record_digest
from egress_server.store.keys import MeshKeys
from egress_server.store.redis.connection import RedisConnection

_BATCH = 500
START = sha256(b"").hexdigest()
"""The chain value before revision 1."""


@dataclass(frozen=True, slots=True)
class Link:
    """The chain value at a revision."""

    revision: int
    chain: str

    def after(self, entry: Entry) -> "Link":
        """The next link, computed from one audit entry."""
        fields = dict(pairs(entry[1]))
        revision = number_of(entry)
        parts = (fields[b"t"], fields[b"p"], fields[b"d"])
        text = b" ".join((self.chain.encode(), str(revision).encode(), *parts))
        return Link(revision, sha256(text).hexdigest())


@dataclass(frozen=True, slots=True)
class Seal:
    """The two ends of the chain."""

    base: Link
    head: Link


async def read_seal(connection: RedisConnection, keys: MeshKeys) -> Seal:
    """The ends of the mesh's chain."""
    fields = ("base_revision", "base_chain", "revision", "chain")
    base, base_chain, head, head_chain = await connection.call("HMGET", keys.seal, *fields)
    return Seal(
        Link(int(base or 0), (base_chain or START.encode()).decode()),
        Link(int(head or 0), (head_chain or START.encode()).decode()),
    )


async def seal_more(connection: RedisConnection, keys: MeshKeys) -> int:
    """Chains a batch of unsealed records; returns how many. Stops at a gap, which verification reports."""
    head = (await read_seal(connection, keys)).head
    link, count = head, 0
    for entry in await _entries(connection, keys, head.revision):
        if number_of(entry) != link.revision + 1:
            break
        link, count = link.after(entry), count + 1
    if count:
        await connection.run(scripts.SEAL, (keys.seal,), head.revision, link.revision, link.chain)
    return count


async def trim(connection: RedisConnection, keys: MeshKeys, *, before_ms: int) -> int:
    """Deletes a batch of sealed records from before a time (ms since 1970); returns how many."""
    seal = await read_seal(connection, keys)
    link, count = seal.base, 0
    for entry in await _entries(connection, keys, seal.base.revision):
        accepted = int(dict(pairs(entry[1]))[b"t"])
        if accepted >= before_ms or number_of(entry) > seal.head.revision:
            break
        link, count = link.after(entry), count + 1
    if count:
        await connection.run(
            scripts.TRIM,
            (keys.seal, keys.audit),
            *(seal.base.revision, link.revision, link.chain, link.revision + 1),
        )
    return count


async def verify(connection: RedisConnection, mesh: str) -> AsyncIterator[str]:
    """The problems of the audit trail, as sentences; none if it is intact."""
    keys = MeshKeys(mesh)
    seal = await read_seal(connection, keys)
    newest = int(await connection.call("HGET", keys.meta, "revision") or 0)
    link = seal.base
    while entries := await _entries(connection, keys, link.revision):
        for entry, version in zip(entries, await _versions(connection, keys, entries), strict=True):
            revision = number_of(entry)
            if revision != link.revision + 1:
                yield f"revisions {link.revision + 1} to {revision - 1} are missing"
            for problem in _problems(entry, version):
                yield f"revision {revision}: {problem}"
            link = link.after(entry)
            if revision == seal.head.revision and link.chain != seal.head.chain:
                yield f"the chain up to revision {revision} does not match its seal"
    if link.revision < max(newest, seal.head.revision):
        yield f"the trail ends at revision {link.revision}, not at {max(newest, seal.head.revision)}"


def _problems(entry: Entry, version: bytes | None) -> list[str]:
    fields = dict(pairs(entry[1]))
    problems = []
    if record_digest(fields[b"r"], fields[b"c"].decode()).encode() != fields[b"d"]:
        problems.append("the record does not match its digest")
    if version is not None and content_digest(content_of(version)).encode() != fields[b"c"]:
        problems.append("the kept version of the resource does not match the record")
    return problems


async def _versions(connection: RedisConnection, keys: MeshKeys, entries: Sequence[Entry]) -> list[bytes | None]:
    """The resource as of each entry, None if that version is no longer kept."""
    reads = []
    for entry in entries:
        name = decode_record(dict(pairs(entry[1]))[b"r"]).resource
        reads.append(("XRANGE", keys.history(name), entry[0], entry[0]))
    replies = await connection.read_together(*reads)
    return [reply[0][1][1] if reply else None for reply in replies]


async def _entries(connection: RedisConnection, keys: MeshKeys, after: int) -> list[Entry]:
    entries: list[Entry] = await connection.call("XRANGE", keys.audit, f"{after + 1}-0", "+", "COUNT", _BATCH)
    return entries
