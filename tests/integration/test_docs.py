"""Links in the documentation lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

from harness.processes import ROOT

CODE = re.compile(r"```.*?```", re.S)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.M)


def pages() -> list[Path]:
    return [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def prose(page: Path) -> str:
    return CODE.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """As the usual hosts of repositories make them of headings."""
    titles = (
        re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title) for title in HEADING.findall(prose(page))
    )
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_links(page: Path) -> list[str]:
    broken = []
    for link in LINK.findall(prose(page)):
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        is_there = target.exists() and (not anchor or anchor in anchors(target))
        broken += [] if is_there else [f"{page.relative_to(ROOT)}: {link}"]
    return broken


def test_every_link_has_a_target():
    assert [link for page in pages() for link in broken_links(page)] == []


def test_a_broken_link_would_be_found(tmp_path, monkeypatch):
    monkeypatch.setattr("test_docs.ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(
        "# A `title`, long\n[a](#a-title-long) [b](#b) [c](other.md) [d](https://e.f)\n"
    )
    assert broken_links(page) == ["page.md: #b", "page.md: other.md"]
