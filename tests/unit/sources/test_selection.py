"""Which release is chosen, and what is said about it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.errors import BlockedBy, UsageError
from fsm.host.selection import Objection, Pin, Selection, find, is_prerelease, select
from fsm.model import Version
from fsm.sources import Announced

V = Version


def releases(*tags: str) -> list[Announced]:
    """Published releases; `!` after a tag makes it a draft, `~` a marked pre-release."""
    return [
        Announced(version=V(tag.rstrip("!~")), tag=tag.rstrip("!~"), draft="!" in tag, prerelease="~" in tag)
        for tag in tags
    ]


def choose(tags: str, installed: str | None, **options: object) -> Selection:
    """`select` with the usual options."""
    quarantined = options.pop("quarantined", {})
    assert isinstance(quarantined, dict)
    keys = {"prereleases": False, "pin": None, **options}
    return select(
        releases(*tags.split()),
        installed=V(installed) if installed else None,
        against=lambda version: _failed(quarantined.get(str(version))),
        **keys,  # type: ignore[arg-type]  # the tests name options as they need them
    )


def _failed(why: str | None) -> Objection | None:
    return None if why is None else Objection(BlockedBy.QUARANTINED, why)


def chosen(found: Selection) -> str | None:
    """The tag of what was chosen."""
    return found.chosen.tag if found.chosen else None


@pytest.mark.parametrize(
    ("tags", "installed", "options", "expected", "reason"),
    [
        ("1.0 1.10 1.9", "1.0", {}, "1.10", "1.10 is newer than the installed 1.0"),
        ("2.0! 1.1", "1.0", {}, "1.1", "1.1 is newer than the installed 1.0"),
        ("2.0~ 1.1", "1.0", {}, "1.1", "1.1 is newer than the installed 1.0"),
        ("2.0rc1 1.1", "1.0", {}, "1.1", "1.1 is newer than the installed 1.0"),
        ("2.0rc9 2.0rc10", "1.0", {"prereleases": True}, "2.0rc10", "2.0rc10 is newer than the installed 1.0"),
        ("2.0~ 1.1", "1.0", {"prereleases": True}, "2.0", "2.0 is newer than the installed 1.0"),
        ("v1.2.3", "1.2.3", {}, None, "1.2.3 is the newest release"),
        ("1.2.3+7", "1.2.3+6", {}, None, "1.2.3+6 is the newest release"),
        ("1.0 1.1", None, {}, "1.1", "the installed version is unknown, 1.1 is the newest release"),
        (
            "1.0",
            "2.0rc1",
            {},
            None,
            "the installed 2.0rc1 is newer than 1.0, the newest release; an update never goes back",
        ),
        ("2.0", "2.0rc1", {}, "2.0", "2.0 is newer than the installed 2.0rc1"),
        ("", "1.0", {}, None, "the source has no published release"),
        ("1.0!", "0.9", {}, None, "the source has no published release"),
        ("1.0rc1", "0.9", {}, None, "the source has pre-releases only, and this component does not take them"),
        ("3.0.0-poc 2.0", "2.0", {"prereleases": True}, "3.0.0-poc", "3.0.0-poc is newer than the installed 2.0"),
        (
            "1.4.1 1.5 2.0",
            "1.4",
            {"pin": "~=1.4.0"},
            "1.4.1",
            "1.4.1 is newer than the installed 1.4 and allowed by the pin ~=1.4.0",
        ),
        ("1.4 1.5", "1.4", {"pin": V("1.4")}, None, "1.4 is the newest release that matches the pin 1.4"),
        (
            "1.4 1.5",
            "1.3",
            {"pin": "v1.4.0"},
            "1.4",
            "1.4 is newer than the installed 1.3 and allowed by the pin v1.4.0",
        ),
        (
            "1.4 1.5",
            "1.5",
            {"pin": "1.4"},
            None,
            "the installed 1.5 is newer than 1.4, the newest release allowed by the pin 1.4; an update never goes back",
        ),
        (
            "1.4 1.5",
            None,
            {"pin": "<1.5"},
            "1.4",
            "the installed version is unknown, 1.4 is the newest release that matches the pin <1.5",
        ),
        ("1.5", "1.4", {"pin": "<1.5"}, None, "no release matches the pin <1.5"),
        ("2.0rc1 1.9", "1.0", {"pin": "<2"}, "1.9", "1.9 is newer than the installed 1.0 and allowed by the pin <2"),
        (
            "2.0rc1 1.9",
            "1.0",
            {"pin": "2.0rc1"},
            "2.0rc1",
            "2.0rc1 is newer than the installed 1.0 and allowed by the pin 2.0rc1",
        ),
        (
            "2.0rc2 1.9",
            "1.0",
            {"pin": ">=2.0rc1"},
            "2.0rc2",
            "2.0rc2 is newer than the installed 1.0 and allowed by the pin >=2.0rc1",
        ),
        (
            "2.0 1.9",
            "1.0",
            {"quarantined": {"2.0": "it failed"}},
            "1.9",
            "1.9 is newer than the installed 1.0; skipped 2.0: it failed",
        ),
        ("2.0", "1.0", {"quarantined": {"2.0": "it failed"}}, None, "1.0 stays; skipped 2.0: it failed"),
        (
            "2.0",
            None,
            {"quarantined": {"2.0": "it failed"}},
            None,
            "the installed version is unknown, and there is no release to try; skipped 2.0: it failed",
        ),
        (
            "1.0",
            "2.0",
            {"quarantined": {"1.0": "it failed"}},
            None,
            "the installed 2.0 is newer than 1.0, the newest release; an update never goes back",
        ),
        ("2.0 1.0", "2.0", {"wanted": V("1.0.0")}, "1.0", "1.0 was requested"),
        ("2.0rc1", "1.0", {"wanted": V("2.0rc1")}, "2.0rc1", "2.0rc1 was requested"),
        ("2.0", "1.0", {"wanted": V("2.0"), "quarantined": {"2.0": "it failed"}}, "2.0", "2.0 was requested"),
        ("2.0", "2.0", {"wanted": V("2.0")}, None, "2.0 is installed already"),
        ("2.0!", "1.0", {"wanted": V("2.0")}, None, "2.0 is a draft, not published yet"),
        ("2.0", "1.0", {"wanted": V("3.0")}, None, "the source has no release 3.0"),
        ("2.0", "1.0", {"wanted": V("2.0"), "pin": "<2"}, None, "the pin <2 does not allow 2.0"),
        ("2.0", None, {"wanted": V("2.0"), "pin": ""}, "2.0", "2.0 was requested"),
    ],
)
def test_rules(tags: str, installed: str | None, options: dict[str, object], expected: str | None, reason: str):
    """Each rule of the module, with the sentence that people read."""
    found = choose(tags, installed, **options)
    assert (chosen(found), found.reason) == (expected, reason)


def test_latest_is_said_whatever_is_chosen():
    """`latest` tells what there would be without pin, quarantine and installed version."""
    assert choose("1.0 2.0 3.0rc1", "5.0").latest == releases("2.0")[0]
    assert choose("1.0 2.0", "1.0", pin="1.0").latest == releases("2.0")[0]
    assert choose("1.0 2.0", "1.0", quarantined={"2.0": "bad"}).latest == releases("2.0")[0]
    assert choose("1.0 2.0rc1", "1.0", pin="2.0rc1").latest == releases("2.0rc1")[0]
    assert choose("1.0!", None).latest is None


@pytest.mark.parametrize("pin", ["latest", "~1.4", "=> 2", "1.4 or 1.5"])
def test_a_pin_that_is_none(pin: str):
    """A pin that cannot be read is refused with how to write one."""
    with pytest.raises(UsageError, match="write it like"):
        choose("1.0", "1.0", pin=pin)


def test_pin_on_a_labelled_version():
    """A version that PEP 440 does not know is matched as a development version of its release."""
    pin = Pin.parse(">=3.0.dev0")
    assert pin is not None
    assert pin.allows(V("3.0.0-poc"))
    assert not pin.allows(V("2.9"))


def test_find():
    """A published release is found by its version, however it is written; a draft is not."""
    listed = releases("v1.0", "2.0!")
    assert find(listed, V("1.0.0")) == listed[0]
    assert find(listed, V("2.0")) is None


VERSIONS = st.builds(
    lambda numbers, rest: ".".join(map(str, numbers)) + rest,
    st.lists(st.integers(0, 3), min_size=1, max_size=3),
    st.sampled_from(["", "", "rc1", "rc10", "-poc", "+build", ".dev1", ".post1"]),
)
TAGS = st.builds(lambda prefix, version: prefix + version, st.sampled_from(["", "v"]), VERSIONS)
LISTS = st.lists(
    st.builds(
        lambda tag, draft, pre: Announced(version=V(tag), tag=tag, draft=draft, prerelease=pre),
        TAGS,
        st.booleans(),
        st.booleans(),
    ),
    max_size=8,
)
INSTALLED = st.none() | VERSIONS.map(V)
PINS = st.none() | VERSIONS.map(V) | st.sampled_from(["<2", "~=1.0", ">=1.0rc1", "!=2.0", "==1.*"])


@given(LISTS, INSTALLED, st.booleans(), PINS, st.sets(VERSIONS.map(V)), st.none() | VERSIONS.map(V), st.randoms())
def test_what_always_holds(listed, installed, prereleases, pin, bad, wanted, random):
    """Never a draft, never back unasked, never what a pin, a quarantine or the choice forbids; order is irrelevant."""

    def run(order):
        return select(
            order,
            installed=installed,
            prereleases=prereleases,
            pin=pin,
            against=lambda version: _failed("bad" if version in bad else None),
            wanted=wanted,
        )

    found = run(listed)
    shuffled = list(listed)
    random.shuffle(shuffled)
    assert run(shuffled) == found
    assert found.reason
    held = Pin.parse(pin)
    one = found.chosen
    if one is None:
        return
    assert not one.draft
    assert one in listed
    assert one.version != installed
    assert held is None or held.allows(one.version)
    if wanted is not None:
        assert one.version == wanted
        return
    assert installed is None or one.version > installed
    assert one.version not in bad
    assert prereleases or not is_prerelease(one) or (held is not None and held.names_prerelease)
    assert found.latest is not None
    assert found.latest.version >= one.version
    better = [
        other
        for other in listed
        if other.version > one.version
        and not other.draft
        and other.version not in bad
        and (held is None or held.allows(other.version))
        and (prereleases or not is_prerelease(other))
    ]
    assert better == []
