"""Which bytes of a compose file change for an update, and when none may."""

from __future__ import annotations

import pytest

from fsm.errors import FsmError, ManifestError, PlanError
from tests.unit.container.compose import NEW, OLD, change, project

HEAD = b"# ours\nservices:\n"


def web(image: bytes) -> bytes:
    """A compose file with one service."""
    return HEAD + b"  web:\n    image: " + image + b"  # pinned by ops\n    ports: ['80:80']\n"


SPELLINGS = [
    (b"ghcr.io/acme/web:1.0.0", b"ghcr.io/acme/web:1.1.0"),
    (b'"ghcr.io/acme/web:1.0.0"', b'"ghcr.io/acme/web:1.1.0"'),
    (b"'ghcr.io/acme/web:1.0.0'", b"'ghcr.io/acme/web:1.1.0'"),
    (b"!!str ghcr.io/acme/web:1.0.0", b"!!str ghcr.io/acme/web:1.1.0"),
    (b"&img ghcr.io/acme/web:1.0.0", b"&img ghcr.io/acme/web:1.1.0"),
    (b"&img 'ghcr.io/acme/web:1.0.0'", b"&img 'ghcr.io/acme/web:1.1.0'"),
    (b"ghcr.io/acme/web", b"ghcr.io/acme/web:1.1.0"),
    (b'"ghcr.io/acme/web"', b'"ghcr.io/acme/web:1.1.0"'),
    (b"ghcr.io/acme/web:latest", b"ghcr.io/acme/web:1.1.0"),
    (b"ghcr.io/acme/web:1.0.0@" + OLD.encode(), b"ghcr.io/acme/web:1.1.0@" + NEW.encode()),
    (b"ghcr.io/acme/web@" + OLD.encode(), b"ghcr.io/acme/web@" + NEW.encode()),
]


@pytest.mark.parametrize(("before", "after"), SPELLINGS)
@pytest.mark.parametrize("form", ["lf", "crlf", "no final newline", "bom"])
def test_only_the_reference_changes(before, after, form):
    """Quotes, anchors, comments, line breaks, byte order mark and a missing last line break stay."""

    def shaped(data: bytes) -> bytes:
        match form:
            case "crlf":
                return data.replace(b"\n", b"\r\n")
            case "no final newline":
                return data.rstrip(b"\n")
            case "bom":
                return b"\xef\xbb\xbf" + data
        return data

    assert change(project(shaped(web(before)))) == {"compose.yml": shaped(web(after))}


def test_a_flow_mapping_and_a_quoted_key():
    """Whatever form the file has."""
    before = b'{"services": {"web": {"image": "ghcr.io/acme/web:1.0.0", "x": [1,2]}}}'
    assert change(project(before)) == {"compose.yml": before.replace(b"1.0.0", b"1.1.0")}


def test_what_is_right_already_is_left():
    """No edit at all."""
    assert change(project(web(b"ghcr.io/acme/web:1.1.0"))) == {}


@pytest.mark.parametrize(
    ("image", "env", "after"),
    [
        (b"ghcr.io/acme/web:${TAG}", b"TAG=1.0.0\n", b"TAG=1.1.0\n"),
        (b"ghcr.io/acme/web:$TAG", b"A=1\r\nTAG=1.0.0 # now\r\nB=2", b"A=1\r\nTAG=1.1.0 # now\r\nB=2"),
        (b"ghcr.io/acme/web:${TAG:-1.0.0}", b"TAG='1.0.0'\n", b"TAG='1.1.0'\n"),
        (b"ghcr.io/acme/web:${TAG:-1.0.0}", b"# none\n", b"# none\nTAG=1.1.0\n"),
        (b"ghcr.io/acme/web:${TAG:-1.0.0}", b"A=1\r\nB=2", b"A=1\r\nB=2\r\nTAG=1.1.0\r\n"),
        (b"ghcr.io/acme/web:${TAG:-1.0.0}", None, b"TAG=1.1.0\n"),
        (b"ghcr.io/acme/web:${TAG:-1.0.0}", b"TAG=\n", b"TAG=1.1.0\n"),
        (b"ghcr.io/acme/web:${TAG:-${OLDER:-1.0.0}}", b"OLDER=0.9\n", b"OLDER=0.9\nTAG=1.1.0\n"),
        (b"ghcr.io/acme/web:${TAG:?say it}", b'export TAG="1.0.0"\n', b'export TAG="1.1.0"\n'),
        (b"${REGISTRY}/acme/web:${TAG}", b"REGISTRY=ghcr.io\nTAG=1.0.0", b"REGISTRY=ghcr.io\nTAG=1.1.0"),
        (b"${IMAGE}", b"IMAGE=ghcr.io/acme/web:1.0.0\n", b"IMAGE=ghcr.io/acme/web:1.1.0\n"),
        (b"${IMAGE}", b"IMAGE=ghcr.io/acme/web\n", b"IMAGE=ghcr.io/acme/web:1.1.0\n"),
        (b"${IMAGE}", b"TAG=1\nTAG=2\nIMAGE=ghcr.io/acme/web:1\n", b"TAG=1\nTAG=2\nIMAGE=ghcr.io/acme/web:1.1.0\n"),
        (b"ghcr.io/acme/web:${TAG}", b"TAG=0.1\nTAG=1.0.0\n", b"TAG=0.1\nTAG=1.1.0\n"),
        (b"ghcr.io/acme/web:1.${MINOR}.0", b"MINOR=0\n", b"MINOR=1\n"),
    ],
)
def test_a_tag_in_a_variable_is_changed_in_the_env_file(image, env, after):
    """The compose file stays; of the env file only the value changes."""
    assert change(project(web(image), env=env)) == {".env": after}


def test_a_tag_in_a_variable_with_a_digest_beside_it():
    """The tag in the env file, the digest in the compose file."""
    before = project(web(b"ghcr.io/acme/web:${TAG}@" + OLD.encode()), env=b"TAG=1.0.0\n")
    assert change(before) == {
        ".env": b"TAG=1.1.0\n",
        "compose.yml": web(b"ghcr.io/acme/web:${TAG}@" + NEW.encode()),
    }


def test_the_last_file_that_says_something_is_changed():
    """An override wins over the file below it."""
    base = web(b"ghcr.io/acme/web:0.1")
    override = b"services:\n  web:\n    image: ghcr.io/acme/web:1.0.0\n"
    assert change(project(base, override)) == {"1.yml": override.replace(b"1.0.0", b"1.1.0")}
    assert change(project(base, b"services:\n  web:\n    tty: true\n")) == {
        "compose.yml": web(b"ghcr.io/acme/web:1.1.0")
    }


ANCHOR = b"x-image: &img ghcr.io/acme/web:1.0.0\nservices:\n  web:\n    image: *img\n"
MERGE = b"x-base: &base\n  image: ghcr.io/acme/web:1.0.0\n  tty: true\nservices:\n  web:\n    <<: *base\n"
MERGES = b"x-a: &a {tty: true}\nx-b: &b {image: 'ghcr.io/acme/web:1.0.0'}\nservices:\n  web:\n    <<: [*a, *b]\n"
EXTENDS = b"services:\n  web:\n    extends: {service: base}\n  base:\n    image: ghcr.io/acme/web:1.0.0\n"
WHOLE = b"services:\n  web: &web\n    image: ghcr.io/acme/web:1.0.0\n"


@pytest.mark.parametrize("data", [ANCHOR, MERGE, MERGES, WHOLE])
def test_an_image_by_another_way_is_changed_where_it_stands(data):
    """Anchor, merge key, list of merge keys: when nobody else takes it from there."""
    assert change(project(data)) == {"compose.yml": data.replace(b"1.0.0", b"1.1.0")}


@pytest.mark.parametrize(
    ("data", "more"),
    [
        (ANCHOR, b"  worker:\n    image: *img\n"),
        (MERGE, b"  worker:\n    <<: *base\n"),
        (MERGES, b"  worker:\n    <<: *b\n"),
        (WHOLE, b"  worker: *web\n"),
        (WHOLE, b"  worker:\n    extends: web\n"),
        (WHOLE, b"  worker:\n    extends:\n      service: web\n      file: compose.yml\n"),
        (HEAD + b"  web:\n    image: ghcr.io/acme/web:${TAG}\n", b"  worker:\n    image: ghcr.io/acme/web:${TAG}\n"),
        (HEAD + b"  web:\n    image: ghcr.io/acme/web:${TAG}\n", b"  worker:\n    image: other:${TAG}\n"),
    ],
)
def test_nobody_is_changed_who_is_not_named(data, more):
    """Siblings that take the image from the same place are listed; all of them together are changed."""
    shared = project(data + more, env=b"TAG=1.0.0\n")
    with pytest.raises(PlanError, match="worker would change as well") as refused:
        change(shared)
    assert "(web, worker)" in refused.value.todo
    with pytest.raises(PlanError, match="worker would change as well"):
        change(shared, others="leave")
    if b"other:" not in more:
        after = change(shared, "web", "worker")
        assert list(after.values()) in ([(data + more).replace(b"1.0.0", b"1.1.0")], [b"TAG=1.1.0\n"])


def test_extends_of_a_service_that_is_not_named():
    """The base is a service, too."""
    with pytest.raises(PlanError, match="base would change as well: the image is shared, by `extends: base`"):
        change(project(EXTENDS))
    assert change(project(EXTENDS), "web", "base") == {"compose.yml": EXTENDS.replace(b"1.0.0", b"1.1.0")}


def test_others_with_the_same_repository_are_listed_or_left():
    """Each with a line of its own."""
    data = web(b"ghcr.io/acme/web:1.0.0") + b"  worker:\n    image: ghcr.io/acme/web:1.0.0\n"
    with pytest.raises(PlanError, match="worker would stay on the old version") as refused:
        change(project(data))
    assert 'others = "leave"' in refused.value.todo
    assert change(project(data), others="leave") == {"compose.yml": data.replace(b"1.0.0", b"1.1.0", 1)}
    assert change(project(data), "web", "worker") == {"compose.yml": data.replace(b"1.0.0", b"1.1.0")}


REFUSED = [
    (HEAD + b"  db:\n    image: postgres\n", b"", "there is no service web .*they have db"),
    (b"include: [other.yml]\nservices:\n  db: {image: postgres}\n", b"", "has an `include`"),
    (b"services:\n  web:\n    build: .\n", b"", "is built here"),
    (b"services:\n  web:\n    tty: true\n", b"", "has no `image`"),
    (web(b"docker.io/acme/web:1.0.0"), b"", "has an image of docker.io/acme/web"),
    (web(b"[a, b]"), b"", "is not a text"),
    (web(b"!reset null"), b"", "is not a text"),
    (web(b'"ghcr.io/acme/web:1\\x2e0"'), b"", "has escapes"),
    (HEAD + b"  web:\n    image: >-\n      ghcr.io/acme/web:1.0.0\n", b"", "spreads over lines"),
    (web(b"ghcr.io/acme/web:${TAG"), b"", "not closed"),
    (web(b"ghcr.io/acme/web:${TAG}"), b"", "is not an image"),
    (web(b"ghcr.io/acme/web:${TAG}"), b"V=1.0.0\nTAG=$V\n", "comes from TAG, whose value has another variable"),
    (web(b"ghcr.io/acme/web:${TAG:-1.0.0}"), b'TAG="${V}"\n', "comes from TAG, whose value has another variable"),
    (web(b"ghcr.io/acme/web:${TAG:?say it}"), b"", "TAG is required and not set"),
    (web(b"ghcr.io/acme/web:${A}.${B}"), b"A=1\nB=0\n", "several parts would have to change"),
    (web(b"ghcr.io/acme/web:${A:+1.0}"), b"A=1\n", "has no single value"),
    (web(b"ghcr.io/acme/web:${A}-${A}"), b"A=1\n", "several parts"),
    (b"services:\n  web:\n    extends: {service: base, file: common.yml}\n", b"", "service base of common.yml"),
    (b"services:\n  web:\n    extends: nobody\n", b"", "there is no service nobody"),
    (b"services:\n  web:\n    extends: web\n", b"", "leads nowhere"),
    (
        b"services:\n  web:\n    image: &img ghcr.io/acme/web:1.0.0\n  db:\n    image: pg\n    labels: [*img]\n",
        b"",
        "compose.yml:6 uses for something else",
    ),
]


@pytest.mark.parametrize(("data", "env", "why"), REFUSED)
def test_what_cannot_be_changed_is_refused_with_the_reason(data, env, why):
    """Never guessed, and always with something to do."""
    with pytest.raises(PlanError, match=why) as refused:
        change(project(data, env=env))
    assert refused.value.todo


def test_a_variable_of_the_caller_cannot_be_changed():
    """It wins over the env file."""
    with pytest.raises(PlanError, match="environment sets it"):
        change(project(web(b"ghcr.io/acme/web:${TAG}"), env=b"TAG=1.0.0\n", environ={"TAG": "1.0.0"}))


def test_a_digest_that_is_not_known():
    """A digest in the file needs a new one."""
    with pytest.raises(PlanError, match="the new one's is not known"):
        change(project(web(b"ghcr.io/acme/web:1@" + OLD.encode())), digest="")


@pytest.mark.parametrize(
    "data", [b"services: [", b"a: 1\n---\nb: 2\n", b"\xff", b"a: *b\n", b"a: &a [*a]\n", b"[" * 40 + b"]" * 40]
)
def test_what_is_no_compose_file(data):
    """One line with the place."""
    with pytest.raises(ManifestError, match=r"compose\.yml"):
        project(data)


def test_nothing_in_an_empty_file():
    """Read, and without the service."""
    for data in (b"", b"# nothing\n", b"services:\n", b"[]\n", b"services: {web: }\n"):
        with pytest.raises(FsmError):
            change(project(data))
