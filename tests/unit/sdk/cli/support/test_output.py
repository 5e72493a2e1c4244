"""What a terminal gets to see."""

import io
import json

import pytest
import yaml
from rich.text import Text

from egress.cli.support.output import Format, console, emit, escaped, table

UNSAFE = [
    "\x00",
    "\x07",
    "\x08",
    "\r",
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\x7f",
    "\x85",
    "\x9b2J",
    "\u202e",
    "\u200b",
    "\ufeff",
]
SAFE = "a\tb [red]c[/] \u00e9 \u4e2d :smile:"


def is_safe(text: str) -> bool:
    """Whether a terminal obeys nothing in the text."""
    return escaped(text) == text


@pytest.mark.parametrize("unsafe", UNSAFE)
def test_prose_is_escaped(unsafe: str) -> None:
    """Whatever is printed as text."""
    file = io.StringIO()
    console(file).print(f"before{unsafe}after")
    assert is_safe(file.getvalue())
    assert "before\\u00" in file.getvalue() or "before\\u2" in file.getvalue() or "before\\uf" in file.getvalue()


@pytest.mark.parametrize("unsafe", UNSAFE)
def test_cells_are_escaped(unsafe: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Texts in tables."""
    table(["NAME"], [[f"a{unsafe}b"]])
    assert is_safe(capsys.readouterr().out)


@pytest.mark.parametrize("form", [Format.JSON, Format.YAML])
@pytest.mark.parametrize("unsafe", UNSAFE)
def test_formats_escape_without_loss(unsafe: str, form: Format, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON and YAML have escapes of their own, so a script reads the original text."""
    value = {"text": f"a{unsafe}b", "plain": SAFE}
    emit(value, form)
    said = capsys.readouterr().out
    assert is_safe(said)
    assert (json.loads if form is Format.JSON else yaml.safe_load)(said) == value


def test_ordinary_text_is_printed_as_it_is() -> None:
    """Also what looks like markup."""
    file = io.StringIO()
    console(file).print(SAFE)
    assert file.getvalue() == SAFE.expandtabs() + "\n"


def test_styled_text_is_not_touched() -> None:
    """Text objects are made by this program."""
    file = io.StringIO()
    console(file).print(Text("a"))
    assert file.getvalue() == "a\n"
