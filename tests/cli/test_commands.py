"""Every command on a real host in a directory: what it prints, what it returns, what it leaves."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

from fsm.cli.codes import MEANING, SEVERITY, Code, worst
from fsm.cli.run import run


def test_help_lists_every_command_and_no_module_is_loaded_for_it():
    """`fsm --help` stays quick: neither the façade nor a command is imported."""
    script = "import sys; from fsm.cli import main; sys.argv = ['fsm', '--help']; main(); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "resume" in done.stdout
    for heavy in ("pydantic", "apsw", "rich", "sh", "transitions", "fsm.updater", "fsm.cli.update", "urllib3"):
        assert f"'{heavy}'" not in done.stdout


def test_each_line_of_the_list_is_the_commands_own_help():
    """The table must not say something else than the command."""
    from fsm.cli.app import COMMANDS, Lazy, fsm

    assert isinstance(fsm, Lazy)
    for entry in COMMANDS:
        command = fsm.get_command(None, entry.name)  # type: ignore[arg-type] # the table needs no context
        assert command is not None
        assert (command.help or "").splitlines()[0] == entry.help
        assert command.name == entry.name


def test_a_whole_life(host):
    """check, plan, update, status, history, show, rollback, hold, pin: the straight way."""
    assert host.fsm("check") == 0
    assert "1.0.0 -> 1.1.0 is available" in host.out
    assert host.fsm("check", "app", "--exit-code", "--force") == 10
    assert host.fsm("plan") == 0
    assert "downtime begins" in host.out
    assert "preserved: .env, data/, config/*.local" in host.out
    assert "nothing was changed" in host.out
    assert host.fsm("update", "--dry-run") == 0
    assert host.app_fixture.answer() == "1.0.0"
    assert host.fsm("update") == 0
    assert "updated 1.0.0 -> 1.1.0" in host.out
    assert "[1/" in host.err
    assert host.app_fixture.answer() == "1.1.0"
    assert host.fsm("update", "app") == 0
    assert "up to date" in host.out
    assert host.fsm("status") == 0
    assert "app" in host.out
    assert "1.1.0" in host.out
    assert host.fsm("history") == 0
    assert host.fsm("history", "app", "--limit", "1") == 0
    assert host.fsm("history", "--verify") == 0
    assert "the chain is intact" in host.out
    assert host.fsm("show", "1") == 0
    assert "exchange" in host.out
    assert host.fsm("rollback") == 0
    assert host.app_fixture.answer() == "1.0.0"
    assert host.fsm("update") == 20
    assert "held" in host.out
    assert host.fsm("unhold", "app") == 0
    assert host.fsm("pin", "app", "<1.1") == 0
    assert host.fsm("status") == 0
    assert "<1.1" in host.out
    assert host.fsm("update") == 0
    assert host.fsm("pin", "app", "--remove") == 0
    assert host.fsm("hold", "--why", "the show is on") == 0
    assert host.fsm("update") == 20
    assert "the show is on" in host.out
    assert host.fsm("update", "--force", "--all") == 0
    assert host.fsm("rollback", "--to", "9.9") == 20
    assert "1.0.0" in host.out + host.err


def test_json_everywhere(host):
    """Documented shapes, one document on standard output."""
    assert host.json("check", "app")["results"][0]["update_available"] is True
    assert host.json("plan")["results"][0]["plan"]["steps"]
    assert host.json("update")["results"][0]["outcome"] == "done"
    assert host.json("status")["results"][0]["installed"] == "1.1.0"
    assert host.json("history")["results"][0]["to_version"] == "1.1.0"
    assert host.json("history", "--verify")["results"][0]["problems"] == []
    shown = host.json("show", "1")["results"][0]
    assert "exchange" in str(shown)
    assert host.json("resume")["results"] == []
    assert host.json("hold", "app")["results"]
    assert host.json("unhold", "app")["results"]
    assert host.json("pin", "app", "~=1.0")["results"]
    assert host.json("rollback")["results"][0]["kind"] == "rollback"
    assert host.json("doctor")["results"]
    assert host.json("show", "99", code=2)["error"]["code"] == 2


def test_a_broken_release_is_rolled_back(host):
    """Exit code 30, and the reason with what to do."""
    host.app_fixture.publish("1.2.0", "CRASHES")
    assert host.fsm("update") == 30
    assert "rolled back" in host.out
    assert host.app_fixture.answer() == "1.0.0"
    assert host.fsm("show", "1") == 0
    assert host.fsm("status") == 0
    assert "rolled back" in host.out
    # The broken one is passed over by itself, and the one below it is taken.
    assert host.fsm("update") == 0
    assert host.app_fixture.answer() == "1.1.0"


def test_a_kill_is_resumed(host):
    """The exit code says 75 until `fsm resume` has been there."""
    child = host.start("update", "app")
    assert child.stderr is not None
    for line in child.stderr:
        if "exchange the live tree" in line:
            child.kill()
            break
    child.communicate(timeout=30)
    assert host.fsm("status") == 0
    assert "fsm resume" in host.out
    assert host.json("status")["results"][0]["last"]["outcome"] == "interrupted"
    assert host.fsm("show", "1") == 0
    assert host.fsm("resume", "app") == 0
    assert host.app_fixture.answer() == "1.1.0"
    assert host.fsm("resume") == 0
    assert "nothing is in progress" in host.out


def test_sigterm_stops_at_a_safe_point(host):
    """One line, exit code 75, and the run goes on later; `fsm cancel` would roll it back."""
    app_fixture = host.app_fixture
    (app_fixture.root / "slow.sh").write_text("sleep 30\n")
    child = host.start("update", "app")
    assert child.stderr is not None
    for line in child.stderr:
        if "[2/" in line:
            child.send_signal(signal.SIGTERM)
            break
    out, err = child.communicate(timeout=60)
    assert child.returncode in (75, 0), out + err
    assert "Traceback" not in err
    if child.returncode == 75:
        assert "fsm resume" in err
        assert host.fsm("cancel", "app") == 0
        assert app_fixture.answer() == "1.0.0"


def test_a_second_updater_is_busy(host):
    """Exit code 50, with who and since when."""
    host.app_fixture.publish("1.3.0", "BROKEN")
    child = host.start("update", "app")
    assert child.stderr is not None
    for line in child.stderr:
        if "check that the new version works" in line:
            break
    assert host.fsm("update", "app") == 50
    assert f"process {child.pid}" in host.out
    assert host.fsm("rollback", "app") == 50
    time.sleep(0.1)
    assert host.fsm("cancel", "app") == 0
    child.communicate(timeout=60)
    assert host.app_fixture.answer() == "1.0.0"


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["update", "nobody"], 2, "there is no component 'nobody'"),
        (["update", "app", "--all"], 2, "exclude each other"),
        (["update", "app", "--version", "three"], 2, "is not a version"),
        (["update", "app", "--version", "7.0"], 20, "no release 7.0"),
        (["pin", "app", "about 1"], 2, "neither a version nor"),
        (["cancel", "app"], 2, "nothing is in progress"),
        (["show", "12"], 2, "there is no run 12"),
        (["frobnicate"], 2, "there is no command"),
        (["udpate"], 2, "did you mean 'update'"),
        (["update", "--jobs", "0"], 2, "--jobs"),
        (["resume", "nobody"], 2, "nobody"),
        (["history", "nobody"], 2, "nobody"),
        (["rollback", "app"], 20, "kept on this host"),
        (["completion", "tcsh"], 2, "tcsh"),
    ],
)
def test_wrong_calls_are_one_line_and_an_exit_code(host, words, code, text):
    """Never a traceback, nothing lost."""
    assert host.fsm(*words) == code
    assert text in host.out + host.err
    assert len(host.err.strip().splitlines()) <= 6
    assert host.app_fixture.answer() == "1.0.0"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(host, shell):
    """For the three shells that people have."""
    assert host.fsm("completion", shell) == 0
    assert "_FSM_COMPLETE" in host.out


def test_completion_knows_commands_and_components(host):
    """What a shell asks for when Tab is pressed."""
    for words, found in (("fsm upd", "update"), (f"fsm --config {host.path} update a", "app")):
        done = subprocess.run(
            [sys.executable, "-m", "fsm"],
            env={"_FSM_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" ")),
                 "PATH": "/usr/bin"},
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        assert found in done.stdout, done.stderr


def test_init_writes_a_configuration_that_is_valid(host, tmp_path, capsys):
    """As it stands, and never over an existing one."""
    made = tmp_path / "new" / "fsm.toml"
    made.parent.mkdir()
    assert run(["init", str(made)]) == 0
    assert run(["init", str(made)]) == 20
    assert run(["--config", str(made), "status"]) == 0
    assert "exists" in capsys.readouterr().err


def test_doctor_finds_what_is_wrong(host):
    """Exit code 40 with an error, 0 without."""
    assert host.fsm("doctor") == 0, host.out
    assert "app" in host.out
    host.path.write_text("[fsm]\nstate_dri = '/x'\n", encoding="utf-8")
    assert host.fsm("doctor") == 40
    assert "state_dir" in host.out


def test_a_damaged_journal_is_set_aside_and_kept(host):
    """Reported with what to do; the components stay untouched."""
    assert host.fsm("update") == 0
    journal = host.app_fixture.state / "journal.db"
    for suffix in ("-wal", "-shm"):
        journal.with_name(journal.name + suffix).unlink(missing_ok=True)
    journal.write_bytes(b"garbage" * 1000)
    assert host.fsm("update") == 40
    assert "set-aside-journal" in host.err
    assert host.fsm("status") == 40
    assert host.fsm("doctor") == 40
    assert host.fsm("doctor", "--set-aside-journal") == 0
    kept = list(host.app_fixture.state.glob("journal.db.set-aside-*"))
    assert [path.read_bytes() for path in kept] == [b"garbage" * 1000]
    assert host.fsm("status") == 0
    assert host.app_fixture.answer() == "1.1.0"


def test_an_unexpected_error_is_one_line(host, monkeypatch, capsys):
    """Exit code 70, and how to see more."""
    from fsm.cli import app

    def broken(*_: object) -> None:
        raise RuntimeError("surprise")

    monkeypatch.setattr(app.fsm, "callback", broken)
    monkeypatch.setattr(app.Lazy, "get_command", broken)
    assert run(["status"]) == 70
    assert "FSM_DEBUG=1" in capsys.readouterr().err
    monkeypatch.setenv("FSM_DEBUG", "1")
    assert run(["status"]) == 70
    assert "Traceback" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error(host):
    """`fsm history | head -1`."""
    host.fsm("update")
    child = host.start("history")
    with child:
        assert child.stdout is not None
        child.stdout.close()
        assert child.wait(30) == 0


def test_several_components_need_a_name(host):
    """Or --all; dependencies come first."""
    text = host.path.read_text(encoding="utf-8")
    host.path.write_text(text.replace("app", "zoo") + "\n" + text.replace("[fsm]", "[fsm_]", 1), encoding="utf-8")
    assert host.fsm("update") == 2


def test_every_code_has_a_meaning_and_a_severity():
    """The documentation is made of this."""
    assert set(MEANING) == set(Code) == set(SEVERITY)
    assert worst([Code.DONE, Code.ROLLED_BACK, Code.REFUSED]) is Code.ROLLED_BACK
    assert worst([]) is Code.DONE


@pytest.mark.needs_root
def test_what_root_installs_others_can_read(host, tmp_path):
    """Whatever the mask of root's shell; a first installation has no directory whose mode it could keep."""
    fresh = host.app_fixture.live.with_name("fresh")
    text = host.path.read_text(encoding="utf-8").replace(json.dumps(str(host.app_fixture.live)), json.dumps(str(fresh)))
    host.path.write_text(text, encoding="utf-8")
    host.app_fixture.stop()
    done = subprocess.run(
        [sys.executable, "-m", "fsm", "--config", str(host.path), "update", "app"],
        umask=0o077,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    modes = {path.relative_to(fresh).as_posix(): path.stat().st_mode & 0o777 for path in [fresh, *fresh.rglob("*")]}
    assert modes["."] == 0o755
    assert {mode for name, mode in modes.items() if mode & 0o044 != 0o044} == set(), modes
