"""The message for each mistake in a manifest: one line, with its place, what is wrong and what is expected."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.formats.manifest import canonical
from tests.strategies_manifest import manifests
from tests.unit.manifest.reading import DIGEST, HEAD, download, refusal

CHECKS = "backup_exists, container_running, disk_space, health_endpoint, service_active, service_running, version_check"
ARTIFACT = f"artifacts:\n  - name: a\n    sha256: {DIGEST}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 1.10", '1:10: version is the number 1.10, which YAML reads as 1.1; put it in quotes: "1.10"'),
        ("version: 2", '1:10: version is the number 2; put it in quotes: "2"'),
        ("version: 0x1F", '1:10: version is the number 0x1F, which YAML reads as 31; put it in quotes: "0x1F"'),
        ("version: latest", '1:10: version is "latest"; write a version like 1.4.0, 2.0.0rc1 or 3.0.0-poc'),
        ("version: ~", "1:10: version is empty; write a version like 1.4.0, 2.0.0rc1 or 3.0.0-poc"),
        ("version: [1]", "1:10: version is a list; write a version like 1.4.0, 2.0.0rc1 or 3.0.0-poc"),
        (
            'version: "1.0+/../../x"',
            '1:10: version is "1.0+/../../x"; write a version like 1.4.0, 2.0.0rc1 or 3.0.0-poc',
        ),
        ("component: x", "1:1: version is missing; write a version like 1.4.0, 2.0.0rc1 or 3.0.0-poc"),
        (HEAD + "componet: x\nverison: 3", '2:1: componet is not a known key; did you mean "component"? (and 1 more)'),
        (
            HEAD + '"a\\nb": 1',
            '2:1: ["a\\nb"] is not a known key; known here: artifacts, component, component_type, expires_at, '
            "min_remote_version, min_updater_version, notes, platform, post_update_checks, pre_update_checks, "
            "released_at, rollback_steps, sequence, update_steps, version",
        ),
        (
            HEAD + "component: Core",
            '2:12: component is "Core"; write a name of 1 to 64 characters of a-z 0-9 . _ -, or leave the key out',
        ),
        (HEAD + "platform: true", '2:11: platform is true; put it in quotes: "true"'),
        (HEAD + "notes: {a: 1}", "2:8: notes is a mapping; write a text"),
        (HEAD + "update_steps: {}", "2:15: update_steps is a mapping; write a list"),
        (HEAD + "update_steps: '1'", '2:15: update_steps is "1"; write a list'),
        (HEAD + "update_steps:\n", "3:1: update_steps is empty; write a list"),
        (HEAD + "update_steps:\n- x", '3:3: update_steps[0] is "x"; write a mapping with the key action'),
        (HEAD + "artifacts:\n- 1", "3:3: artifacts[0] is the number 1; write a mapping with the key name"),
        (
            HEAD + "update_steps:\n" + "- action: stop_service\n" * 201,
            "3:1: update_steps has 201 entries; at most 200 are allowed",
        ),
        (HEAD + "pre_update_checks:\n- {}", f"3:3: pre_update_checks[0].type is missing; write one of {CHECKS}"),
        (
            HEAD + "pre_update_checks:\n- type: 7",
            f"3:9: pre_update_checks[0].type is the number 7, which is not a known type; known here: {CHECKS}",
        ),
        (
            HEAD + "pre_update_checks:\n- type: disk_spce",
            '3:9: pre_update_checks[0].type is "disk_spce", which is not a known type; '
            f'did you mean "disk_space"? known here: {CHECKS}',
        ),
        (
            HEAD + "post_update_checks:\n- type: command\n  argv: [reboot]",
            '3:9: post_update_checks[0].type is "command"; remove it; '
            "commands come only from the host's configuration",
        ),
        (
            HEAD + "rollback_steps:\n- action: command",
            '3:11: rollback_steps[0].action is "command", which is not a known action; known here: backup_compose, '
            "backup_installation, download_artifact, extract_artifact, install_requirements, pull_image, "
            "restart_service, restore_backup, restore_compose, run_migrations, start_service, stop_service, "
            "update_compose",
        ),
        (
            HEAD + "pre_update_checks:\n- type: disk_space\n  minimum_mb: 5.5",
            "4:15: pre_update_checks[0].minimum_mb is the number 5.5; write a whole number greater than 0",
        ),
        (
            HEAD + "pre_update_checks:\n- type: disk_space\n  minimum_mb: '5'",
            '4:15: pre_update_checks[0].minimum_mb is "5"; write a whole number greater than 0, without quotes',
        ),
        (
            HEAD + "pre_update_checks:\n- type: backup_exists\n  max_age_hours: .inf",
            "4:18: pre_update_checks[0].max_age_hours is the number .inf, which YAML reads as inf; "
            "write a number greater than 0 and at most 1000000, or leave the key out",
        ),
        (
            HEAD + f"pre_update_checks:\n- type: disk_space\n  minimum_mb: '{'9' * 500}'",
            f'4:15: pre_update_checks[0].minimum_mb is "{"9" * 57}..."; write a whole number greater than 0',
        ),
        (
            HEAD + "update_steps:\n- action: run_migrations\n  optional: yes\n  script: ../x",
            '4:13: update_steps[0].optional is "yes"; write true or false (and 1 more)',
        ),
        (
            HEAD + "update_steps:\n- action: run_migrations\n  script: a/../../x",
            "4:11: update_steps[0].script is \"a/../../x\"; write a path without '..' and control characters, "
            "or leave the key out",
        ),
        (
            HEAD + "update_steps:\n- action: pull_image",
            "3:3: update_steps[0].image is missing; write an image like registry.example/team/app:1.2.0",
        ),
        (
            HEAD + "update_steps:\n- action: update_compose\n  image_tag: 1.10",
            '4:14: update_steps[0].image_tag is the number 1.10, which YAML reads as 1.1; put it in quotes: "1.10"',
        ),
        (
            HEAD + "update_steps:\n- action: stop_service\n  service: x",
            '4:3: update_steps[0].service is not a known key; did you mean "service_name"?',
        ),
        (
            HEAD + "post_update_checks:\n- type: health_endpoint\n  url: http://good@evil/",
            '4:8: post_update_checks[0].url is "http://good@evil/"; '
            "write an http or https URL without spaces, user name, password and fragment",
        ),
        (
            HEAD + "update_steps:\n- action: download_artifact\n  url: https://x/" + "y" * 5000,
            "4:8: update_steps[0].url has more than 4096 characters; make it shorter",
        ),
        (
            HEAD + "artifacts:\n- name: a",
            "3:3: artifacts[0].sha256 is missing; write sha256: and 64 lower-case hexadecimal digits",
        ),
        (
            HEAD + ARTIFACT + "    size: 0",
            "5:11: artifacts[0].size is 0; write the size in bytes, or leave the key out",
        ),
        (
            HEAD + ARTIFACT + "    url: ../other",
            "5:10: artifacts[0].url cannot be fetched; write an http or https URL without spaces, user name, password "
            "and fragment, or a plain path relative to the release",
        ),
        (
            HEAD + f"artifacts:\n- name: ../a\n  sha256: {DIGEST}",
            '3:9: artifacts[0].name is "../a"; '
            "write a plain file name without slashes that begins with neither a dot nor a minus sign",
        ),
        (
            HEAD + ARTIFACT + f"  - name: a\n    sha256: {DIGEST}",
            "5:11: artifacts[1].name describes a second a; give each artifact its own name",
        ),
        (
            download("sha256:" + "b" * 64, "https://x/a") + ARTIFACT,
            "5:13: update_steps[0].checksum differs from the sha256 of artifact a; correct the wrong one",
        ),
        (
            HEAD + "min_updater_version: '1'\nmin_remote_version: '2'",
            "3:21: min_remote_version differs from min_updater_version; keep one of the two",
        ),
        (
            HEAD + "min_updater_version: ~\nmin_remote_version: '2'",
            "3:21: min_remote_version differs from min_updater_version; keep one of the two",
        ),
        (
            HEAD + "update_steps:\n- action: run_migrations\n  optional: 'true'",
            '4:13: update_steps[0].optional is "true"; write true or false, without quotes',
        ),
        (
            HEAD + "artifacts:\n- name: a.tgz\n  platform: 'linux '",
            '4:13: artifacts[0].platform is "linux "; '
            "write a platform like linux or linux-x86_64, or leave the key out",
        ),
        ("a: [", "1:5: a value is missing; write it, or remove what announces it"),
    ],
)
def test_messages(text, message):
    """Each mistake gets one line: where, what is wrong, what is expected."""
    assert refusal(text) == f"m.yaml:{message}"


def test_thousands_of_mistakes():
    """However many mistakes there are, only the first is put into words."""
    began = time.process_time()
    assert refusal(HEAD + "".join(f"k{number}: 1\n" for number in range(5000))).endswith("version (and 4999 more)")
    assert time.process_time() - began < 5


@given(manifests(), st.data())
def test_broken_manifests(manifest, data):
    """A valid manifest with a piece cut out or put in is a manifest or one line, never another exception."""
    text = canonical(manifest).decode()
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, min(len(text), begin + 20)))
    piece = data.draw(st.sampled_from(["", "\n", ": ", "x: 1\n", "'", "- ", "[1, {a: b}]", "1.10", ".nan", "~"]))
    refusal(text[:begin] + piece + text[end:])


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.sampled_from(["version", "component", "notes", "platform", "artifacts", "pre_update_checks", "update_steps"]),
    PLAIN,
    st.sampled_from(["{0}", "[{0}]", "[{{type: {0}}}]", "[{{type: disk_space, minimum_mb: {0}}}]", "[{{name: {0}}}]"]),
)
def test_any_value(key, value, form):
    """Any plain value at any key is accepted or refused with one line."""
    text = form.format(json.dumps(value)).replace("Infinity", ".inf").replace("NaN", ".nan")
    refusal(f"{'' if key == 'version' else HEAD}{key}: {text}\n")
