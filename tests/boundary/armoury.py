"""An attacker's programs: each says who runs it, and with what, in a file that everybody may write.

A program of an attacker's may run, as the attacker. Nothing that it says may be a uid, gid or group 0, a capability, or
a variable of the updater's environment.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Final

from tests.boundary.canary import MARKERS
from tests.boundary.ground import ATTACKER, Ground

NAMES: Final = ("git", "cat", "python", "python3", "pip", "uv", "sh", "gcc", "docker", "env", "tar", "setpriv", "serve")
"""What programs of ours start others by."""

MODULES: Final = ("sitecustomize.py", "usercustomize.py", "json.py", "click.py", "fsm.py", "fsm_git.py", "encodings.py")
"""Modules that a Python finds first where it looks in the wrong directory."""

_SOURCE: Final = r"""
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
extern char **environ;
int main(int argc, char **argv) {
    static char said[1 << 16], line[512];
    size_t length = 0;
    FILE *status = fopen("/proc/self/status", "r");
    length += snprintf(said, 600, "program %.400s\n", argc ? argv[0] : "?");
    while (status && fgets(line, sizeof line, status))
        if (!strncmp(line, "Uid:", 4) || !strncmp(line, "Gid:", 4) || !strncmp(line, "Groups:", 7)
            || !strncmp(line, "CapEff:", 7) || !strncmp(line, "CapPrm:", 7))
            length += snprintf(said + length, sizeof said - length, "%.500s", line);
    for (char **one = environ; *one && length < sizeof said - 2000; one++)
        length += snprintf(said + length, 1500, "environ %.1400s\n", *one);
    length += snprintf(said + length, 8, "end\n");
    int drop = open(DROP, O_WRONLY | O_APPEND);
    if (drop >= 0 && write(drop, said, length) < 0) return 1;
    puts("1.0.0");
    return 0;
}
"""

_MODULE: Final = """\
import os
said = "program %s\\n" % __file__
for line in open("/proc/self/status"):
    if line.startswith(("Uid:", "Gid:", "Groups:", "CapEff:", "CapPrm:")):
        said += line
said += "".join("environ %s=%s\\n" % pair for pair in os.environ.items())
with open({drop!r}, "a") as drop:
    drop.write(said + "end\\n")
"""


class Armoury:
    """The programs, ready to be planted.

    Attributes:
        program: an executable.
        module: a Python module.
    """

    def __init__(self, ground: Ground) -> None:
        self._drop = ground.drop
        self.program = ground.armoury / "program"
        self.module = ground.armoury / "module.py"
        source = ground.armoury / "program.c"
        source.write_text(_SOURCE)
        compiler = shutil.which("cc") or shutil.which("gcc") or "cc"
        subprocess.run([compiler, "-O1", "-static", f'-DDROP="{ground.drop}"', "-o", self.program, source], check=True)
        self.program.chmod(0o755)
        self.module.write_text(_MODULE.format(drop=str(ground.drop)))
        self.module.chmod(0o644)

    def said(self) -> list[dict[str, str]]:
        """What ran: for each program its name and the lines about it."""
        found = []
        for block in self._drop.read_bytes().decode(errors="replace").split("end\n")[:-1]:
            lines = [line.partition(":" if ":" in line.split(" ", 1)[0] else " ") for line in block.splitlines()]
            one = {name: value.strip() for name, _, value in lines if name != "environ"}
            found.append(one | {"environ": block})
        return found

    def wrong(self, attackers: Set[int] = frozenset({ATTACKER})) -> list[str]:
        """Programs that ran with what their attackers do not have."""
        return sorted(set(self._wrong({str(uid) for uid in attackers})))

    def _wrong(self, attackers: Set[str]) -> Iterator[str]:
        for one in self.said():
            name = Path(one.get("program", "?")).name
            if "0" in one.get("Uid", "").split():
                yield f"{name} ran as root"
            elif int(one.get("CapEff", "0") or "0", 16) or int(one.get("CapPrm", "0") or "0", 16):
                yield f"{name} ran with capabilities"
            elif "0" in (one.get("Gid", "") + " " + one.get("Groups", "")).split():
                yield f"{name} ran in root's group"
            elif strangers := set(one.get("Uid", "").split()) - attackers:
                yield f"{name} ran as {', '.join(sorted(strangers))}"
            for what, marker in MARKERS.items():
                if marker.decode() in one["environ"]:
                    yield f"{name} was given {what}"
