"""The tests' GitHub in a process of its own: ``python -m benchmarks.github_fake REPOSITORIES MILLISECONDS``.

Prints its API's address; then, for each line that comes, how many requests there have been since the line before, and
how many of them were counted against the rate limit. Each repository ``example/rN`` has two releases.
"""

from __future__ import annotations

import sys

from tests.github.fake import FakeGitHub


def main() -> None:
    """Serve until the standard input ends."""
    with FakeGitHub(latency=int(sys.argv[2]) / 1000, strict=False) as github:
        for number in range(int(sys.argv[1])):
            repository = github.add_repository(f"example/r{number}")
            for tag in ("v1.0.0", "v1.1.0"):
                repository.add_release(tag, body="What is new.\n" * 20)
        print(github.api_url, flush=True)
        while sys.stdin.readline():
            print(len(github.requests), github.limits.used, flush=True)
            github.requests.clear()
            github.limits.used = 0


if __name__ == "__main__":
    main()
