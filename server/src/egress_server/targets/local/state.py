"""What a local cluster remembers: its objects and its witness, as one JSON file.

Why it exists: a real cluster has an API server that keeps the objects. Here a file does: it is
written after Envoy took a change, and Envoy is started from it.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from egress_server.domain.model.objects import IstioObject, ObjectKey, key_of
from egress_server.durable import replace_file
from egress_server.ports.target import Witness


@dataclass(frozen=True, slots=True)
class LocalState:
    """The objects, oldest first as Istio counts age (a replaced object keeps its own), and the
    witness of the last apply."""

    objects: dict[ObjectKey, IstioObject]
    witness: Witness | None


def load(path: Path) -> LocalState:
    """Read the state; a missing file is a new cluster.

    Raises:
        ValueError: the file is not what `save` wrote.
        OSError: it cannot be read.
    """
    if not path.exists():
        return LocalState(objects={}, witness=None)
    try:
        stored = orjson.loads(path.read_bytes())
        witness = stored["witness"]
        return LocalState(
            objects={key_of(item): item for item in stored["objects"]},
            witness=None if witness is None else Witness(**witness),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error


def save(path: Path, state: LocalState) -> None:
    """Replace the file as a whole; it survives a power failure once this returns.

    Raises:
        OSError: it cannot be written; the former file stays.
    """
    witness = None if state.witness is None else asdict(state.witness)
    content = orjson.dumps({"objects": list(state.objects.values()), "witness": witness})
    replace_file(path, content)
