"""What README and reference say in words is what the program does; the sessions are pasted by `test_session.py`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from examples.adapter.data_file import DataFile, DataFileSpec
from fsm.adapter import Registry
from fsm.engine.executor.control import DEADLINES
from fsm.model import Model
from tools import describe_models, generate_docs

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def test_the_readme_is_short():
    """What it is, why, how to try it, one session; everything else has a page of its own."""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 700


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_to_a_file_leads_somewhere(page: Path):
    """Also on the pages that the documentation tool does not see."""
    links = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_reference_has_the_built_in_deadlines():
    """They stand in prose, because they are not the model's default."""
    page = (ROOT / "docs" / "reference" / "configuration.md").read_text(encoding="utf-8")
    for state, seconds in DEADLINES.items():
        assert f"{state} = {seconds}" in page


def test_every_table_of_keys_is_on_the_page():
    """A new model needs its place in the reference."""
    pages = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "reference").glob("*.md"))
    for name in [*describe_models.TABLES, "config-checks"]:
        assert f"<!-- generated: {name} -->" in pages


def test_the_tables_of_a_component_type_are_found_by_its_entry_point():
    """Also those inside of its own; who adds a type edits no list."""
    assert describe_models.of_types(Registry.of(DataFile())) == {"config-data_file": DataFileSpec}
    assert {"config-git", "config-git-Build", "config-python_app-VersionFrom"} <= set(describe_models.TABLES)


def test_the_generated_parts_are_those_of_the_code():
    """`make generate` was run after the last change."""
    assert generate_docs.main(["--check"]) == 0


def test_a_key_without_a_meaning_is_an_error():
    """The docstring is the documentation, so it cannot be forgotten."""

    class Bare(Model):
        """Nothing about its key."""

        key: str

    with pytest.raises(ValueError, match="Bare: the docstring says nothing about key"):
        describe_models.table(Bare)


def test_a_form_without_words_is_an_error():
    """Better no page than one that shows Python to an operator."""

    class Odd(Model):
        """One odd key.

        Attributes:
            key: a set.
        """

        key: set[str]

    with pytest.raises(ValueError, match="add them to tools/describe_models"):
        describe_models.table(Odd)


def test_limits_read_as_people_say_them():
    """A key's form has its limits, and a long table of defaults stands only once."""
    table = describe_models.table(describe_models.TABLES["config-fsm"])
    assert "| `jobs` | whole number from 1 to 64 | `2` |" in table
    assert "| `check_interval_hours` | number from 0 | `24.0` |" in table
    assert "| `timeout` | number above 0 up to 600 |" in describe_models.table(
        describe_models.TABLES["config-source-http"]
    )
    assert "| `environment` | table | as below |" in describe_models.table(describe_models.TABLES["config-python_app"])
