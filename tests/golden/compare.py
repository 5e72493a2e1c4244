"""Golden files: what the code made once and people read and found right.

`pytest --update-golden` rewrites them; review the diff.
"""

from collections.abc import Mapping
from pathlib import Path


def assert_golden(folder: Path, made: Mapping[str, bytes], *, update: bool) -> None:
    """Compare the files of `folder` with those made: the same names, the same bytes."""
    if update:
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.iterdir():
            path.unlink()
        for name, content in made.items():
            (folder / name).write_bytes(content)
    wanted = {path.name: path.read_text() for path in folder.iterdir()}
    assert {name: content.decode() for name, content in made.items()} == wanted
