"""Finds the prose in a file of the repository: text that people read, with its line numbers.

In Python that is comments, docstrings and other strings; in proto, Lua, shell, TOML, YAML and make files it is
comments; in Markdown everything but code. Code in backticks is blanked out, so that names in code do not count.
"""

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of prose: a comment, a string or a paragraph. Its lines are as in the file, without comment marks."""

    line: int
    text: str


def prose(path: Path, content: str) -> Iterator[Block]:
    """The prose in a file. There is none in a file of an unknown kind. Raises SyntaxError for broken Python."""
    if find := _KINDS.get(path.suffix, _NAMES.get(path.name)):
        for block in find(content):
            yield Block(block.line, _INLINE_CODE.sub(_blank, block.text))


# The whole span of code counts as one word, and line breaks inside it are kept.
_INLINE_CODE = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)", re.DOTALL)


def _blank(match: re.Match[str]) -> str:
    return "``" + "\n" * match.group().count("\n")


def _python(content: str) -> Iterator[Block]:
    comments = (
        (token.start[0], token.string.lstrip("#!: "))
        for token in tokenize.generate_tokens(io.StringIO(content).readline)
        if token.type == tokenize.COMMENT
    )
    yield from _joined(comments)
    yield from _strings(ast.parse(content))


def _strings(tree: ast.AST) -> Iterator[Block]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if " " in node.value:  # else a name
                yield _string(node, node.value)
        elif isinstance(node, ast.JoinedStr):
            yield _string(node, "".join(_literal(part) for part in node.values))
            for part in node.values:
                if isinstance(part, ast.FormattedValue):
                    yield from _strings(part)
        else:
            yield from _strings(node)


def _literal(part: ast.expr) -> str:
    """A part of an f-string. What is filled in counts as one word."""
    return str(part.value) if isinstance(part, ast.Constant) else "{}"


def _string(node: ast.Constant | ast.JoinedStr, text: str) -> Block:
    """A string whose lines are those of the file if it is written over that many, and one line otherwise."""
    spans = (node.end_lineno or node.lineno) - node.lineno
    return Block(node.lineno, text if text.count("\n") == spans else text.replace("\n", " "))


def _comments(mark: str) -> Callable[[str], Iterator[Block]]:
    """Finds comments that begin with the mark, alone on a line or after a space."""
    comment = re.compile(rf"(?:^|\s)(?:{mark})+!?\s?(.*)$")

    def find(content: str) -> Iterator[Block]:
        lines = enumerate(content.splitlines(), 1)
        yield from _joined((number, match.group(1)) for number, line in lines if (match := comment.search(line)))

    return find


def _joined(comments: Iterator[tuple[int, str]]) -> Iterator[Block]:
    """Comments on consecutive lines are one block."""
    first, lines = 0, list[str]()
    for number, text in comments:
        if number != first + len(lines):
            if lines:
                yield Block(first, "\n".join(lines))
            first, lines = number, []
        lines.append(text)
    if lines:
        yield Block(first, "\n".join(lines))


def _markdown(content: str) -> Iterator[Block]:
    """Paragraphs, list items and table rows, without fenced code and link targets."""
    fence, first, lines = "", 0, list[str]()
    for number, line in enumerate([*content.splitlines(), ""], 1):
        mark = re.match(r"\s*(`{3,}|~{3,})", line)
        in_fence = bool(fence)
        if mark and not fence:
            fence = mark.group(1)
        elif mark and mark.group(1).startswith(fence) and line.strip() == mark.group(1):
            fence = ""
        starts = not line.strip() or mark or in_fence or re.match(r"\s*([-*|#>]|\d+\.)\s?", line)
        if starts and lines:
            yield Block(first, "\n".join(lines))
            lines = []
        if line.strip() and not mark and not in_fence:
            first = first if lines else number
            lines.append(re.sub(r"\]\([^)]*\)", "]", line))


_HASH = _comments("#")
_KINDS = {
    ".py": _python,
    ".md": _markdown,
    ".proto": _comments("//"),
    ".lua": _comments("--"),
    ".sh": _HASH,
    ".toml": _HASH,
    ".yaml": _HASH,
    ".yml": _HASH,
    ".in": _HASH,
}
_NAMES = {"Makefile": _HASH, "run": _HASH, "CODEOWNERS": _HASH, ".editorconfig": _HASH, ".gitignore": _HASH}
