"""The Lua scripts of the store. Each is atomic; its header lists keys, arguments and reply."""

from dataclasses import dataclass
from hashlib import sha1
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Script:
    """A script, and the digest that EVALSHA calls it by once it is loaded."""

    text: bytes
    sha: str


def _load(name: str) -> Script:
    text = files(__name__).joinpath(f"{name}.lua").read_bytes()
    return Script(text, sha1(text, usedforsecurity=False).hexdigest())


COMMIT = _load("commit")
PUT_STATUS = _load("put_status")
PUT_INVENTORY = _load("put_inventory")
ACQUIRE = _load("acquire")
RELEASE = _load("release")
RESYNC = _load("resync")
SEAL = _load("seal")
TRIM = _load("trim")
FORGET = _load("forget")
PUBLISH = _load("publish")
POST = _load("post")

ALL = (COMMIT, PUT_STATUS, PUT_INVENTORY, ACQUIRE, RELEASE, RESYNC, SEAL, TRIM, FORGET, PUBLISH, POST)
