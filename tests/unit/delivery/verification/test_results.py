"""What was applied is verified from a workload, and the result is reported."""

import asyncio
from dataclasses import replace

from egress_server.domain.model.errors import Unavailable
from egress_server.domain.model.rollout import RolloutState
from egress_server.domain.model.status import Problem
from egress_server.domain.verify import UNROUTED_ADDRESS
from tests.support.meshes import entry, policy, ports
from tests.support.virtual_time import virtual_time
from tests.unit.delivery.fakes import BLOCKED, CUT, MUTE, WARMING, passed, unreachable
from tests.unit.delivery.verification.support import BANK, KNOWN, REFUSED_URL, reasons, reported, state
from tests.unit.delivery.world import World


@virtual_time
async def test_entry_under_registry_only() -> None:
    """A registered service must be reached on each of its protocols, and an unregistered host must be blocked: it is
    dialled at an address that no packet can reach."""
    world = World(policy("REGISTRY_ONLY"))
    world.agents.attach()
    async with world.driven():
        await world.verified()
        world.agents.asked.clear()
        revision = world.set(BANK)
        await world.verified()
    assert world.agents.urls == ["http://bank.example.com/", "https://bank.example.com/", REFUSED_URL]
    assert [address for _, _, _, address in world.agents.asked] == ["", "", UNROUTED_ADDRESS]
    assert state(world, BANK.name, revision) is RolloutState.VERIFIED
    assert world.status().verify_time is not None


@virtual_time
async def test_allow_any_asks_only_known_destinations() -> None:
    """Under ALLOW_ANY a negative probe dials a destination that the operator named, and no other."""
    world = World(policy("ALLOW_ANY"))
    world.agents.attach()
    async with world.driven(KNOWN):
        await world.verified()
    assert set(world.agents.urls) == {"http://www.example.com/"}
    assert state(world, policy("ALLOW_ANY").name, 3) is RolloutState.VERIFIED


@virtual_time
async def test_allow_any_without_known_destinations_stays_applied() -> None:
    """Without one there is no negative probe: the change stays APPLIED, and the status has the reason."""
    world = World(policy("ALLOW_ANY"))
    world.agents.attach()
    async with world.driven():
        await world.verified()
    assert world.agents.asked == []
    assert reasons(world.status().unverified)[policy("ALLOW_ANY").name] == "NOT_PROBED"
    assert state(world, policy("ALLOW_ANY").name, 3) is RolloutState.APPLIED


@virtual_time
async def test_deleted_entry_must_be_blocked() -> None:
    """After a deletion the host must be blocked again, which is probed without DNS."""
    world = World(policy("REGISTRY_ONLY"), BANK)
    world.agents.attach()
    async with world.driven():
        await world.verified()
        world.agents.asked.clear()
        revision = world.delete(BANK)
        await world.verified()
    asked = [(url, address) for _, _, url, address in world.agents.asked]
    assert asked[:2] == [
        ("http://bank.example.com/", UNROUTED_ADDRESS),
        ("https://bank.example.com/", UNROUTED_ADDRESS),
    ]
    assert state(world, BANK.name, revision) is RolloutState.VERIFIED


@virtual_time
async def test_disagreement() -> None:
    """A host that is blocked although it is registered: probed again for a while, then recorded with the evidence."""
    world = World(policy("REGISTRY_ONLY"))
    world.agents.attach()
    world.agents.answers["http://bank.example.com/"] = BLOCKED
    async with world.driven():
        await world.verified()
        revision = world.set(BANK)
        await world.verified()
        assert state(world, BANK.name, revision) is RolloutState.APPLIED
        await world.until(lambda: state(world, BANK.name, revision) is RolloutState.DISAGREES)
    assert world.agents.urls.count("http://bank.example.com/") == 7
    problem = (world.status().disagreements or {})[BANK.name]
    assert problem.reason == "PROBE_DISAGREES"
    assert "HEAD http://bank.example.com/ from a1 in default" in problem.message
    assert "policy expects REGISTERED, the probe observed BLOCKED" in problem.message
    assert "HTTP/1.1 502" in problem.message


@virtual_time
async def test_policy_that_does_not_hold() -> None:
    """REGISTRY_ONLY that lets an unregistered host pass is a disagreement of the policy."""
    world = World(policy("REGISTRY_ONLY"))
    world.agents.attach()
    world.agents.answers[REFUSED_URL] = passed()
    async with world.driven():
        name = policy("REGISTRY_ONLY").name
        await world.until(lambda: state(world, name, 3) is RolloutState.DISAGREES)


@virtual_time
async def test_policy_found_wanting_by_an_entry_s_round() -> None:
    """The mode is probed in every round: the result counts for the policy, not for the entry."""
    world = World(policy("REGISTRY_ONLY"))
    world.agents.attach()
    async with world.driven():
        await world.verified()
        world.agents.answers[REFUSED_URL] = passed()
        revision = world.set(BANK)
        name = policy("REGISTRY_ONLY").name
        await world.until(lambda: state(world, name, 3) is RolloutState.DISAGREES)
    assert state(world, BANK.name, revision) is RolloutState.VERIFIED


@virtual_time
async def test_slow_propagation_is_not_a_disagreement() -> None:
    """A sidecar that takes a second to update is given that time."""
    world = World(policy("REGISTRY_ONLY"))
    world.agents.attach()
    world.agents.answers["http://bank.example.com/"] = BLOCKED
    async with world.driven():
        await world.verified()
        revision = world.set(BANK)
        await asyncio.sleep(1)
        del world.agents.answers["http://bank.example.com/"]
        await world.until(lambda: state(world, BANK.name, revision) is RolloutState.VERIFIED, seconds=3)
    assert world.status().disagreements is None


@virtual_time
async def test_patience() -> None:
    """If a workload may keep the former state for longer, what it sees meanwhile is not a disagreement."""
    world = World(policy("REGISTRY_ONLY"))
    world.agents.attach()
    world.targets["east"].propagation = 20.0
    world.agents.answers["http://bank.example.com/"] = BLOCKED
    async with world.driven():
        await world.verified()
        revision = world.set(BANK)
        await asyncio.sleep(19.9)
        assert state(world, BANK.name, revision) is RolloutState.APPLIED
        await world.until(lambda: state(world, BANK.name, revision) is RolloutState.DISAGREES, seconds=4)
        asked = len(world.agents.asked)
        await asyncio.sleep(59)
        assert len(world.agents.asked) == asked


@virtual_time
async def test_a_recheck_needs_no_patience() -> None:
    """Long after the apply, a recheck that disagrees counts as soon as on any other cluster."""
    world = World(policy("REGISTRY_ONLY"), BANK)
    world.agents.attach()
    world.targets["east"].propagation = 20.0
    world.agents.answers["http://bank.example.com/"] = MUTE
    async with world.driven():
        await asyncio.sleep(40)
        world.agents.answers["http://bank.example.com/"] = BLOCKED
        await world.until(lambda: bool(world.status().unverified), seconds=1)
        asked = len(world.agents.asked)
        await world.until(lambda: len(world.agents.asked) > asked, seconds=61)
        await world.until(lambda: bool(world.status().disagreements), seconds=11)


@virtual_time
async def test_what_holds_it_up_is_named() -> None:
    """While probes don't agree yet, the target's explanation is the reason, with the last result."""
    world = World(policy("REGISTRY_ONLY"))
    world.agents.attach()
    target = world.targets["east"]
    target.propagation_delay = Problem("DEBOUNCE_OPEN", "another client writes all the time")
    world.agents.answers["http://bank.example.com/"] = BLOCKED
    async with world.driven():
        await world.verified()
        revision = world.set(BANK)
        await world.verified()
        problem = reported(world, BANK.name, revision).problem
        assert problem is not None
        assert problem.reason == "DEBOUNCE_OPEN"
        assert problem.message.startswith(
            "another client writes all the time; the last probe: HEAD http://bank.example.com/"
        )
        target.propagation_delay = None
        await world.until(lambda: reasons(world.status().unverified) == {BANK.name: "PROBE_DISAGREES"}, seconds=2)
        await world.until(lambda: state(world, BANK.name, revision) is RolloutState.DISAGREES)


@virtual_time
async def test_what_was_not_probed_is_not_held_up() -> None:
    """The target's explanation is not the reason for something that was not probed."""
    database = entry("db", ports=ports("3306:TCP"))
    world = World(policy("REGISTRY_ONLY"), database)
    world.agents.attach()
    world.targets["east"].propagation_delay = Problem("DEBOUNCE_OPEN", "another client writes all the time")
    async with world.driven():
        await world.verified()
    assert reasons(world.status().unverified) == {database.name: "NOT_PROBED"}


@virtual_time
async def test_dns_that_warms_is_named() -> None:
    """A host that the sidecar still resolves is not a disagreement, and is reported."""
    world = World(policy("REGISTRY_ONLY"))
    world.agents.attach()
    world.agents.answers["http://bank.example.com/"] = WARMING
    async with world.driven():
        await world.verified()
        revision = world.set(BANK)
        await world.verified()
        problem = reported(world, BANK.name, revision).problem
        assert problem is not None
        assert problem.reason == "DNS_WARMING"
        world.agents.answers.clear()
        await world.until(lambda: state(world, BANK.name, revision) is RolloutState.VERIFIED, seconds=3)


@virtual_time
async def test_disagreement_is_taken_back() -> None:
    """A disagreement is probed again each minute, and is cleared once the result is right."""
    world = World(policy("REGISTRY_ONLY"), BANK)
    world.agents.attach()
    world.agents.answers["http://bank.example.com/"] = BLOCKED
    async with world.driven():
        await world.until(lambda: bool(world.status().disagreements))
        world.agents.answers.clear()
        await world.until(lambda: world.status().disagreements is None, seconds=61)
    assert world.status().unverified is None


@virtual_time
async def test_destination_that_is_down() -> None:
    """A destination that is down does not contradict the policy, but it is not verified: no application reaches it."""
    world = World(BANK)
    world.agents.attach()
    world.agents.answers["http://bank.example.com/"] = unreachable("outbound|80||bank.example.com")
    async with world.driven():
        await world.verified()
    assert state(world, BANK.name, 3) is RolloutState.APPLIED
    assert reasons(world.status().unverified)[BANK.name] == "PROBE_UNREACHABLE"


@virtual_time
async def test_failed_handshake_is_a_disagreement() -> None:
    """It went to the right service, but no TLS came about: never VERIFIED."""
    world = World(BANK)
    world.agents.attach()
    sent = passed("outbound|443||bank.example.com").upstreams
    world.agents.answers["https://bank.example.com/"] = replace(CUT, upstreams=sent)
    async with world.driven():
        await asyncio.sleep(20)
    assert state(world, BANK.name, 3) is RolloutState.DISAGREES
    problem = (world.status().disagreements or {})[BANK.name]
    assert "the TLS handshake failed" in problem.message


@virtual_time
async def test_what_is_left_out_is_said() -> None:
    """A port that is not probed is named, although the entry is verified; no longer if the port is gone."""
    world = World(replace(BANK, ports=ports("80:HTTP", "3306:TCP")))
    world.agents.attach()
    async with world.driven():
        await world.verified()
        rollout = reported(world, BANK.name, 3)
        assert rollout.state is RolloutState.VERIFIED
        assert rollout.problem == Problem("PARTLY_PROBED", "not probed: ports 3306 (TCP)")
        world.set(replace(BANK, ports=ports("80:HTTP")))
        await world.verified()
        assert world.status().partly_verified is None


@virtual_time
async def test_inconclusive_stays_applied() -> None:
    """A resource that no probe could decide on stays APPLIED with the reason; the rest is verified."""
    world = World(policy("REGISTRY_ONLY"), BANK)
    world.agents.attach()
    world.agents.answers["https://bank.example.com/"] = MUTE
    async with world.driven():
        await asyncio.sleep(20)
    assert reasons(world.status().unverified) == {BANK.name: "PROBE_INCONCLUSIVE"}
    assert world.status().disagreements is None
    assert state(world, BANK.name, 4) is RolloutState.APPLIED
    assert state(world, policy("REGISTRY_ONLY").name, 3) is RolloutState.VERIFIED


@virtual_time
async def test_reason_for_what_cannot_be_probed() -> None:
    """An entry without a host or port to probe stays APPLIED with the reason."""
    database = entry("db", ports=ports("3306:TCP"))
    world = World(policy("REGISTRY_ONLY"), database)
    world.agents.attach()
    async with world.driven():
        await world.verified()
    assert reasons(world.status().unverified) == {database.name: "NOT_PROBED"}


@virtual_time
async def test_waits_for_an_agent() -> None:
    """Without an agent nothing is verified; when one attaches, everything pending is."""
    world = World(policy("REGISTRY_ONLY"), BANK)
    async with world.driven():
        await world.applied()
        await asyncio.sleep(100)
        assert world.status().verified_revision == 0
        assert reported(world, BANK.name, 4).problem == Problem(
            "NO_AGENT", "no agent is attached from the cluster, so it can't be verified"
        )
        world.agents.attach()
        await world.verified(seconds=3)
    assert state(world, BANK.name, 4) is RolloutState.VERIFIED
    assert world.status().unverified is None


@virtual_time
async def test_agent_that_is_lost() -> None:
    """An agent that detaches during verification is replaced by the next one."""
    world = World(policy("REGISTRY_ONLY"), BANK)
    world.agents.attach()
    world.agents.failures = [Unavailable("it is gone", reason="AGENT_LOST")]
    async with world.driven():
        await world.until(lambda: bool(world.agents.asked))
        world.agents.agents.clear()
        world.agents.attach("a2")
        await world.verified()
        await world.until(lambda: world.status().unverified is None)
    assert {agent for _, agent, _, _ in world.agents.asked} == {"a1", "a2"}
