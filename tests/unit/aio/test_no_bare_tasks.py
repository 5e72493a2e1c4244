"""Only `aio` starts tasks: a bare task fails silently. A TaskGroup may start tasks anywhere, since it raises what they
raise.
"""

import ast

import pytest

from tests.support.paths import ROOT

SERVER = ROOT / "server" / "src" / "egress_server"
BANNED = {"create_task", "ensure_future", "run_coroutine_threadsafe", "start_soon"}


class Finder(ast.NodeVisitor):
    """Collects calls that start a task, unless a TaskGroup does."""

    def __init__(self) -> None:
        self.found: list[int] = []
        self._groups: set[str] = set()

    def visit_AsyncWith(self, node: ast.AsyncWith) -> None:
        """`async with asyncio.TaskGroup() as NAME`."""
        for item in node.items:
            if ast.unparse(item.context_expr) == "asyncio.TaskGroup()" and isinstance(item.optional_vars, ast.Name):
                self._groups.add(item.optional_vars.id)
        self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> None:
        """`NAME: asyncio.TaskGroup`."""
        if node.annotation is not None and ast.unparse(node.annotation) == "asyncio.TaskGroup":
            self._groups.add(node.arg)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """Called or passed on."""
        if node.attr in BANNED and not (isinstance(node.value, ast.Name) and node.value.id in self._groups):
            self.found.append(node.lineno)
        self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Imported by its bare name it would not be noticed."""
        if node.module == "asyncio" and any(alias.name in {*BANNED, "*"} for alias in node.names):
            self.found.append(node.lineno)


def bare_tasks(source: str) -> list[int]:
    """The lines on which a task is started bare."""
    finder = Finder()
    finder.visit(ast.parse(source))
    return finder.found


def test_no_module_starts_a_bare_task() -> None:
    """Use aio.supervisor for long-lived tasks, aio.waiting for those of one call."""
    found = {str(path.relative_to(SERVER)): bare_tasks(path.read_text()) for path in SERVER.rglob("*.py")}
    assert {name: lines for name, lines in found.items() if lines and not name.startswith("aio/")} == {}
    assert found["aio/supervisor.py"]


@pytest.mark.parametrize(
    "source",
    [
        "asyncio.create_task(work())",
        "loop.create_task(work())",
        "asyncio.get_running_loop().create_task(work())",
        "asyncio.ensure_future(work())",
        "from asyncio import create_task",
        "timer = loop.call_later(1, asyncio.create_task)",
        "async def f():\n    async with nursery() as group:\n        group.create_task(work())",
    ],
)
def test_bare_tasks_are_found(source: str) -> None:
    """However they are written."""
    assert bare_tasks(source)


@pytest.mark.parametrize(
    "source",
    [
        "async def f():\n    async with asyncio.TaskGroup() as group:\n        group.create_task(work())",
        "def f(group: asyncio.TaskGroup):\n    group.create_task(work())",
    ],
)
def test_task_groups_are_not(source: str) -> None:
    """They raise what their tasks raise."""
    assert not bare_tasks(source)
