"""Lint results as data. They stand apart because errors carry them as well as changes."""

from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """How bad a finding is. Only ERROR blocks."""

    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class Finding:
    """One lint result. `field` is a path below the resource in proto names; codes are permanent."""

    code: str
    severity: Severity
    field: str
    cause: str
    fix: str
    resource: str = ""
    forceable: bool = False
    related_codes: tuple[str, ...] = ()
