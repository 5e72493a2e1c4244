"""All rules: every concrete rule class in the sub-packages of lint, in the order of their codes.

A new rule is found by being there, so there is no list to keep up to date. No module imports a rule.
"""

import inspect
from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from egress_server.domain import lint
from egress_server.domain.lint.connection_rule import ConnectionRule
from egress_server.domain.lint.rule import BaseRule, Rule


def _find() -> Iterator[BaseRule]:
    for group in iter_modules(lint.__path__, f"{lint.__name__}."):
        if group.ispkg:
            for module in iter_modules(import_module(group.name).__path__, f"{group.name}."):
                for _, found in inspect.getmembers(import_module(module.name), inspect.isclass):
                    if issubclass(found, BaseRule) and found.__module__ == module.name:
                        yield found()


ALL: tuple[BaseRule, ...] = tuple(sorted(_find(), key=lambda rule: rule.code))
RULES: tuple[Rule[Any], ...] = tuple(rule for rule in ALL if isinstance(rule, Rule))
CONNECTION_RULES: tuple[ConnectionRule, ...] = tuple(rule for rule in ALL if isinstance(rule, ConnectionRule))
