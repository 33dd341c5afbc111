"""The directory listings that web servers make: nginx, Apache, ``python -m http.server`` and their like.

Only links count, and of those only such that stay one level below the page: sort links (``?C=N``), the parent, other
folders and other hosts fall away, whatever the page looks like.
"""

from __future__ import annotations

from html.parser import HTMLParser
from itertools import islice
from typing import Final
from urllib.parse import unquote, urlsplit

from fsm.sources.urls import join, origin_of

MOST_LINKS: Final = 10_000


class Entries:
    """What a listing shows: names of folders and of files, each in the page's order, each once."""

    def __init__(self, page: bytes, url: str) -> None:
        links = _Links()
        # Not closed: for each beginning of something without an end, that would look through all that follows.
        links.feed(page.decode("utf-8", "replace"))
        found = dict.fromkeys(_below(url, link) for link in islice(links.found, MOST_LINKS))
        names = [name for name in found if name]
        self.folders = tuple(name.rstrip("/") for name in names if name.endswith("/"))
        self.files = tuple(name for name in names if not name.endswith("/"))


class _Links(HTMLParser):
    """Collects the targets of links."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def parse_html_declaration(self, i: int) -> int:
        """Part of HTMLParser: what begins with ``<!``; it fails an assertion where it does not know the section."""
        try:
            return super().parse_html_declaration(i)
        except AssertionError:
            return self.parse_bogus_comment(i)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Part of HTMLParser: a tag begins."""
        target = dict(attrs).get("href")
        if tag == "a" and target:
            self.found.append(target)


def _below(page: str, link: str) -> str | None:
    """The name that a link has in the folder of the page, with a slash at its end where it is a folder."""
    try:
        target = join(page, link)
        if origin_of(target) != origin_of(page):
            return None
    except ValueError:
        return None
    parts, folder = urlsplit(target), urlsplit(page).path.rpartition("/")[0] + "/"
    if parts.query or parts.fragment or not parts.path.startswith(folder):
        return None
    name = unquote(parts.path[len(folder) :])
    inner = name.removesuffix("/")
    return name if inner and inner not in (".", "..") and "/" not in inner else None
