"""The commands of a service behind commands: ``control.py start|stop|status SOCKET``, run in the app's directory."""

import os
import sys
import time


def main(verb: str, name: str) -> int:
    """Do what the word says; the exit code tells how it went."""
    found = [pid for pid in os.listdir("/proc") if pid.isdigit() and _serves(pid, name)]
    if verb == "status":
        return 0 if found else 3
    if verb == "start" and not found:
        if os.fork() == 0:
            os.setsid()
            os.execv(sys.executable, [sys.executable, "-S", "-I", "serve.py", name])
        return 0
    for pid in found if verb == "stop" else ():
        os.kill(int(pid), 15)
    while verb == "stop" and any(_serves(pid, name) for pid in found):
        time.sleep(0.002)
    return 0


def _serves(pid: str, name: str) -> bool:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().endswith(f"serve.py\0{name}\0".encode())
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
