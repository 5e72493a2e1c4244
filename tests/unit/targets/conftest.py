"""The option that writes golden files anew, for `pytest tests/unit/targets --update-golden`."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --update-golden."""
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be written; pytest knows the option only when it is given this folder."""
    return bool(request.config.getoption("--update-golden", default=False))
