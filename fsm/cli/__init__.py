"""The command line: argument parsing, progress and exit codes only.

Start-up time is a measured number. Importing this package imports nothing; `app` has a static table of the commands,
each of whose modules is imported when it is called; a command imports the façade inside its function. Standard output
carries results, standard error everything else: what goes on meanwhile, and errors.
"""

from __future__ import annotations

import gc
import os


def main() -> int:
    """Run `fsm` with the arguments of this process.

    Returns:
        The exit code, see `fsm.cli.codes`.
    """
    # What is imported never becomes garbage, and looking through it takes a seventh of a short command's time. The
    # collector is on again once the façade is loaded (`fsm.cli.common`); frozen, nothing is looked through at the end.
    gc.disable()
    from fsm.system.inherited import no_plugins  # noqa: PLC0415 - importing this package imports nothing

    no_plugins()
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        # As dpkg does: what root installs is for services of other users to read. Secrets have modes of their own.
        os.umask(0o022)
    try:
        from fsm.cli.run import run  # noqa: PLC0415 - so that Ctrl-C during the import leaves no traceback either

        return run()
    except KeyboardInterrupt:
        return 75
    finally:
        gc.freeze()
        gc.enable()
