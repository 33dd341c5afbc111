"""The runner itself: what GitHub does with files of commands, masks and expressions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.action.runner import ActionError, Runner, commands, masked


def act(tmp_path: Path, text: str, secrets: tuple[str, ...] = (), **inputs: str) -> object:
    """Run an action of this text."""
    (tmp_path / "action.yml").write_text(text)
    (tmp_path / "temp").mkdir(exist_ok=True)
    runner = Runner(tmp_path, tmp_path, tmp_path / "temp", {"token": "t0ken"}, secrets)
    return runner.run(inputs, {"PATH": "/usr/bin:/bin"})


HEAD = """\
inputs:
  name: {default: "${{ github.token }}"}
outputs:
  said: {value: "${{ steps.first.outputs.said }}"}
runs:
  using: composite
  steps:
    - id: first
      shell: bash
      env: {NAME: "${{ inputs.name }}"}
      run: |
"""


def test_outputs_summary_and_environment(tmp_path: Path):
    """Steps hand on what they write into the files, and nothing that they print."""
    text = HEAD + (
        '        echo "said=$NAME" >> "$GITHUB_OUTPUT"\n'
        "        echo '::set-output name=said::wrong'\n"
        '        echo "MORE=1" >> "$GITHUB_ENV"\n'
        "    - shell: bash\n"
        '      run: test "$MORE" = 1; echo "# done" >> "$GITHUB_STEP_SUMMARY"; echo ::error file=a,line=1::b%0Ac\n'
    )
    done = act(tmp_path, text, name="x $(id)")
    assert (done.code, done.outputs, done.summary) == (0, {"said": "x $(id)"}, "# done\n")  # type: ignore[attr-defined]
    assert done.annotations == [("error", "file=a,line=1", "b\nc")]  # type: ignore[attr-defined]
    assert act(tmp_path, text).outputs == {"said": "t0ken"}  # type: ignore[attr-defined]


def test_a_step_that_fails_ends_the_action(tmp_path: Path):
    """Also in the middle of a pipe."""
    done = act(tmp_path, HEAD + "        false | true\n        echo not reached\n")
    assert done.code == 1  # type: ignore[attr-defined]
    assert "not reached" not in done.log  # type: ignore[attr-defined]


def test_masks(tmp_path: Path):
    """Those that were given, line by line, and those that a step adds."""
    done = act(tmp_path, HEAD + '        echo "::add-mask::later"; echo "one two later"\n', secrets=("one\ntwo\n",))
    assert "*** *** ***" in done.log  # type: ignore[attr-defined]
    assert masked("abc ab", ["ab", "abc"]) == "*** ***"


def test_files_of_commands():
    """Both forms; what is neither is an error, as with GitHub."""
    assert commands("a=1\nb<<E\nx=y\nz\nE\nc==\n") == {"a": "1", "b": "x=y\nz", "c": "="}
    for wrong in ("a", "a<<E\nb"):
        with pytest.raises(ActionError):
            commands(wrong)


@pytest.mark.parametrize("wrong", ["${{ toJSON(github) }}", "${{ inputs.a || 'b' }}"])
def test_unknown_expressions_are_refused(tmp_path: Path, wrong: str):
    """So a new form in the action is not taken for an empty one."""
    with pytest.raises(ActionError, match="does not know the expression"):
        act(tmp_path, HEAD + f"        echo {wrong}\n")


def test_unexpected_inputs_are_refused(tmp_path: Path):
    """GitHub warns; here it is an error of the test."""
    with pytest.raises(ActionError, match="unexpected inputs"):
        act(tmp_path, HEAD + "        true\n", other="x")
