"""A publisher that is killed, again and again, at moments that nobody has chosen; the last one is left to its end."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.github.fake import FakeGitHub
from tests.unit.release.conftest import Repository

pytestmark = [pytest.mark.needs_linux, pytest.mark.processes]

KILLS = 3


@pytest.mark.parametrize("seed", range(3))
def test_a_publisher_that_was_killed_is_finished_by_the_next(repository: Repository, seed: int):
    """One release, published, whole; nothing half is left."""
    moments = random.Random(seed)
    with FakeGitHub(latency=0.02) as github:
        kept = github.add_repository("o/r", immutable_releases=True)

        def begun() -> subprocess.Popen[bytes]:
            env = {"PATH": os.environ["PATH"], "HOME": str(repository.root), "GITHUB_REPOSITORY": "o/r"}
            env |= {"GITHUB_TOKEN": github.token, "GITHUB_API_URL": github.api_url}
            command = [sys.executable, "-m", "fsm", "release", "publish", "--tag", "v1.2.0", "-o", "out"]
            return subprocess.Popen(command, cwd=repository.root, env=env, stdout=subprocess.DEVNULL)

        for _ in range(KILLS):
            child = begun()
            deadline = time.monotonic() + 30
            seen = len(github.requests)
            # Python's start is no place to be killed at: what counts begins with the first request.
            while len(github.requests) == seen and child.poll() is None and time.monotonic() < deadline:
                time.sleep(0.005)
            time.sleep(moments.uniform(0.0, 0.4))
            child.send_signal(signal.SIGKILL)
            child.wait(30)
        assert begun().wait(60) == 0
        (release,) = kept.releases()
        assert (release.tag, release.draft) == ("v1.2.0", False)
        assert {asset.state for asset in release.assets.values()} == {"uploaded"}
        assert len(release.assets) == 3
