"""The runner that tests the action: it does what GitHub's does, or says that it does not know."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.action.commands import Annotation, FileCommandError, Log, environment, parsed, variables
from tests.action.expressions import Contexts, ExpressionError
from tests.action.runner import Done, Runner, WorkflowError

Run = Callable[..., tuple[Done, Runner]]
CONTEXTS = Contexts(
    {"inputs": {"x": "a b", "no": "", "Dash-ed": "d"}, "github": {"ref": "refs/tags/v1", "list": [1, "b"]}}
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("<${{ inputs.x }}>", "<a b>"),
        ("${{ inputs.dash-ed }}${{ inputs.missing }}", "d"),
        ("${{ inputs['x'] }} and ${{ github.list[1] }}", "a b and b"),
        ("${{ 'it''s }} here' }}", "it's }} here"),
        ("${{ inputs.no || 'else' }}", "else"),
        ("${{ inputs.no && 'then' || 'else' }}", "else"),
        ("${{ 'A' == 'a' && 1 == '1' && null == 0 }}", True),
        ("${{ 1 < 2 && 'b' >= 'A' && !(2 > 3) && 'x' != 'y' }}", True),
        ("${{ startsWith(github.ref, 'refs/TAGS/') && endsWith(github.ref, 'v1') }}", True),
        ("${{ contains(github.list, 'B') && contains('hello', 'ELL') }}", True),
        ("${{ format('{0}-{1} {{}}', 'a', 1) }}", "a-1 {}"),
        ("${{ join(github.list, '+') }}", "1+b"),
        ("${{ fromJSON('{\"a\": [true]}').a[0] }}", True),
        ("${{ 0x10 == 16.0 && -1.5e1 == '-15' }}", True),
        ("${{ 'text' == 0 }}", False),
        ("n is ${{ 3.0 }}, ${{ true }}, ${{ null }}.", "n is 3, true, ."),
    ],
)
def test_expressions(text: str, expected: object):
    """Each kind of value, comparison and function, as GitHub's reference describes them."""
    assert CONTEXTS.fill(text) == expected


@pytest.mark.parametrize(
    "text", ["${{ secrets.x }}", "${{ nothing() }}", "${{ inputs. }}", "${{ a b }}", "${{ (1 }}", "${{ ` }}", "${{ }}"]
)
def test_what_is_no_expression_is_an_error(text: str):
    """A composite action has no secrets, and a misspelled name is not empty text."""
    with pytest.raises(ExpressionError):
        CONTEXTS.fill(text)


def test_an_input_is_text_and_never_evaluated_again():
    """What a caller writes into an input is not an expression, whatever it looks like."""
    assert Contexts({"inputs": {"x": "${{ github.token }}"}}).text("${{ inputs.x }}") == "${{ github.token }}"


def test_outputs_environment_path_and_summary_are_files_of_each_step(run: Run):
    """A step's environment and path reach the later ones, outputs by the step's id, summaries in a row."""
    done, runner = run(
        {
            "id": "first",
            "run": 'echo "a=1" >>"$GITHUB_OUTPUT"; echo "SET=it" >>"$GITHUB_ENV"; mkdir bin\n'
            'printf "#!/bin/sh\\necho x:$1" >bin/tool; chmod +x bin/tool; echo "$PWD/bin" >>"$GITHUB_PATH"\n'
            'echo "# one" >>"$GITHUB_STEP_SUMMARY"',
        },
        {
            "id": "second",
            "run": '[ ! -s "$GITHUB_OUTPUT" ]; printf "b<<END\\n$SET\\n$(tool)\\nEND\\n" >>"$GITHUB_OUTPUT"; '
            'echo two >>"$GITHUB_STEP_SUMMARY"',
        },
        outputs={
            "a": "${{ steps.first.outputs.a }}",
            "b": "${{ steps.second.outputs.b }}",
            "c": "${{ steps.x.outputs.y }}",
        },
    )
    assert done.outcome == "success", runner.log.lines
    assert done.outputs == {"a": "1", "b": "it\nx:", "c": ""}
    assert done.summary == "# one\ntwo\n"


def test_bash_stops_at_the_first_failure_also_in_a_pipe(run: Run):
    """And the steps after it do not run, but those that ask for it."""
    done, runner = run(
        {"run": "false | true\necho went on"},
        {"run": "echo never"},
        {"run": "echo cleanup", "if": "always()"},
        {"run": "echo failed", "if": "${{ failure() && inputs.one == 'default of one' }}"},
        {"run": "echo no", "if": "inputs.one"},
    )
    assert done.outcome == "failure"
    assert [each for each in runner.log.lines if not each.startswith("##")] == ["cleanup", "failed"]
    assert runner.log.annotations == [Annotation("error", "Process completed with exit code 1.")]


def test_a_step_may_fail_where_it_says_so(run: Run):
    """Its outcome stays a failure, the action goes on."""
    done, _ = run(
        {"id": "s", "run": "exit 3", "continue-on-error": True},
        {"run": "true"},
        {"id": "skipped", "run": "false", "if": "false"},
        outputs={"how": "${{ steps.s.outcome }} ${{ steps.s.conclusion }} ${{ steps.skipped.outcome }}"},
    )
    assert (done.outcome, done.outputs["how"]) == ("success", "failure success skipped")


def test_inputs_reach_a_step_by_its_environment_and_github_by_names_of_its_own(
    run: Run, monkeypatch: pytest.MonkeyPatch
):
    """A step cannot change what the runner says of itself; nothing of this process leaks in; the token is hidden."""
    monkeypatch.setenv("LEAK", "leaked")
    done, runner = run(
        {
            "run": 'echo "$ONE|$TWO|$GITHUB_REPOSITORY|$GITHUB_REF_TYPE|$LEAK|$GITHUB_TOKEN|$RUNNER_OS|$T"',
            "env": {
                "ONE": "${{ inputs.one }}",
                "TWO": "${{ inputs.two }}",
                "GITHUB_REPOSITORY": "forged",
                "T": "${{ github.token }}",
            },
        },
        inputs={"one": "$(id)`id`'\""},
        repository="o/r",
        ref="refs/tags/v1",
        token="s3cret",
    )
    assert done.outcome == "success"
    assert runner.log.lines[-1] == "$(id)`id`'\"|default of two|o/r|tag||||Linux|***".replace("||||", "|||")
    assert "s3cret" in runner.log.raw[-1]


def test_interpolation_into_a_script_is_as_dangerous_as_it_is_there(run: Run, tmp_path: Path):
    """The runner evaluates expressions before the shell reads the script: what the action's tests rely on."""
    run({"run": "echo ${{ inputs.one }}"}, inputs={"one": "x; touch pwned"})
    assert (tmp_path / "pwned").exists()


def test_commands_become_annotations_and_masks(run: Run):
    """Escapes are undone once; `stop-commands` holds until its word comes; old commands do nothing."""
    done, runner = run(
        {
            "id": "s",
            "run": "cat <<'EOF'\n::error file=a%2Cb.yaml,line=3,col=2::bad%0A100%25%3A\n  ::warning::w\n"
            "::add-mask::hush\nsay hush\n::set-output name=x::y\n##[set-env name=A]b\n"
            "::stop-commands::word\n::error::no\n::word::\n::notice::n\n::unknown::u\nEOF",
        },
        {"run": 'echo "A=$A"'},
        outputs={"x": "${{ steps.s.outputs.x }}"},
    )
    assert done.outcome == "success"
    assert runner.log.annotations == [
        Annotation("error", "bad\n100%%3A", "a,b.yaml", 3, 2),
        Annotation("warning", "w"),
        Annotation("notice", "n"),
    ]
    assert "say ***" in runner.log.lines
    assert not [line for line in runner.log.lines if "hush" in line]
    assert [each.name for each in runner.log.refused] == ["set-output", "set-env"]
    assert (done.outputs["x"], runner.log.lines[-1]) == ("", "A=")


def test_a_secret_with_several_lines_is_hidden_line_by_line():
    """A log is masked line by line, so the whole would never match."""
    log = Log()
    log.hide("first\nsecond")
    log.feed("x first\nsecond y\n\rempty")
    assert log.lines == ["x ***", "*** y", "", "empty"]


def test_the_files_of_steps_are_read_as_the_runner_reads_them():
    """The first mark of a line counts; what stands between delimiters is text, whatever it looks like."""
    assert variables("a=b<<c\nd<<e=f\nx=1\n\ne=f\n\nlast=") == {"a": "b<<c", "d": "x=1\n", "last": ""}
    assert variables("empty<<E\nE\n") == {"empty": ""}
    for broken in ("a<<E\nx\n", "plain", "a<<", "=x"):
        with pytest.raises(FileCommandError):
            variables(broken)
    with pytest.raises(FileCommandError, match="NODE_OPTIONS"):
        environment("node_options=--require x".upper())
    assert parsed("text ::error::x") is None
    assert parsed("text ##[error]x") is not None


def test_a_step_whose_file_cannot_be_read_fails(run: Run):
    """A delimiter that never comes is no success with half an output; too long a summary is dropped with an error."""
    done, runner = run({"run": 'echo "a<<E" >>"$GITHUB_OUTPUT"'})
    assert done.outcome == "failure"
    assert "Matching delimiter not found" in runner.log.annotations[0].message
    done, runner = run({"run": 'head -c 1100000 /dev/zero | tr "\\0" x >"$GITHUB_STEP_SUMMARY"'})
    assert (done.outcome, done.summary) == ("success", "")
    assert "1024k" in runner.log.annotations[0].message


@pytest.mark.parametrize(
    "step", [{"run": "x", "shell": "fish"}, {"run": "x", "shell": ""}, {"run": "x", "uses-": 1}, {"uses": "a/b@c"}]
)
def test_what_the_runner_does_not_know_is_an_error(step: dict[str, Any], run: Run):
    """A step of an action needs a shell, as on GitHub."""
    with pytest.raises(WorkflowError):
        run(step)


def test_an_input_that_is_not_declared_is_an_error(run: Run):
    """GitHub warns; a test that misspells one would see a default."""
    with pytest.raises(WorkflowError, match="more"):
        run({"run": "true"}, inputs={"more": "x"})


def test_a_job_runs_local_actions_and_stand_ins(tmp_path: Path, temp: Path):
    """With its matrix and secrets; the environment of workflow, job and step in that order."""
    (tmp_path / "action.yml").write_text(
        "inputs: {who: {default: nobody}}\n"
        "outputs: {said: {value: '${{ steps.s.outputs.said }}'}}\n"
        "runs:\n  using: composite\n  steps:\n    - id: s\n      shell: bash\n      env: {WHO: '${{ inputs.who }}'}\n"
        '      run: echo "said=$WHO $OUTER" >>"$GITHUB_OUTPUT"\n'
    )
    (tmp_path / "w.yml").write_text(
        "env: {OUTER: workflow, A: workflow}\njobs:\n  j:\n    env: {A: '${{ matrix.os }}'}\n"
        "    outputs: {said: '${{ steps.a.outputs.said }}'}\n    steps:\n"
        "      - {id: other, uses: 'o/r@1', with: {a: '${{ env.A }}'}}\n"
        "      - {id: a, uses: ./, with: {who: '${{ steps.other.outputs.got }}'}}\n"
        "      - run: 'echo ${{ secrets.S }}'\n"
    )
    runner = Runner(tmp_path, {}, temp, uses={"o/r": lambda given: {"got": given["a"] + "!"}})
    done = runner.job(tmp_path / "w.yml", "j", matrix={"os": "ubuntu"}, secrets={"S": "shh"})
    assert (done.outcome, done.outputs) == ("success", {"said": "ubuntu! workflow"})
    assert runner.log.lines == ["***"]
