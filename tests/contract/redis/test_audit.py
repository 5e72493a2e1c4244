"""The audit trail: one record per revision in the same commit, and tampering is detected."""

import hashlib
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from egress_server.store.audit import trim, verify
from egress_server.store.codec import Entry, pairs
from egress_server.store.keys import Retention
from egress_server.store.upkeep import Upkeep
from tests.contract.benches import Bench
from tests.support.mutations import entry, insist, mutation, setting


async def write(bench: Bench, count: int = 6) -> None:
    """Commits `count` changes of different resources."""
    for number in range(count):
        await insist(bench.store, bench.replica, setting(f"e{number}"))


async def problems(bench: Bench) -> list[str]:
    """The problems that verification finds."""
    return [problem async for problem in verify(bench.connection, bench.mesh)]


async def seal(bench: Bench) -> None:
    """Chains all records."""
    await Upkeep(bench.connection, bench.mesh, Retention()).seal()


async def record_of(bench: Bench, revision: int) -> dict[bytes, bytes]:
    """The fields of an audit record."""
    entries: list[Entry] = await bench.connection.call("XRANGE", bench.keys.audit, f"{revision}-0", f"{revision}-0")
    return dict(pairs(entries[0][1]))


async def test_a_record_says_who_what_and_why(bench: Bench) -> None:
    """The audit record holds the change record as JSON, and digests of it and of the resource."""
    commit = mutation(bench.snapshot, entry(bench.snapshot, "bank"), reason="ticket 17")
    await bench.store.commit(commit)
    fields = await record_of(bench, 1)
    record = msgspec.json.decode(fields[b"r"])
    assert (record["actor"], record["resource"], record["reason"]) == (
        "local:tester",
        commit.resource.name,
        "ticket 17",
    )
    assert fields[b"d"].decode() == hashlib.sha256(fields[b"r"] + fields[b"c"]).hexdigest()
    assert await bench.store.digest(bench.mesh, 1) == fields[b"d"].decode()
    assert await bench.store.digest(bench.mesh, 2) is None


@pytest.mark.parametrize("sealed", [False, True])
async def test_an_honest_trail_has_no_problems(bench: Bench, sealed: bool) -> None:
    """Verification finds nothing after commits, before and after sealing, and as more is written."""
    await write(bench)
    if sealed:
        await seal(bench)
    assert await problems(bench) == []
    await write(bench)
    assert await problems(bench) == []


async def replace_record(bench: Bench, revision: int, changed: dict[bytes, bytes]) -> None:
    """Rewrites the trail with one record changed: streams can't be edited in place."""
    entries: list[Entry] = await bench.connection.call("XRANGE", bench.keys.audit, "-", "+")
    await bench.connection.call("DEL", bench.keys.audit)
    for id_, flat in entries:
        fields = dict(pairs(flat)) | (changed if id_ == b"%d-0" % revision else {})
        await bench.connection.call("XADD", bench.keys.audit, id_, *(part for pair in fields.items() for part in pair))


async def edit(bench: Bench) -> None:
    """The actor is replaced."""
    record = msgspec.json.decode((await record_of(bench, 3))[b"r"]) | {"actor": "local:somebody"}
    await replace_record(bench, 3, {b"r": msgspec.json.encode(record)})


async def edit_with_digest(bench: Bench) -> None:
    """The actor is replaced, and the digest made to fit."""
    fields = await record_of(bench, 3)
    record = msgspec.json.encode(msgspec.json.decode(fields[b"r"]) | {"actor": "local:somebody"})
    digest = hashlib.sha256(record + fields[b"c"]).hexdigest().encode()
    await replace_record(bench, 3, {b"r": record, b"d": digest})


async def backdate(bench: Bench) -> None:
    """The time is moved back."""
    await replace_record(bench, 3, {b"t": b"1"})


async def remove(bench: Bench) -> None:
    """The record is removed."""
    await bench.connection.call("XDEL", bench.keys.audit, "3-0")


async def cut_off(bench: Bench) -> None:
    """All records after revision 4 are removed."""
    await bench.connection.call("XDEL", bench.keys.audit, "5-0", "6-0")


async def cut_off_and_rewind(bench: Bench) -> None:
    """All records after revision 4 are removed, and the head is adjusted."""
    await cut_off(bench)
    await bench.connection.call("HSET", bench.keys.meta, "revision", 4)


async def behead(bench: Bench) -> None:
    """All records before revision 3 are removed."""
    await bench.connection.call("XTRIM", bench.keys.audit, "MINID", "3-0")


async def edit_resource(bench: Bench) -> None:
    """The stored state is not the recorded one."""
    history = bench.keys.history(entry(bench.snapshot, "e2").name)
    entries: list[Entry] = await bench.connection.call("XRANGE", history, "-", "+")
    forged = entries[0][1][1].replace(b"e2.example.com", b"evil.example.com")
    await bench.connection.call("DEL", history)
    await bench.connection.call("XADD", history, entries[0][0], "v", forged)


@pytest.mark.parametrize(
    ("tamper", "sentence"),
    [
        (edit, "revision 3: the record does not match its digest"),
        (edit_with_digest, "the chain up to revision 6 does not match its seal"),
        (backdate, "the chain up to revision 6 does not match its seal"),
        (remove, "revisions 3 to 3 are missing"),
        (cut_off, "the trail ends at revision 4, not at 6"),
        (cut_off_and_rewind, "the trail ends at revision 4, not at 6"),
        (behead, "revisions 1 to 2 are missing"),
        (edit_resource, "revision 3: the kept version of the resource does not match the record"),
    ],
)
async def test_tampering_shows(bench: Bench, tamper: Callable[[Bench], Awaitable[None]], sentence: str) -> None:
    """Edits, gaps and truncation each have a message of their own."""
    await write(bench)
    await seal(bench)
    await tamper(bench)
    assert sentence in await problems(bench)


async def test_old_sealed_records_can_be_forgotten(bench: Bench) -> None:
    """Trimming keeps the chain value at the cut, so that the rest can still be verified; unsealed records stay."""
    await write(bench, 4)
    await seal(bench)
    await write(bench, 2)
    cut = int((await record_of(bench, 6))[b"t"]) + 1
    assert await trim(bench.connection, bench.keys, before_ms=cut) == 4
    assert await bench.store.change(bench.mesh, 4) is None
    assert await bench.store.change(bench.mesh, 5) is not None
    assert await problems(bench) == []
    await seal(bench)
    assert await problems(bench) == []


async def test_young_records_are_kept(bench: Bench) -> None:
    """Upkeep removes nothing before its time."""
    await write(bench)
    await seal(bench)
    await Upkeep(bench.connection, bench.mesh, Retention()).forget()
    assert await bench.store.change(bench.mesh, 1) is not None


async def test_two_sealers_do_not_spoil_the_chain(bench: Bench) -> None:
    """Every process seals; the chain is correct whichever is first."""
    await write(bench)
    other = await bench.connect()
    await Upkeep(other, bench.mesh, Retention()).seal()
    await seal(bench)
    assert await problems(bench) == []
