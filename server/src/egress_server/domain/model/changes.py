"""Changes: the totally ordered, gap-free history of a mesh, and resources as of a revision."""

import base64
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Generic, TypeVar

from egress_server.domain.model.findings import Finding
from egress_server.domain.model.names import change_name
from egress_server.domain.model.resources import Resource


class ChangeType(Enum):
    """The kind of a change."""

    CREATE = "CREATE"
    SET = "SET"
    DELETE = "DELETE"
    REGISTER = "REGISTER"
    DEREGISTER = "DEREGISTER"
    EXPIRE = "EXPIRE"
    REVERT = "REVERT"
    ADOPT = "ADOPT"
    APPROVE = "APPROVE"
    ACCEPT = "ACCEPT"
    RESTART = "RESTART"
    RELEASE = "RELEASE"

    @classmethod
    def _missing_(cls, value: object) -> "ChangeType | None":
        """Records written by 0.1.0 call a revert ROLLBACK."""
        return cls.REVERT if value == "ROLLBACK" else None


class Durability(Enum):
    """How durable a write was when it was acknowledged. LOCAL: flushed to the primary's disk."""

    LOCAL = "LOCAL"


@dataclass(frozen=True, slots=True)
class ChangeRecord:
    """The part of a change that is known before the store accepts it, which is what the audit digest covers."""

    type: ChangeType
    resource: str
    actor: str
    request_id: str
    reason: str = ""
    trace_id: str = ""
    durability: Durability = Durability.LOCAL
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """An accepted mutation. Times are timezone-aware and come from the store's clock."""

    mesh: str
    revision: int
    previous_revision: int
    accept_time: datetime
    record: ChangeRecord

    @property
    def name(self) -> str:
        """meshes/{mesh}/changes/{revision}"""
        return change_name(self.mesh, self.revision)


R = TypeVar("R", bound=Resource, covariant=True)


@dataclass(frozen=True, slots=True)
class Versioned(Generic[R]):
    """A resource as of one revision. If the revision deleted it, `resource` is its last state."""

    resource: R
    revision: int
    create_time: datetime
    update_time: datetime
    deleted: bool = False


def make_etag(epoch: str, revision: int) -> str:
    """The opaque etag of a resource last changed at `revision` of the store's `epoch`."""
    return base64.urlsafe_b64encode(f"{epoch[:8]}:{revision}".encode()).decode().rstrip("=")
