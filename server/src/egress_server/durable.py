"""Files that are replaced as a whole and survive a power failure: what a cluster or a store must not forget."""

import os
from pathlib import Path


def replace_file(path: Path, content: bytes) -> None:
    """Puts `content` in the place of the file; a reader sees the old or the new one, never half of either, and once
    this returns it is on the disk. Raises OSError; the former file stays then."""
    draft = path.with_name(f".{path.name}.new")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
