"""`fsm.toml`: what it may say, and one line with file, key and remedy for everything else."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.adapter import Registry
from fsm.errors import ConfigError, UsageError
from fsm.host.config import Config, load, parse
from fsm.host.quick_status import remember

REGISTRY = Registry.discover()


def good(**changes: Any) -> dict[str, Any]:
    """A configuration that is right."""
    web = {
        "type": "python_app",
        "install_path": "web",
        "preserve": ["data/"],
        "source": {"type": "directory", "allow_unsigned": True, "path": "releases"},
        "service": {"manager": "process", "command": ["./run"]},
        "post_checks": [{"type": "health_endpoint", "url": "http://localhost:1/health"}],
        **changes,
    }
    return {"fsm": {"state_dir": "state", "jobs": 3, "deadlines": {"updating": 60.0}}, "components": {"web": web}}


def test_relative_paths_start_at_the_file(tmp_path):
    """Wherever the command is called."""
    config = parse(good(), REGISTRY, base=tmp_path)
    web: Any = config.component("web").spec
    assert config.state_dir == tmp_path / "state"
    assert config.journal == tmp_path / "state" / "journal.db"
    assert web.install_path == tmp_path / "web"
    assert web.service.cwd == tmp_path / "web"
    assert config.component("web").target.source["path"] == str(tmp_path / "releases")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"instal_path": "x"}, 'components.web.instal_path: is not a known key; did you mean "install_path"?'),
        ({"type": "python_ap"}, "components.web.type: unknown component type 'python_ap'"),
        ({"install_path": 3}, "components.web.install_path: must be"),
        ({"install_path": "/"}, "must not be the root directory"),
        ({"service": {"manager": "procces", "command": ["x"]}}, "components.web.service.manager: is 'procces'"),
        ({"service": {"command": ["x"]}}, "components.web.service.manager: is missing"),
        ({"service": {"manager": "process"}}, "components.web.service.command: is missing"),
        ({"service": {"manager": "process", "command": ["x"], "cdw": "y"}}, "service.cdw: is not a known key; did you"),
        ({"source": {"type": "directory", "allow_unsigned": True}}, "components.web.source.path: is missing"),
        ({"preserve": ["../secret"]}, "components.web.preserve: is wrong"),
        ({"post_checks": [{"type": "helth_endpoint"}]}, "post_checks[0].type: is 'helth_endpoint', which is not known"),
        ({"post_checks": [{"type": "health_endpoint"}]}, "components.web.post_checks[0].url: is missing"),
        ({"backup": "archive"}, 'backup = "archive" needs backup_dir'),
        ({"version": {"file": "V", "package": "p"}}, "give exactly one of"),
        ({"depends_on": ["db"]}, "components.web.depends_on: names 'db', which is not configured"),
        ({"depends_on": ["web"]}, "is circular: web -> web"),
        ({"retention": {"count": 0}}, "components.web.retention.count: must be"),
    ],
)
def test_an_error_names_the_key_and_the_remedy(changes, text, tmp_path):
    """One line, with a did-you-mean where one is close."""
    with pytest.raises(ConfigError) as caught:
        parse(good(**changes), REGISTRY, base=tmp_path)
    assert text in str(caught.value)
    assert caught.value.todo


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"fms": {}}, 'fms: is not a known key; did you mean "fsm"?'),
        ({"fsm": {"jobs": 0}}, "fsm.jobs: must be greater than or equal to 1"),
        ({"sets": {"all": ["web", 3]}}, "sets.all[1]: must be"),
        ({"sets": {"all": [["web"], "web"]}}, "sets.all[0]: must be"),
        ({"fsm": {"deadlines": {"napping": 1.0}}}, "fsm.deadlines"),
        ({"components": 3}, "components: is not a table"),
        ({"components": {"web": 3}}, "components.web: is not a table"),
        ({"components": {"Web!": {"type": "python_app"}}}, "is not a valid name for a component"),
    ],
)
def test_errors_outside_of_components(data, text):
    """The rest of the file."""
    with pytest.raises(ConfigError, match="configuration") as caught:
        parse(data, REGISTRY)
    assert text in str(caught.value)


def test_a_circle_is_named(tmp_path):
    """With its beginning at both ends."""
    data = good()
    for name, other in (("a", "b"), ("b", "c"), ("c", "a")):
        data["components"][name] = {**data["components"]["web"], "depends_on": [other]}
    with pytest.raises(ConfigError, match="a -> b -> c -> a"):
        parse(data, REGISTRY, base=tmp_path)


def test_the_file_is_found_in_order(tmp_path, monkeypatch):
    """--config, $FSM_CONFIG, ./fsm.toml."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FSM_CONFIG", raising=False)
    with pytest.raises(ConfigError, match="fsm init"):
        load(None, REGISTRY)
    here = tmp_path / "fsm.toml"
    here.write_text('[fsm]\nstate_dir = "here"\n')
    assert load(None, REGISTRY).state_dir == tmp_path / "here"
    other = tmp_path / "other.toml"
    other.write_text('[fsm]\nstate_dir = "other"\n')
    monkeypatch.setenv("FSM_CONFIG", str(other))
    assert load(None, REGISTRY).state_dir == tmp_path / "other"
    assert load(here, REGISTRY).state_dir == tmp_path / "here"
    with pytest.raises(ConfigError, match="no such file"):
        load(tmp_path / "none.toml", REGISTRY)


@pytest.mark.parametrize(
    "text",
    [
        *("[fsm", "x = 1979-05-27", "[fsm]\nstate_dir = 1979-05-27", "\x00", "[components.a]\ntype = 'python_app'"),
        "a = " + "[" * 20000,
    ],
)
def test_broken_files_are_one_line(tmp_path, text):
    """Also what TOML itself refuses."""
    path = tmp_path / "fsm.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"fsm\.toml"):
        load(path, REGISTRY)


def test_a_file_that_an_editor_on_windows_has_written(tmp_path):
    """It begins with a byte order mark."""
    path = tmp_path / "fsm.toml"
    path.write_bytes(b'\xef\xbb\xbf[fsm]\r\nstate_dir = "here"\r\n')
    assert load(path, REGISTRY).state_dir == tmp_path / "here"


def test_a_path_that_is_no_text_is_refused(tmp_path):
    """A frozen plan could not say it, and that would be found out in the middle of an update."""
    with pytest.raises(ConfigError, match=r"udce9/state is not valid UTF-8"):
        parse(good(), REGISTRY, base=tmp_path / os.fsdecode(b"caf\xe9"))


def test_a_user_without_a_home_directory(tmp_path, monkeypatch):
    """As a container's user may be: it needs none where the paths are written out, and is told so where not."""

    def unknown(number: int) -> None:
        raise KeyError(number)

    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    monkeypatch.setattr("os.geteuid", lambda: 12345)
    monkeypatch.setattr(
        "fsm.system.trusted.doubt", lambda path, like_root=(), **more: None
    )  # the file is not that user's
    with pytest.raises(ConfigError, match="has no home directory; set state_dir"):
        parse({}, REGISTRY)
    with pytest.raises(ConfigError, match="no home directory, so ~ cannot be expanded"):
        parse({"fsm": {"state_dir": "~/state"}}, REGISTRY)
    file = tmp_path / "fsm.toml"
    file.write_text('[fsm]\nstate_dir = "."\n')
    remember(load(file, REGISTRY), REGISTRY)


def test_what_is_no_file_is_called_so(tmp_path):
    """A directory is there, but cannot be read."""
    with pytest.raises(ConfigError, match="it is a directory"):
        load(tmp_path, REGISTRY)
    with pytest.raises(ConfigError, match="it is not a regular file"):
        load(Path("/dev/null"), REGISTRY)


def test_an_unknown_component_is_a_usage_error(tmp_path):
    """With a suggestion."""
    with pytest.raises(UsageError, match="web"):
        parse(good(), REGISTRY, base=tmp_path).component("wep")
    with pytest.raises(UsageError, match="no component is configured"):
        Config(state_dir=tmp_path).component("web")


def paths(data: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [here, *(found for key, value in items for found in paths(value, (*here, key)))]


@given(st.data())
def test_any_change_gives_a_configuration_or_one_line(data):
    """Never another exception, whatever stands where."""
    mutated: Any = copy.deepcopy(good())
    path = data.draw(st.sampled_from(paths(mutated)[1:]))
    target = mutated
    for part in path[:-1]:
        target = target[part]
    junk = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    target[path[-1]] = data.draw(junk | st.lists(junk, max_size=2) | st.dictionaries(st.text(max_size=5), junk))
    said = None
    try:
        parse(mutated, REGISTRY, base=Path("/nonexistent"))
    except ConfigError as error:
        said = error
    assert said is None or ("\n" not in str(said) and said.why)


@pytest.mark.parametrize(
    ("text", "place", "key"),
    [
        ("[fsm]\n  jbos = 3\n", "2:3", "fsm.jbos: is not a known key"),
        ('[fsm]\njobs = "two"\n', "2:1", "fsm.jobs: must be a valid integer"),
        ('[fsm]\ndeadlines = { checking = 6.0, updating = "x" }\n', "2:31", "fsm.deadlines.updating: must be"),
        ('# one\n[components."my.app"]\ntype = "nonsense"\n', "3:1", "components.my.app.type"),
        ('[components."my.app"]\ntype = "python_app"\n', "1:1", "components.my.app.install_path: is missing"),
        ('[sets]\nall = ["a"]\n', "2:1", "sets.all: names 'a'"),
        ("\n[nonsense]\n", "2:1", "nonsense: is not a known key"),
    ],
)
def test_errors_say_the_line_and_the_column(text: str, place: str, key: str, tmp_path: Path):
    """A wrong key, a wrong value, also in an inline table; what is missing, at the table that misses it."""
    path = tmp_path / "fsm.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path, REGISTRY)
    assert str(caught.value).startswith(f"{path}:{place}: {key}")


def test_no_message_shows_a_regular_expression():
    """What a text must be is said in words."""
    with pytest.raises(ConfigError, match="must be the name of an environment variable; correct it") as caught:
        parse(good(source={"type": "http", "url": "https://e.example/", "token_env": "?"}), REGISTRY)
    assert "^" not in str(caught.value)
