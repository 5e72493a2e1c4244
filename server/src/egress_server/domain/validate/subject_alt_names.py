"""Validation of the names that a service's certificate must have."""

import re

from egress_server.domain.model.limits import MAX_SUBJECT_ALT_NAME, MAX_SUBJECT_ALT_NAMES
from egress_server.domain.validate.problems import Problems
from egress_server.domain.validate.values import check_count, check_unique

_SUBJECT_ALT_NAME = re.compile(rf"[!-~]{{1,{MAX_SUBJECT_ALT_NAME}}}")


def check_subject_alt_names(names: tuple[str, ...], problems: Problems) -> None:
    """DNS names, URIs or addresses, without duplicates."""
    check_count(len(names), 0, MAX_SUBJECT_ALT_NAMES, "name", problems)
    check_unique(names, problems)
    for index, name in enumerate(names[:MAX_SUBJECT_ALT_NAMES]):
        if not _SUBJECT_ALT_NAME.fullmatch(name):
            problems.at(index).add(
                f"must be a name in the service's certificate: 1 to {MAX_SUBJECT_ALT_NAME} characters without spaces"
            )
