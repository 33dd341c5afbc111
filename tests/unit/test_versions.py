"""The spelling that stands for all equal versions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_version
from packaging.version import Version as Pep440

from fsm.versions import Version

_numbers = st.integers(0, 30)
_versions = st.builds(
    lambda epoch, release, pre, post, dev: f"{epoch}{'.'.join(map(str, release))}{pre}{post}{dev}",
    st.sampled_from(["", "0!", "2!", "v"]),
    st.lists(_numbers, min_size=1, max_size=5),
    st.one_of(st.just(""), st.builds("{}{}".format, st.sampled_from(["a", "b", "rc", "-alpha.", "_c"]), _numbers)),
    st.one_of(st.just(""), st.builds(".post{}".format, _numbers)),
    st.one_of(st.just(""), st.builds(".dev{}".format, _numbers)),
)


@given(_versions)
def test_the_canonical_spelling_is_that_of_packaging(text: str):
    """`fsm.versions` spells it out because importing `packaging.utils` takes too long for `fsm status`."""
    assert Version(text).canonical == canonicalize_version(Pep440(text))


@given(_versions, _versions)
def test_equal_versions_have_one_spelling(one: str, other: str):
    """And different ones differ."""
    assert (Version(one) == Version(other)) is (Version(one).canonical == Version(other).canonical)


def test_labels_and_build_metadata():
    """A label that PEP 440 does not know is kept, build metadata is not."""
    assert Version("v3.0.0-poc.2+build7").canonical == "3-poc.2"
    assert Version("1.2.0+anything").canonical == "1.2"
