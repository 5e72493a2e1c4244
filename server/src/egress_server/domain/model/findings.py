"""Lint results as data. A module of its own, because both errors and changes carry them."""

from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """How severe a finding is. Only ERROR blocks a mutation."""

    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class Finding:
    """One lint result. `field` is a path below the resource in proto names; codes are permanent. `forceable` means that
    the caller may suppress it."""

    code: str
    severity: Severity
    field: str
    cause: str
    fix: str
    resource: str = ""
    forceable: bool = False
    related_codes: tuple[str, ...] = ()
