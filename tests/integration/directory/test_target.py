"""The directory target on a real file system."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from egress_server.domain.model.errors import PermanentError
from egress_server.domain.model.objects import FAULT_EXPIRY_ANNOTATION, IstioObject, istio_object, key_of
from egress_server.ports.target import Live, Witness
from egress_server.targets.directory.target import YamlDirectoryTarget
from tests.support.meshes import cluster

WITNESS = Witness("epoch", 7, "digest", 1)


def entry(name: str, port: int = 80) -> IstioObject:
    """A managed ServiceEntry."""
    spec = {"hosts": [f"{name}.example"], "ports": [{"number": port, "name": "http", "protocol": "HTTP"}]}
    return istio_object(
        "ServiceEntry", "default", name, f"meshes/default/namespaces/default/serviceEntries/{name}", spec
    )


def contents(root: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


async def test_what_is_applied_is_gathered(tmp_path: Path) -> None:
    """Objects and witness are read back as they were applied."""
    target = YamlDirectoryTarget(tmp_path, "c1")
    await target.apply(upsert=[entry("a"), entry("b")], delete=[], witness=WITNESS)
    live = await target.gather()
    assert list(live.objects.values()) == [entry("a"), entry("b")]
    assert live.witness == WITNESS


async def test_one_file_for_each_object_with_stable_bytes(tmp_path: Path) -> None:
    """The same objects give the same bytes, and an unchanged file is not written again."""
    target = YamlDirectoryTarget(tmp_path, "c1")
    await target.apply(upsert=[entry("a")], delete=[], witness=WITNESS)
    before, written = contents(tmp_path), (tmp_path / "c1/default/serviceentry-a.yaml").stat().st_mtime_ns
    await target.apply(upsert=[entry("a")], delete=[], witness=WITNESS)
    assert contents(tmp_path) == before
    assert (tmp_path / "c1/default/serviceentry-a.yaml").stat().st_mtime_ns == written
    assert sorted(before) == ["c1/.egress-state.json", "c1/default/serviceentry-a.yaml"]


async def test_only_managed_files_are_deleted(tmp_path: Path) -> None:
    """Deleting removes the managed file; other files stay, even one that can't be parsed."""
    target = YamlDirectoryTarget(tmp_path, "c1")
    await target.apply(upsert=[entry("a")], delete=[], witness=WITNESS)
    foreign = tmp_path / "c1/default/kustomization.yaml"
    foreign.write_text("resources: [a.yaml]\n")
    broken = tmp_path / "c1/default/broken.yaml"
    broken.write_text("a: [")
    await target.apply(upsert=[], delete=[key_of(entry("a"))], witness=WITNESS)
    assert (await target.gather()).objects == {}
    assert foreign.exists()
    assert broken.exists()
    assert not (tmp_path / "c1/default/serviceentry-a.yaml").exists()


async def test_a_foreign_file_in_our_place_is_not_overwritten(tmp_path: Path) -> None:
    """A foreign file at the path of a managed one is an error that names it."""
    place = tmp_path / "c1/default/serviceentry-a.yaml"
    place.parent.mkdir(parents=True)
    place.write_text("kind: ServiceEntry\n")
    with pytest.raises(PermanentError, match=r"serviceentry-a\.yaml is not managed by mesh-egress"):
        await YamlDirectoryTarget(tmp_path, "c1").apply(upsert=[entry("a")], delete=[], witness=WITNESS)
    assert place.read_text() == "kind: ServiceEntry\n"


@pytest.mark.parametrize("path", ["..", "../x", ".", "a/../..", "a/../b", "a//b", "/etc"])
def test_nothing_outside_the_root(tmp_path: Path, path: str) -> None:
    """A path outside the root is rejected."""
    with pytest.raises(PermanentError, match="is not below the directory root"):
        YamlDirectoryTarget(tmp_path / "root", path)


async def test_release_deletes_the_witness(tmp_path: Path) -> None:
    """After an apply with a witness of None nothing managed is left."""
    target = YamlDirectoryTarget(tmp_path, "c1")
    await target.apply(upsert=[entry("a")], delete=[], witness=WITNESS)
    await target.apply(upsert=[], delete=[key_of(entry("a"))], witness=None)
    assert contents(tmp_path) == {}


async def test_ended_faults_are_stripped(tmp_path: Path) -> None:
    """An ended fault is removed from its file; the fallback route and the witness stay."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    service = istio_object(
        "VirtualService",
        "default",
        "egress-a",
        "x",
        {"hosts": ["a.example"], "http": [{"name": "fault-default.f"}, {"name": "fallback"}]},
    )
    end = (now - timedelta(seconds=1)).isoformat()
    service["metadata"]["annotations"][FAULT_EXPIRY_ANNOTATION] = f'{{"fault-default.f": "{end}"}}'
    target = YamlDirectoryTarget(tmp_path, "c1")
    await target.apply(upsert=[service], delete=[], witness=WITNESS)
    await target.strip_ended(now)
    live = await target.gather()
    assert [route["name"] for route in live.objects[key_of(service)]["spec"]["http"]] == ["fallback"]
    assert live.witness == WITNESS


def test_interception_is_unsupported(tmp_path: Path) -> None:
    """Interception has no Istio object; the message says where to set it."""
    policy = istio_object("Interception", "istio-system", "egress-default", "x", {})
    projection = YamlDirectoryTarget(tmp_path, "c1").project([policy], cluster(), Live({}, None))
    assert projection.objects == ()
    assert "injector" in projection.obstacles["x"].message
