"""The base of every model, and the three small values that all layers share.

Every model is frozen and strict: an unknown key, a string where a number belongs, a number that YAML made of a
version are errors. Validation of foreign data happens once, at the edge; inside, a value that exists is valid.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    StringConstraints,
    ValidationInfo,
)

from fsm.versions import Version, matches

__all__ = [
    "COMPONENT_NAME",
    "HTTP_URL",
    "MEANINGS",
    "SHA256",
    "URL_WORDS",
    "ComponentName",
    "Digest",
    "HostPath",
    "HttpUrl",
    "Model",
    "Seconds",
    "Text",
    "VariableName",
    "Version",
    "matches",
    "spelled",
]

MEANINGS: Final[dict[str, str]] = {}
"""What each pattern of a model asks for, in words: no message shows a regular expression."""


def spelled(pattern: str, words: str, max_length: int | None = None) -> StringConstraints:
    """A constraint of a text, with what messages say about it.

    Args:
        pattern: a regular expression.
        words: what it asks for, as it follows "must be", e.g. ``a time in UTC like 2027-01-31T12:00:00Z``.
        max_length: characters, at most.
    """
    MEANINGS[pattern] = words
    return StringConstraints(pattern=pattern, max_length=max_length)


COMPONENT_NAME: Final = r"^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$"
SHA256: Final = r"^sha256:[0-9a-f]{64}$"
HTTP_URL: Final = (
    r"^https?://(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
    r"(?:[/?][A-Za-z0-9._~:/?@!$&'()*+,;=%-]*)?$"
)

URL_WORDS: Final = "an http or https URL without spaces, user name, password and fragment"

ComponentName = Annotated[str, spelled(COMPONENT_NAME, "a name of 1 to 64 characters of a-z 0-9 . _ -")]
"""A component's name: lower case, 1 to 64 of ``a-z 0-9 . _ -``; it becomes part of file names."""

VariableName = Annotated[str, spelled(r"^[A-Za-z_][A-Za-z0-9_]*$", "the name of an environment variable")]
"""The name of an environment variable, as POSIX has them."""

Digest = Annotated[str, spelled(SHA256, "sha256: and 64 lower-case hexadecimal digits")]
"""``sha256:`` and 64 lower-case hexadecimal digits."""

HttpUrl = Annotated[str, spelled(HTTP_URL, URL_WORDS, 4096)]
"""An absolute http or https URL of RFC 3986 characters, without user name, password or fragment.

Narrow on purpose: what two URL parsers could read as two different hosts does not match.
"""


def _absolute(path: Path, info: ValidationInfo) -> Path:
    try:
        path = path.expanduser()
    except RuntimeError as error:
        raise ValueError("this user has no home directory, so ~ cannot be expanded; write the full path") from error
    base = info.context.get("base") if isinstance(info.context, dict) else None
    found = Path(base, path) if base is not None else path
    try:
        str(found).encode()
    except UnicodeEncodeError as error:
        # Plans and reports are JSON, which has no place for bytes that are no text.
        shown = str(found).encode("utf-8", "backslashreplace").decode()
        raise ValueError(f"{shown} is not valid UTF-8 and cannot be recorded; rename the directory") from error
    return found


HostPath = Annotated[Path, AfterValidator(_absolute)]
"""A path on the host: ``~`` is the home directory, a relative one starts at the configuration file's directory."""

Text = Annotated[
    str,
    BeforeValidator(lambda value: "" if value is None else value),
    PlainSerializer(lambda value: value or None, return_type=str | None, when_used="json"),
]
"""A text that may be absent: empty for programs, null in JSON."""

Seconds = float
"""A length of time in seconds."""


class Model(BaseModel):
    """Frozen, strict, closed: the base of every schema in this project."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", ser_json_inf_nan="constants", defer_build=True)
