"""What a release's requirement files may say, and how the rest is refused."""

from __future__ import annotations

import sys

import pytest

from fsm.errors import StepFailed
from fsm_python_app import building
from fsm_python_app.requirements import parts, refuse_foreign
from fsm_python_app.spec import Environment

HARMLESS = b"""\
# a comment that ends in a backslash \\
flask==3.0 ; python_version >= "3.9"  # via app
click[extra] >= 8, < 9 \\
    --hash=sha256:0123456789abcdef \\
    --hash=sha256:fedcba9876543210
--require-hashes
--only-binary :all:
-r more/base.txt
-c constraints.txt
./wheels/one-1-py3-none-any.whl
"""


@pytest.fixture
def tree(tmp_path):
    """An unpacked release, with a file outside of it that it must not name."""
    (tmp_path / "outside.txt").write_text("flask\n")
    made = tmp_path / "tree"
    for name, data in {
        "wheels/one-1-py3-none-any.whl": b"",
        "vendor/setup.py": b"",
        "more/base.txt": b"-r ../requirements.txt\ntwo\n",
        "constraints.txt": b"two<3\n",
    }.items():
        path = made / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return made


def read(tree, data: bytes, **environment):
    """What the requirements of the release say."""
    (tree / "requirements.txt").write_bytes(data)
    return parts(tree, Environment(**environment))


def test_what_pip_compile_writes_is_allowed(tree):
    """Names, versions, markers, hashes, and files of the release; each file is read once."""
    found = read(tree, HARMLESS)
    assert [part.text.encode() for part in found] == [HARMLESS, b"-r ../requirements.txt\ntwo\n", b"two<3\n"]
    assert not any(part.open for part in found)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"--index-url http://host/${SECRET}", "variable"),
        (b"flask ; '${HOME}' == ''", "variable"),
        (b"--index-url https://user:secret@host/simple", "--index-url"),
        (b"-i https://host/simple", "option -i"),
        (b"--index https://host/simple", "option --index"),
        (b"--extra-index-url=https://host/simple", "--extra-index-url"),
        (b"--find-links https://host/", "--find-links"),
        (b"-f wheels", "option -f"),
        (b"--trusted-host host", "--trusted-host"),
        (b"--no-binary :all:", "--no-binary"),
        (b"--only-binary :none:", "--only-binary"),
        (b"--use-feature fast-deps", "--use-feature"),
        (b"--pre --index-url https://host/", "--pre"),
        (b"-r base.txt --index-url https://host/", "option -r"),
        (b"-r ../outside.txt", "not in the release"),
        (b"-r /etc/passwd", "not in the release"),
        (b"-r https://host/base.txt", "not in the release"),
        (b"-e ./vendor", "editable"),
        (b"--edit ./vendor", "editable"),
        (b"flask --index-url https://host/", "behind the requirement"),
        (b"flask --config-settings=a=b", "behind the requirement"),
        (b"flask \\\n    --global-option=x", "behind the requirement"),
        (b"flask @ https://host/flask-1-py3-none-any.whl", "fetched from 'host'"),
        (b"https://host/flask-1-py3-none-any.whl", "fetched from 'host'"),
        (b"git+https://host/flask", "fetched from 'host'"),
        (b"flask@git+ssh://git@host/flask", "fetched from 'host'"),
        (b"file:///etc/one-1-py3-none-any.whl", "fetched from 'file'"),
        (b"flask @ file:vendor", "fetched from 'file'"),
        (b"flask @ ./vendor", "built from source"),
        (b"./vendor", "built from source"),
        (b"./vendor[extra]", "built from source"),
        (b".", "built from source"),
        (b"../outside.txt", "not in the release"),
        (b"flask.zip", "not in the release"),
        (b'"flask\\x"', "backslash"),
        (b"# nothing\x0b--index-url https://host/", "--index-url"),
        (b"# nothing \\\n--index-url https://host/", "--index-url"),
        ("# nothing\u2028--index-url https://host/".encode(), "--index-url"),
        (b"--ind\\\nex-url https://host/", "--index-url"),
        ("--index-url https://host/".encode("utf-16"), "not UTF-8"),
        (b"# coding: utf-7\n+AC0ALQ-index-url https://host/", "encoding utf-7"),
        (b"flask\0", "NUL"),
        (b"flask\n" * 200_000, "larger than"),
    ],
)
def test_what_a_release_may_not_say_is_refused_with_its_place(tree, line, why):
    """No secret that stands in the line is repeated."""
    with pytest.raises(StepFailed) as found:
        read(tree, b"# first\n" + line if not line.startswith((b"# coding", b"\xff", b"\xfe")) else line)
    assert why in found.value.why
    assert "requirements.txt" in found.value.what
    assert "secret" not in str(found.value)
    assert found.value.todo


def test_a_refusal_names_the_file_and_the_line_where_it_begins(tree):
    """Also in a file that another one includes, and behind lines that are joined."""
    (tree / "more/base.txt").write_bytes(b"\none \\\n  ; python_version > '3'\n--trusted-host \\\n  host\n")
    with pytest.raises(StepFailed, match=r"more/base\.txt, line 4: it has the option --trusted-host"):
        read(tree, HARMLESS)


def test_requirements_outside_of_the_release_are_not_read(tree):
    """The configuration names a file of the release; a link to another one is none."""
    (tree / "requirements.txt").symlink_to(tree.parent / "outside.txt")
    with pytest.raises(StepFailed, match="not in the release"):
        parts(tree, Environment())


def test_a_release_that_includes_without_end_is_refused(tree):
    """Each file is read once, and there are not that many."""
    for number in range(120):
        (tree / f"{number}.txt").write_text(f"-r {number + 1}.txt\n")
    (tree / "120.txt").write_text("")
    with pytest.raises(StepFailed, match="includes more than 100 files"):
        read(tree, b"-r 0.txt\n")


@pytest.mark.parametrize(
    ("line", "environment"),
    [
        (b"flask @ https://Host/flask-1-py3-none-any.whl", {"url_hosts": ("host",)}),
        (b"flask @ git+https://host/flask ; python_version > '3'", {"url_hosts": ("host",), "build": True}),
        (b"./vendor", {"build": True}),
    ],
)
def test_the_host_may_allow_more(tree, line, environment):
    """What is not fixed by its text is open: such an environment is never used again."""
    allowed = {"build_from_source": (":all:",)} if environment.pop("build", False) else {}
    (part,) = read(tree, line, **environment, **allowed)
    assert part.open


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"flask @ http://host/flask-1-py3-none-any.whl", "fetched by http"),
        (b"flask @ https://user:secret@host/flask-1-py3-none-any.whl", "fetched from"),
        (b"flask @ https://host/flask-1.tar.gz", "built from source"),
        (b"flask @ https://[host/flask-1-py3-none-any.whl", "fetched from"),
    ],
)
def test_an_allowed_host_is_asked_for_wheels_only_and_encrypted(tree, line, why):
    """What the release brings along to log in there is nothing for it to bring."""
    with pytest.raises(StepFailed, match=why):
        read(tree, line, url_hosts=("host",))


def test_what_a_wheel_of_the_release_needs_is_held_to_the_same(tree):
    """An installer follows a URL in a wheel's metadata, also without an index."""
    refuse_foreign("one.whl", "two>=1 ; extra == 'x'", Environment())
    with pytest.raises(StepFailed, match="fetched from 'host'"):
        refuse_foreign("one.whl", "two @ https://host/two-1-py3-none-any.whl", Environment())


@pytest.mark.parametrize("name", ["", "a b", "--no-index", ":none:", "./vendor"])
def test_only_names_of_packages_are_built_from_source(name):
    """It becomes an argument of the installer."""
    with pytest.raises(ValueError, match="not the name of a package"):
        Environment(build_from_source=(name,))


def test_a_uv_that_is_installed_meanwhile_is_found(monkeypatch):
    """A program that has the library may run for months."""
    building._found_uv.cache_clear()
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "uv", None)
        assert building.uv_program() is None
    assert building.uv_program() is not None
