"""No symbolic link leads the directory target out of its root, whenever it appears."""

import contextlib
import os
import threading
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from egress_server.domain.model.errors import PermanentError, TransientError
from egress_server.domain.model.objects import key_of
from egress_server.targets.directory.target import WITNESS_FILE, YamlDirectoryTarget
from tests.integration.directory.test_target import WITNESS, contents, entry

LINKED_FOLDERS = ["team", "team/c1", "team/c1/default"]
"""Where a link in place of a folder would lead an object's file to."""


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder outside the root, in which a cluster of the same name is."""
    return tmp_path / "outside"


@pytest.fixture
async def target(tmp_path: Path, outside: Path) -> YamlDirectoryTarget:
    """The cluster at `team/c1`, with one object; the same is outside."""
    for root in (outside, tmp_path / "root"):
        await YamlDirectoryTarget(root, "team/c1").apply(upsert=[entry("a")], delete=[], witness=WITNESS)
    return YamlDirectoryTarget(tmp_path / "root", "team/c1")


def link(root: Path, name: str, to: Path) -> None:
    """Moves what is at `name` away, and puts a link in its place."""
    place = root / name
    place.rename(root / "moved")
    place.symlink_to(to)


@pytest.mark.parametrize("name", LINKED_FOLDERS)
@pytest.mark.parametrize("change", ["write", "delete", "release"])
async def test_a_linked_folder_is_not_entered(
    tmp_path: Path, outside: Path, target: YamlDirectoryTarget, name: str, change: str
) -> None:
    """A link in place of any folder below the root: nothing behind it is written or deleted."""
    link(tmp_path / "root", name, outside / name)
    before = contents(outside)
    upsert = [entry("b")] if change == "write" else []
    delete = [] if change == "write" else [key_of(entry("a"))]
    if name == "team/c1/default" and not upsert:
        await target.apply(upsert=upsert, delete=delete, witness=None)
    else:
        with pytest.raises(PermanentError, match="is a symbolic link") as refused:
            await target.apply(upsert=upsert, delete=delete, witness=None if change == "release" else WITNESS)
        assert refused.value.reason == "PATH_OUTSIDE_ROOT"
    assert contents(outside) == before


@pytest.mark.parametrize("name", ["team", "team/c1"])
async def test_a_linked_cluster_is_not_read(
    tmp_path: Path, outside: Path, target: YamlDirectoryTarget, name: str
) -> None:
    """What a link leads to is not taken for the cluster's own objects."""
    link(tmp_path / "root", name, outside / name)
    with pytest.raises(PermanentError, match="is a symbolic link"):
        await target.gather()


async def test_linked_namespaces_and_files_are_not_read(
    tmp_path: Path, outside: Path, target: YamlDirectoryTarget
) -> None:
    """Linked namespaces and files are not managed."""
    cluster = tmp_path / "root/team/c1"
    (cluster / "other").symlink_to(outside / "team/c1/default")
    (cluster / "default/serviceentry-b.yaml").symlink_to(outside / "team/c1/default/serviceentry-a.yaml")
    assert len((await target.gather()).objects) == 1
    await target.apply(upsert=[], delete=[key_of(entry("a"))], witness=WITNESS)
    assert (outside / "team/c1/default/serviceentry-a.yaml").exists()


async def test_a_linked_file_is_foreign(tmp_path: Path, outside: Path, target: YamlDirectoryTarget) -> None:
    """A link at the place of an object is not replaced, nor is the file behind it."""
    place = tmp_path / "root/team/c1/default/serviceentry-b.yaml"
    place.symlink_to(outside / "new.yaml")
    with pytest.raises(PermanentError, match="is not managed"):
        await target.apply(upsert=[entry("b")], delete=[], witness=WITNESS)
    assert place.is_symlink()
    assert not (outside / "new.yaml").exists()


@pytest.mark.parametrize("draft", [f".{WITNESS_FILE}.new", "default/.serviceentry-b.yaml.new"])
async def test_a_planted_draft_is_not_followed(
    tmp_path: Path, outside: Path, target: YamlDirectoryTarget, draft: str
) -> None:
    """A link with the name of the file that is written before the rename is deleted."""
    precious = outside / "precious"
    precious.write_text("precious")
    cluster = tmp_path / "root/team/c1"
    (cluster / draft).symlink_to(precious)
    await target.apply(upsert=[entry("b")], delete=[], witness=replace(WITNESS, revision=8))
    assert precious.read_text() == "precious"
    assert (cluster / WITNESS_FILE).is_file()
    assert (cluster / "default/serviceentry-b.yaml").is_file()


async def test_a_linked_witness_is_not_read(tmp_path: Path, outside: Path, target: YamlDirectoryTarget) -> None:
    """A witness that is a link is not another cluster's witness."""
    witness = tmp_path / "root/team/c1" / WITNESS_FILE
    witness.unlink()
    witness.symlink_to(outside / "team/c1" / WITNESS_FILE)
    with pytest.raises(PermanentError, match="is a symbolic link"):
        await target.gather()


async def test_a_folder_that_changes_into_a_link_and_back(
    tmp_path: Path, outside: Path, target: YamlDirectoryTarget
) -> None:
    """However folder and link alternate during applies, no file outside the root changes."""
    cluster = tmp_path / "root/team/c1"
    before, done = contents(outside), threading.Event()

    def alternate() -> None:
        for number in count():
            if done.is_set():
                return
            away = tmp_path / f"root/team/away-{number}"
            with contextlib.suppress(OSError):  # an apply has just made the folder
                cluster.rename(away)
                cluster.symlink_to(outside / "team/c1")
                cluster.unlink()
                away.rename(cluster)

    attacker = threading.Thread(target=alternate)
    attacker.start()
    try:
        for port in range(200):
            with contextlib.suppress(PermanentError, TransientError):
                await target.apply(upsert=[entry("a", port), entry("b", port)], delete=[], witness=None)
    finally:
        done.set()
        attacker.join()
    assert contents(outside) == before


async def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    """The operator chose the root: it may be a link, as mounted volumes are."""
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "real")
    await YamlDirectoryTarget(tmp_path / "root", "c1").apply(upsert=[entry("a")], delete=[], witness=WITNESS)
    assert (tmp_path / "real/c1/default/serviceentry-a.yaml").is_file()


async def test_a_named_pipe_stops_nothing(tmp_path: Path, target: YamlDirectoryTarget) -> None:
    """A named pipe among the files is not opened for reading, which would wait for its writer."""
    os.mkfifo(tmp_path / "root/team/c1/default/serviceentry-b.yaml")
    assert len((await target.gather()).objects) == 1
    with pytest.raises(PermanentError, match="is not managed"):
        await target.apply(upsert=[entry("b")], delete=[], witness=WITNESS)
