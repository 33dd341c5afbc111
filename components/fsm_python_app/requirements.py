"""What a release's requirement files may say: which packages, never where they come from.

A release chooses among what the host's configuration allows. So option lines that lead to another index, variables
(which would send the updater's environment to somebody), URLs of hosts that nobody named and files outside of the
release are refused, with file and line. The lines are joined and decoded as pip and uv do it; where the two differ from
each other or from this module, the file is refused.

Format: https://pip.pypa.io/en/stable/reference/requirements-file-format/
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from fsm.errors import StepFailed
from fsm.system import regular
from fsm_python_app.spec import ALL, Environment

_LARGEST: Final = 1 << 20
_MANY: Final = 100
_COMMENT: Final = re.compile(r"(^|\s+)#.*$")
_CODING: Final = re.compile(r"coding[:=]\s*([-\w.]+)", re.ASCII)
_INCLUDE: Final = re.compile(r"(?:-r|-c|--requirement|--constraint)(?:\s+|(?<=[a-z]{3})=)([^\s'\"]+)")
_HARMLESS: Final = re.compile(r"--pre|--prefer-binary|--require-hashes|--only-binary[ =]:all:")
_HASHES: Final = re.compile(r"(?:\s+--hash[ =][a-z0-9]+:[0-9a-f]+)+\s*$")
_DIRECT: Final = re.compile(r"[\w.-]+\s*(?:\[[^\]]*\]\s*)?@\s*(\S.*)", re.ASCII)
_EXTRAS: Final = re.compile(r"\[[^\]]*\]$")
_PACKED: Final = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.lz", ".tar")
_ELSEWHERE: Final = "where packages come from is for the host to say"
_ON_HOST: Final = "remove the line; the host sets environment.index_url if it has an index of its own"


class Part(NamedTuple):
    """A requirements file that may be used.

    Attributes:
        text: what it says.
        open: whether it asks for something whose content its text does not fix: a path, a URL.
    """

    text: str
    open: bool


class _Line(NamedTuple):
    """A logical line, and where it begins."""

    place: str
    text: str

    def refused(self, why: str, todo: str) -> StepFailed:
        return StepFailed(f"cannot build the environment from {self.place}", why, todo)


def parts(tree: Path, environment: Environment) -> list[Part]:
    """The requirements file of a release and those that it includes, each once.

    Raises:
        StepFailed: a line says more than a release may; which one, and what to do.
    """
    found: dict[Path, Part] = {}
    first = _Line(environment.requirements, "")
    waiting = [_inside(first, tree.resolve(), tree / environment.requirements, environment.requirements)]
    while waiting:
        path = waiting.pop(0)
        if path in found:
            continue
        name = str(path.relative_to(tree.resolve()))
        if len(found) == _MANY:
            raise first.refused(f"it includes more than {_MANY} files", "list the packages in fewer")
        text = _text(path, name)
        judge = _Judge(tree, path.parent, environment)
        asked = [judge.line(line) for line in _lines(text, name)]
        found[path] = Part(text, any(asked))
        waiting += judge.included
    return list(found.values())


def refuse_foreign(place: str, requirement: str, environment: Environment) -> None:
    """Refuse a dependency (of a wheel that a release brings) that names a URL which the host does not allow.

    Raises:
        StepFailed: it does.
    """
    line = _Line(place, requirement)
    if match := _DIRECT.fullmatch(requirement.partition(";")[0].strip()):
        _refuse_url(line, match[1], environment)


class _Judge:
    """Looks at the lines of one file."""

    def __init__(self, tree: Path, directory: Path, environment: Environment) -> None:
        self._tree, self._directory, self._environment = tree.resolve(), directory, environment
        self.included: list[Path] = []

    def line(self, line: _Line) -> bool:
        """Whether a line that may be used is open; see `Part`."""
        if "${" in line.text:
            why = "it names a variable, which would tell the release's author what this host has in it"
            raise line.refused(why, "write the value; what only this host knows belongs into its configuration")
        if "\\" in line.text:
            raise line.refused("it has a backslash", "write one requirement a line, without quoting")
        return self._option(line) if line.text.startswith("-") else self._requirement(line)

    def _option(self, line: _Line) -> bool:
        if match := _INCLUDE.fullmatch(line.text):
            self.included.append(_inside(line, self._tree, self._directory / match[1], match[1]))
        elif re.match(r"-e|--ed", line.text):
            raise line.refused(
                "it asks for an editable install, which would point into the staging directory",
                "list what the app needs instead; the app's own directory is importable as it is",
            )
        elif not _HARMLESS.fullmatch(line.text):
            # Only its name: what follows may hold a password.
            option = re.split(r"[\s=]", line.text)[0]
            raise line.refused(f"it has the option {option[:40]}, and {_ELSEWHERE}", _ON_HOST)
        return False

    def _requirement(self, line: _Line) -> bool:
        text = _HASHES.sub("", line.text)
        if re.search(r"\s-", text.partition(";")[0]):
            raise line.refused("an option stands behind the requirement", "only --hash may stand there")
        wanted = text.partition(";")[0].strip() if "://" not in text else re.split(r"\s;", text)[0].strip()
        match = _DIRECT.fullmatch(wanted)
        source = match[1] if match else wanted
        if ":" in source:
            _refuse_url(line, source, self._environment)
            return True
        if match or "/" in source or source.startswith(".") or source.lower().endswith(_PACKED):
            return self._path(line, _EXTRAS.sub("", source))
        return False

    def _path(self, line: _Line, text: str) -> bool:
        path = _inside(line, self._tree, self._tree / text, text)
        if not text.lower().endswith(".whl"):
            _refuse_source(line, self._environment)
        return path.parent != (self._tree / self._environment.wheels).resolve()


def _inside(line: _Line, tree: Path, path: Path, text: str) -> Path:
    """A file or directory that a line names, which has to lie in the release."""
    found = path.resolve()
    if not found.is_relative_to(tree) or not found.exists():
        why = f"it names {text[:80]!r}, which is not in the release"
        raise line.refused(why, "name files of the release, by relative paths")
    return found


def _refuse_url(line: _Line, url: str, environment: Environment) -> None:
    """Only from hosts that the configuration names, only encrypted, and wheels unless it allows to build."""
    scheme, _, _ = url.partition(":")
    try:
        parsed = urlsplit(url)
        host, secret = parsed.hostname or "", parsed.username is not None or parsed.password is not None
    except ValueError:
        host, secret = "", False
    if host.lower() not in {each.lower() for each in environment.url_hosts} or secret:
        todo = "put the wheel into the release, or have the host name that host in environment.url_hosts"
        raise line.refused(f"it is fetched from {host or scheme!r}, and {_ELSEWHERE}", todo)
    if scheme.lower().removeprefix("git+") != "https":
        raise line.refused(f"it is fetched by {scheme}", "use https")
    if not parsed.path.lower().endswith(".whl"):
        _refuse_source(line, environment)


def _refuse_source(line: _Line, environment: Environment) -> None:
    if ALL not in environment.build_from_source:
        raise line.refused(
            "it would be built from source, which runs programs of its author",
            f'use a wheel, or have the host set environment.build_from_source = ["{ALL}"]',
        )


def _text(path: Path, name: str) -> str:
    """What a file says, if pip, uv and this module read the same in it."""
    line = _Line(name, "")
    with regular.opened(path, follow=True) as descriptor:
        data = os.read(descriptor, _LARGEST + 1)
    if len(data) > _LARGEST:
        raise line.refused(f"it is larger than {_LARGEST >> 10} KiB", "make it smaller")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise line.refused("it is not UTF-8", "save it as UTF-8") from error
    for first in text.splitlines()[:2]:
        named = _CODING.search(first)
        if named and named[1].lower().replace("_", "-") not in {"utf-8", "utf8", "ascii"}:
            raise line.refused(f"it names the encoding {named[1][:20]}", "save it as UTF-8, without that comment")
    if "\0" in text:
        raise line.refused("it has a NUL", "save it as UTF-8")
    return text


def _lines(text: str, name: str) -> Iterator[_Line]:
    """The logical lines: a backslash at the end joins the next one, a comment never does."""
    pending, start = "", 0
    for number, physical in enumerate(text.splitlines(), 1):
        start = start if pending else number
        comment = physical.lstrip().startswith("#")
        if physical.endswith("\\") and not comment:
            pending += physical.strip("\\")
            continue
        whole = _COMMENT.sub("", pending + (" " + physical if comment else physical)).strip()
        pending = ""
        if whole:
            yield _Line(f"{name}, line {start}", whole)
    if last := _COMMENT.sub("", pending).strip():
        yield _Line(f"{name}, line {start}", last)
