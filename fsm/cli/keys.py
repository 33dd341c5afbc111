"""`fsm keys`: the keys that sign releases, and the keyring that says which of them count."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fsm.cli import commands, common, output
from fsm.cli.codes import Code
from fsm.errors import UsageError, count

if TYPE_CHECKING:
    from fsm.formats.trust import Keyring, SecretKey
    from fsm.release.keyfiles import KeyFile, KeyState, NewPair


@click.group(cls=commands.Group, examples=("fsm keys new ci --root root.key", "fsm keys show fsm-keyring.yaml"))
def keys() -> None:
    """Create, show, replace and revoke signing keys.

    A root key, kept offline, signs the keyring. The keyring says which keys may sign manifests. Hosts pin the root key
    ([trust] in fsm.toml). Keys and signatures use the format of minisign. Passwords are asked for, or read from
    $FSM_KEY_PASSWORD and, for root keys, from $FSM_ROOT_PASSWORD.
    """


_keyring = click.option(
    "--keyring", metavar="FILE", default="fsm-keyring.yaml", show_default=True, type=click.Path(), help="The keyring."
)
_root = click.option(
    "--root",
    "roots",
    metavar="FILE",
    multiple=True,
    type=click.Path(),
    help="Root key that signs the keyring; repeatable.",
)


def _made(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option(
            "--for",
            "repositories",
            metavar="OWNER/NAME",
            multiple=True,
            help="Valid only for this repository; repeatable.",
        ),
        click.option("--days", metavar="N", type=click.IntRange(1, 36500), help="Valid for N days. Default: forever."),
        click.option("--no-password", is_flag=True, help="Write the secret key unencrypted, as for a CI secret."),
        click.option(
            "--dir", "directory", metavar="DIR", default=".", type=click.Path(), help="Directory for the key files."
        ),
        common.json_option,
    ):
        command = option(command)
    return command


@keys.command(
    cls=commands.Command,
    examples=("fsm keys new root --dir ~/offline", "fsm keys new ci --root ~/offline/root.key --days 365"),
)
@click.argument("name")
@_made
@_keyring
@_root
@click.option(
    "--threshold", metavar="K", type=click.IntRange(1, 16), help="Require K keys to sign a manifest from now on."
)
def new(name: str, keyring: str, roots: tuple[str, ...], threshold: int | None, as_json: bool, **given: Any) -> int:
    """Create a key pair: NAME.key, to be kept secret, and NAME.pub.

    With --root, the key is added to the keyring.
    """
    from fsm.formats.trust.ring_changes import added, with_threshold  # noqa: PLC0415 - see above
    from fsm.release import keyfiles  # noqa: PLC0415 - cryptography, only for these commands

    wanted, path = _wanted(name, given), Path(keyring)
    signers = _signers(roots)
    if not signers:
        _refuse_unkept({"--days": given["days"], "--for": given["repositories"], "--threshold": threshold})
    made, text = keyfiles.make(wanted, _ask)
    if not signers:
        return _report([*keyfiles.write_pair(wanted, made, text)], as_json)
    before = keyfiles.read_ring(path, [each.public_key for each in signers]) if path.exists() else None
    ring = added(before, keyfiles.entry(wanted, made.public_key))
    ring = ring if threshold is None else _at_once(with_threshold(ring, threshold), ring)
    return _report(keyfiles.write_all(wanted, made, text, lambda: keyfiles.write_ring(path, ring, signers)), as_json)


@keys.command(
    cls=commands.Command,
    examples=("fsm keys rotate ci ci-2027 --root root.key", "fsm keys rotate ci ci-2027 --root root.key --overlap 7"),
)
@click.argument("old")
@click.argument("name")
@_made
@click.option(
    "--overlap",
    metavar="N",
    default=30,
    show_default=True,
    type=click.IntRange(0, 3650),
    help="Days that OLD stays valid.",
)
@_keyring
@_root
def rotate(old: str, name: str, overlap: int, keyring: str, roots: tuple[str, ...], as_json: bool, **given: Any) -> int:
    """Replace a key: create NAME, add it to the keyring, and let OLD expire.

    Releases signed only by OLD can no longer be installed after it expires; installed ones keep running. NAME is valid
    for the same repositories as OLD, unless --for says otherwise.
    """
    from fsm.formats.trust.ring_changes import added, ending  # noqa: PLC0415 - see above
    from fsm.release import keyfiles  # noqa: PLC0415 - cryptography, only for these commands

    wanted, path = _wanted(name, given), Path(keyring)
    signers = _needed(roots)
    ring = keyfiles.read_ring(path, [each.public_key for each in signers])
    ended = ending(ring, old, keyfiles.in_days(overlap))
    before = next(each for each in ring.keys if each.name == old)
    wanted = wanted.model_copy(update={"repositories": wanted.repositories or before.repositories})
    made, text = keyfiles.make(wanted, _ask)
    after = _at_once(added(ended, keyfiles.entry(wanted, made.public_key)), ended)
    return _report(keyfiles.write_all(wanted, made, text, lambda: keyfiles.write_ring(path, after, signers)), as_json)


@keys.command(
    cls=commands.Command,
    examples=("fsm keys revoke ci --root root.key", "fsm keys revoke ci --root root.key --why 'leaked in a log'"),
)
@click.argument("name")
@click.option("--why", default="", help="Reason, shown to users.")
@_keyring
@_root
@common.json_option
def revoke(name: str, why: str, keyring: str, roots: tuple[str, ...], as_json: bool) -> int:
    """Revoke a key: hosts that learn of it trust nothing it has signed."""
    from fsm.formats.trust.ring_changes import revoked  # noqa: PLC0415 - see above
    from fsm.release import keyfiles  # noqa: PLC0415 - cryptography, only for these commands

    signers = _needed(roots)
    ring = keyfiles.read_ring(Path(keyring), [each.public_key for each in signers])
    return _report([keyfiles.write_ring(Path(keyring), revoked(ring, name, why, datetime.now(UTC)), signers)], as_json)


@keys.command(cls=commands.Command, examples=("fsm keys show", "fsm keys show ci.pub fsm-keyring.yaml"))
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path())
@click.option(
    "--root-key",
    "pinned",
    metavar="RW...",
    multiple=True,
    help="Public root key to verify the keyring with; repeatable.",
)
@common.json_option
def show(files: tuple[str, ...], pinned: tuple[str, ...], as_json: bool) -> int:
    """Show what key files contain; by default, the keyring in this directory.

    With --root-key, the keyring is verified; without, it is shown as not verified.
    """
    from fsm.formats.trust import PublicKey  # noqa: PLC0415 - see above
    from fsm.release import keyfiles  # noqa: PLC0415 - cryptography, only for these commands

    roots = [PublicKey.parse(each) for each in pinned]
    return _report([keyfiles.described(Path(name), roots) for name in files or ("fsm-keyring.yaml",)], as_json)


def _wanted(name: str, given: dict[str, Any]) -> NewPair:
    from fsm.release.keyfiles import NewPair  # noqa: PLC0415 - loaded by the caller

    return NewPair(
        name=name,
        directory=Path(given["directory"]),
        encrypted=not given["no_password"],
        days=given["days"],
        repositories=given["repositories"],
    )


def _refuse_unkept(given: dict[str, Any]) -> None:
    """A key's own files say neither how long it is good, nor for what."""
    for option, value in given.items():
        if value:
            what = f"{option} is stored in the keyring, which needs a root key to sign it"
            raise UsageError("cannot make the key", what, "give --root FILE, or leave the option out")


def _at_once(ring: Keyring, before: Keyring) -> Keyring:
    """Two changes at once are one version."""
    return ring.model_copy(update={"version": before.version})


def _signers(roots: tuple[str, ...]) -> tuple[SecretKey, ...]:
    from fsm.release.keyfiles import secrets  # noqa: PLC0415 - loaded by the caller

    return secrets([(path, common.read_text(path)) for path in roots], _ask)


def _needed(roots: tuple[str, ...]) -> tuple[SecretKey, ...]:
    if not roots:
        raise UsageError("cannot change the keyring", "it needs a root key to sign it", "give --root FILE")
    return _signers(roots)


def _ask(variable: str, prompt: str, is_new: bool) -> str:
    found = os.environ.get(variable)
    if found:
        return found
    if not sys.stdin.isatty():
        todo = f"set ${variable}{', or give --no-password' if is_new else ''}"
        raise UsageError("cannot continue", f"there is no terminal to ask for the {prompt}", todo)
    asked: str = click.prompt(prompt, hide_input=True, confirmation_prompt=is_new, err=True)
    return asked


def _report(found: Sequence[KeyFile], as_json: bool) -> int:
    if as_json:
        output.emit(found)
        return Code.DONE
    for each in found:
        if each.kind == "secret":
            locked = "encrypted" if each.encrypted else "NOT encrypted: anyone who can read it can sign"
            output.say(f"{each.path}: secret key {each.id or 'with an encrypted id'}, {locked}")
        elif each.kind == "public":
            output.say(f"{each.path}: public key {each.id}: {each.key}")
        else:
            whose = "signed by a root key" if each.verified else "not verified: give --root-key RW..."
            needed = count(each.threshold or 1, "signature")
            output.say(f"{each.path}: keyring version {each.version}, {needed} required, {whose}")
            for line in output.table(("key", "id", "valid until"), (_row(key) for key in each.keys)):
                output.say(f"  {line}")
    return Code.DONE


def _row(key: KeyState) -> tuple[str, str, str]:
    if key.state == "revoked":
        return key.name, key.id, f"revoked: {output.one_line(key.why)}" if key.why else "revoked"
    until = key.not_after or "forever"
    only = f", for {', '.join(key.repositories)}" if key.repositories else ""
    return key.name, key.id, f"{until}{' (expired)' if key.state == 'expired' else ''}{only}"
