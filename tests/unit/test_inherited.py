"""What children see of the updater's environment."""

from __future__ import annotations

import os

import pytest

from fsm.system import inherited

NAME = "PYDANTIC_DISABLE_PLUGINS"


def test_that_plugins_are_not_looked_for_is_the_updaters_own_business(monkeypatch: pytest.MonkeyPatch):
    """A service, or a build, may well have a plugin."""
    monkeypatch.setattr(inherited, "_withheld", set())
    monkeypatch.setenv(NAME, "x")  # so that it is put back
    monkeypatch.delenv(NAME)
    inherited.no_plugins()
    assert os.environ[NAME] == "__all__"
    assert NAME not in inherited.inherited()


def test_what_the_user_says_of_plugins_is_for_children_as_well(monkeypatch: pytest.MonkeyPatch):
    """It was not said to the updater alone."""
    monkeypatch.setattr(inherited, "_withheld", set())
    monkeypatch.setenv(NAME, "logfire-plugin")
    inherited.no_plugins()
    assert inherited.inherited()[NAME] == "logfire-plugin"
