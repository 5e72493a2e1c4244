"""Hooks of the documentation site: adds generated pages and files from outside docs/, and completes the navigation.

Links in the sources work in a checkout. Those that leave docs/ are rewritten to where the site has the file.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from tools.reference.pages import reference_pages

ROOT = Path(__file__).resolve().parent.parent
ADDED = {"README.md": "introduction.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Pages at the root of the repository that are also in the site, and their names there."""
_LINK = re.compile(r"(?<=\]\()(?P<path>[^)#:\s]+)(?=[)#])")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds pages, and the examples that pages link to."""
    for source, page in ADDED.items():
        text = (ROOT / source).read_text()
        files.append(
            File.generated(config, page, content=_with_links(text, PurePosixPath(source), PurePosixPath(page)))
        )
    for name, text in reference_pages().items():
        files.append(File.generated(config, f"reference/{name}.md", content=text))
    for example in sorted((ROOT / "examples").iterdir()):
        files.append(File.generated(config, f"examples/{example.name}", abs_src_path=str(example)))
    config.nav = list(_expanded(config.nav or [], sorted(files.src_uris)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Rewrites the links that leave docs/."""
    uri = PurePosixPath(page.file.src_uri)
    return markdown if uri.name in ADDED.values() else _with_links(markdown, PurePosixPath("docs") / uri, uri)


def _with_links(text: str, source: PurePosixPath, page: PurePosixPath) -> str:
    """The text of a file at `source` in the repository, with its links as they are from `page` of the site."""

    def rewritten(match: re.Match[str]) -> str:
        target = PurePosixPath(os.path.normpath(source.parent / match["path"]))
        inside = ADDED.get(str(target)) or str(target).removeprefix("docs/")
        if str(target) == "docs":
            inside = "README.md"
        return os.path.relpath(inside, page.parent)

    return _LINK.sub(rewritten, text)


def _expanded(nav: list[object], uris: list[str]) -> Iterator[object]:
    """The navigation with the pages of a folder for `folder/*`, its README first."""
    for item in nav:
        match item:
            case dict():
                yield {title: _section(value, uris) for title, value in item.items()}
            case _:
                yield item


def _section(value: object, uris: list[str]) -> object:
    if not isinstance(value, list):
        return value
    pages: list[object] = []
    for item in _expanded(value, uris):
        if isinstance(item, str) and item.endswith("/*"):
            folder = item.removesuffix("*")
            found = [uri for uri in uris if uri.startswith(folder) and uri.endswith(".md")]
            found.sort(key=lambda uri: (not uri.endswith("/README.md"), uri))
            pages += found
        else:
            pages.append(item)
    return pages
