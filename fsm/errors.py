"""The exceptions of the updater, and what each one leads to.

::

    FsmError                      what could not be done, why, what to do next
    ├── Refused                   refuse:      nothing was touched
    │   ├── ConfigError           refuse:      the host's configuration is wrong (usage)
    │   ├── UsageError            refuse:      the call is wrong (usage)
    │   ├── ManifestError         refuse:      the release's manifest is broken or asks for too much
    │   ├── ArchiveError          refuse:      the release's archive is broken or hostile
    │   ├── IntegrityError        refuse:      size or digest is not what the manifest says
    │   ├── TrustError            refuse:      who made it, or when, cannot be shown to be right
    │   ├── SourceError           refuse:      the source answered, but not with a usable release
    │   ├── NotReady              refuse:      the release exists, its artifacts do not yet
    │   ├── PlanError             refuse:      no plan leads from here to there
    │   └── Unsupported           refuse:      this platform lacks what the call needs
    ├── UpToDate                  refuse:      there is nothing to do
    ├── Transient                 retry later: network, a server that is starting
    ├── StepFailed                roll back:   a step cannot reach its goal
    │   ├── CommandFailed         roll back:   a child process failed
    │   ├── DeadlineExceeded      roll back:   a step or a state took too long
    │   └── WorkerFailed          roll back:   the process that acts as a component's user is of no use
    ├── Busy                      busy:        another updater works on this component
    ├── Interrupted               interrupted: stopped at a safe point, `fsm resume` continues
    ├── Cancelled                 roll back:   a person asked for it
    ├── StillRunning              needs a person: what a crashed run started cannot be ended
    ├── JournalError              needs a person: the journal cannot be read or written
    └── PlanUnknown               needs a person: a frozen plan names what this version does not know
"""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import ClassVar


class LeadsTo(Enum):
    """What the program does about an error."""

    USAGE = "usage"
    REFUSE = "refuse"
    RETRY = "retry"
    ROLL_BACK = "roll back"
    BUSY = "busy"
    INTERRUPTED = "interrupted"
    PERSON = "needs attention"


def count(number: int, thing: str, things: str = "") -> str:
    """A number of things as messages say it: ``1 error``, ``2 errors``.

    Args:
        number: how many.
        thing: the word for one.
        things: the word for several, where it is not `thing` with an s.
    """
    return f"{number} {thing if number == 1 else things or f'{thing}s'}"


class BlockedBy(StrEnum):
    """What keeps an update back. The list is closed: a new word comes with a new version of fsm-updater.

    Attributes:
        HELD: a person holds the component: `fsm unhold`.
        UNTRUSTED: nothing shows who makes its releases, and `allow_unsigned` is not set.
        PINNED: the pin does not allow the newer release: `fsm pin`.
        WITHDRAWN: its maker has taken the newer release back.
        QUARANTINED: the newer release failed on this host, and its back-off has not passed.
    """

    HELD = "held"
    UNTRUSTED = "untrusted"
    PINNED = "pinned"
    WITHDRAWN = "withdrawn"
    QUARANTINED = "quarantined"


class FsmError(Exception):
    """An error that explains itself.

    Args:
        what: what could not be done, e.g. ``cannot unpack core-1.2.0.tar.gz``.
        why: the reason, e.g. ``entry "../etc/passwd" leaves the archive``.
        todo: what to do next, e.g. ``the release is broken, nothing was changed``.
        blocked: what keeps the update back, where that is known not to be the release's content.
    """

    leads_to: ClassVar[LeadsTo] = LeadsTo.PERSON

    def __init__(self, what: str, why: str = "", todo: str = "", *, blocked: BlockedBy | None = None) -> None:
        self.what = what
        self.why = why
        self.todo = todo
        self.blocked = blocked
        super().__init__(what, why, todo)

    @property
    def cause(self) -> str:
        """What could not be done, and why; what to do next stands in `todo`."""
        return f"{self.what}: {self.why}" if self.why else self.what

    def __str__(self) -> str:
        return f"{self.cause}; {self.todo}" if self.todo else self.cause


class Refused(FsmError):
    """The request was refused before anything was touched."""

    leads_to = LeadsTo.REFUSE


class ConfigError(Refused):
    """The host's configuration is wrong."""

    leads_to = LeadsTo.USAGE


class UsageError(Refused):
    """The call itself is wrong: an unknown component, two options that exclude each other."""

    leads_to = LeadsTo.USAGE


class ManifestError(Refused):
    """A manifest is malformed, or asks for more than the configuration allows."""


class ArchiveError(Refused):
    """An archive is broken, hostile, or not an archive."""


class IntegrityError(Refused):
    """Bytes do not have the size or the digest that the manifest promised."""


class TrustError(Refused):
    """Nothing shows that those who may release something made it: a key, a signature, or what one says is wrong."""


class SourceError(Refused):
    """A source answered, but not with what an update needs."""


class NotReady(Refused):
    """A release is announced, but its artifacts are not there yet; later they will be."""


class PlanError(Refused):
    """There is no plan from the installed version to the wanted one."""


class Unsupported(Refused):
    """This platform or file system lacks something that the call needs."""


class UpToDate(FsmError):
    """There is nothing to do: no release that this component may have is newer than what is installed."""

    leads_to = LeadsTo.REFUSE


class Transient(FsmError):
    """Worth another try: a network that is not up yet, a server that answers 503.

    Args:
        after: seconds that the other side asked to wait (``Retry-After``), or None.
    """

    leads_to = LeadsTo.RETRY

    def __init__(self, what: str, why: str = "", todo: str = "", *, after: float | None = None) -> None:
        super().__init__(what, why, todo)
        self.after = after


class StepFailed(FsmError):
    """A step cannot reach its goal; the run is rolled back."""

    leads_to = LeadsTo.ROLL_BACK


class CommandFailed(StepFailed):
    """A child process exited with a code that means failure, or could not be started."""


class DeadlineExceeded(StepFailed):
    """A step or a state took longer than its deadline."""


class WorkerFailed(StepFailed):
    """The process that acts as a component's user could not be started, ended, or gave no answer that makes sense."""


class Busy(FsmError):
    """Another updater holds the component's lock."""

    leads_to = LeadsTo.BUSY


class Interrupted(FsmError):
    """The updater was asked to stop and stopped at a safe point."""

    leads_to = LeadsTo.INTERRUPTED


class Cancelled(FsmError):
    """A person cancelled the run; it is rolled back."""

    leads_to = LeadsTo.ROLL_BACK


class StillRunning(FsmError):
    """What a crashed run left running cannot be ended; the run stays as it is."""


class JournalError(FsmError):
    """The journal cannot be read, is not a journal, or cannot be written."""


class PlanUnknown(FsmError):
    """A frozen plan has a newer schema, or a step that no installed adapter knows."""
