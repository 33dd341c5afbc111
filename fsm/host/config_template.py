"""The `fsm.toml` that `fsm init` writes: every key with its meaning and its default, as comments.

A line that begins with ``#`` and a letter or a bracket is a setting that is switched off; prose begins with ``# ``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from fsm.errors import ConfigError, Refused

TEMPLATE: Final = """\
# fsm.toml: what fsm-updater updates on this host.
#
# A setting begins right after the "#": remove it to switch the setting on. Values shown in [fsm] are the defaults.
# Relative paths start at this file's directory, "~" is the home directory.
# `fsm doctor` examines the host, `fsm plan` shows what an update would do.

[fsm]
# Journal, locks, logs and pid files; on a local disk. Default: /var/lib/fsm for root, ~/.local/state/fsm for others.
#state_dir = "/var/lib/fsm"
# Components that are updated at the same time.
#jobs = 2
# How long `fsm check` believes its last answer.
#check_interval_hours = 24.0
# Seconds that a state may take.
#deadlines = { checking = 60.0, backing_up = 3600.0, updating = 7200.0, verifying = 1800.0, rolling_back = 3600.0 }
# Variables of the updater's environment that processes of a component's user get as well.
#pass_environment = ["HTTPS_PROXY"]

# Whose releases are installed: root keys that sign the keyring which comes with releases (`fsm keys new`), and how many
# of them must. If one component differs, write [components.NAME.trust].
# [trust]
# root_keys = ["RW..."]
# threshold = 1

# One table for each component; its name is 1 to 64 of a-z 0-9 . _ - and begins with a letter or a digit.
#[components.core]
#type = "python_app"
# The directory of the app. The updater works beside it, in .core.fsm.
#install_path = "/opt/app/core"
# Files that keep their bytes, mode, owner and times through every update and rollback.
#preserve = [".env", "config/", "data/"]
# Whether to install pre-releases.
#prereleases = false
# Components that are updated before this one.
#depends_on = ["library"]
# As whom root touches it: a user's name or number; by default the owner of the tree. "root": who may write there is
# trusted like root.
#run_as = "core"
# What `fsm rollback` does with preserved files that changed since: "keep" them, "restore" those of then, or "ask".
#rollback_data = "ask"
# Local files that no release and no pattern accounts for: "keep" (they stay in the backup) or "refuse".
#unlisted = "keep"
# "exchange": the old tree is the backup. "archive": a tar.zst is written into backup_dir as well.
#backup = "exchange"
#backup_dir = "/var/backups/core"
# Seconds that the new version must stay up before it counts as active.
#settle_seconds = 2.0
# MiB that must stay free, and MiB that a release may unpack to.
#reserve_mb = 64
#max_unpacked_mb = 4096
# What manifests may call the service, beside the component's name, and hosts that their health checks may ask.
#service_name = "core-web"
#allowed_hosts = ["localhost", "127.0.0.1", "::1"]

# Where releases come from: a directory with one folder for each version ...
#[components.core.source]
#type = "directory"
# Accept unsigned releases; without it, [trust] must say whose signatures count, and `repository` (owner/name) what
# signed manifests are bound to.
#allow_unsigned = true
#path = "/srv/releases/core"
# ... or the same layout on a web server:
# type = "http"
# url = "https://releases.example.org/core/"
# token_env = "CORE_TOKEN"
# Refuse releases without a manifest; the most MiB that a file may have; which of a release's files are for this host.
#require_manifest = false
#max_artifact_mb = 4096
#artifact = "*.tar.gz"

# How the installed version is read: one of file (plain text or JSON), package (a distribution), command.
#[components.core.version]
#file = "VERSION"

# What starts and stops the app: "process" (a daemon, no root needed) ...
#[components.core.service]
#manager = "process"
#command = [".venv/bin/python", "app.py"]
#cwd = "/opt/app/core"
#env = { PORT = "8080" }
#start_timeout = 30.0
#stop_timeout = 10.0
# ... or "systemd": a unit of the system (or of this user, with user = true); see also `fsm install-service` ...
# manager = "systemd"
# unit = "core.service"
# ... or "compose": services of a compose project ...
# manager = "compose"
# cwd = "/opt/core"
# services = ["web"]
# ... or "command" (of your own), or "none":
# manager = "command"
# start = ["/usr/local/bin/core", "start"]
# stop = ["/usr/local/bin/core", "stop"]
# status = ["/usr/local/bin/core", "status"]

# The virtual environment that a release with a requirements file gets, built before anything is stopped.
#[components.core.environment]
#requirements = "requirements.txt"
#wheels = "wheels"
# Where packages come from is said here, never by a release; a proxy belongs into env.
#index_url = "https://pypi.example.org/simple"
#extra_index_urls = ["https://www.piwheels.org/simple"]
#url_hosts = ["github.com"]
#env = { HTTPS_PROXY = "http://proxy.example.org:3128" }
# All others are installed from wheels; [":all:"] for every one that has no wheel.
#build_from_source = ["psutil"]
#link = ".venv"
#builder = "auto"
#python = "/usr/bin/python3"
#smoke = ["-c", "import app"]
#timeout = 900.0

# A program of the app that runs after the swap and before the start.
#[components.core.migration]
#command = ["{python}", "migrate.py"]
#optional = false
#timeout = 600.0

# How long old versions are kept: at least so many, and all that are younger.
#[components.core.retention]
#count = 3
#days = 7.0

# Checks before and after an update, beside those that a release's manifest asks for.
#[[components.core.pre_checks]]
#type = "disk_space"
#minimum_mb = 500

#[[components.core.post_checks]]
#type = "health_endpoint"
#url = "http://127.0.0.1:8080/health"
#timeout_seconds = 60.0

#[components.library]
#type = "python_app"
#install_path = "/opt/app/library"
#[components.library.source]
#type = "directory"
#allow_unsigned = true
#path = "/srv/releases/library"

# Services of a compose project that have one image. Each key with its default, if it has one.
#[components.web]
#type = "container"
# In the order of --file; a single one's override file counts as well. The project is what compose takes for it.
#compose_files = ["/opt/shop/docker-compose.yml"]
#project = "shop"
#services = ["web"]
# The repository, and how a version becomes a tag; the image's label that tells its version if the tag does not.
#image = "ghcr.io/acme/web"
#tag = "{version}"
#version_label = "org.opencontainers.image.version"
# Where variables come from, in the order of --env-file; by default the .env beside the compose file.
#env_file = ["/opt/shop/.env"]
# Services with the same image that are not named: refuse the update, or leave them behind.
#others = "refuse"
# Whether the services are jobs that run and end; by default their containers tell.
#one_shot = false
# Seconds until running and healthy, seconds that it must stay so, and whether an image needs a healthcheck.
#start_timeout = 120.0
#settle_seconds = 15.0
#healthcheck = "optional"
#pull_timeout = 1800.0
#allowed_hosts = ["localhost", "127.0.0.1", "::1"]
#reserve_mb = 64
# The engine; by default what `docker` uses.
#docker_host = "unix:///var/run/docker.sock"
# Its unit, restarted if it holds a port for a container that is gone after a power cut; empty: never.
#engine_unit = "docker.service"
#[components.web.source]
#type = "directory"
#allow_unsigned = true
#path = "/srv/releases/web"

# How long old images are kept: at least so many versions, and all that are younger.
#[components.web.retention]
#count = 3
#days = 7.0

#[[components.web.pre_checks]]
#type = "disk_space"
#minimum_mb = 500

#[[components.web.post_checks]]
#type = "container_running"
#container_name = "web"

# Components that are updated as one with `fsm update --set NAME`: all reach their new versions, or none does.
#[sets]
#product = ["core", "library"]
"""

_SETTING: Final = re.compile(r"^#(?=[a-z\[])", re.MULTILINE)


def switched_on(text: str = TEMPLATE) -> str:
    """The text with every setting switched on."""
    return _SETTING.sub("", text)


def write(path: Path) -> None:
    """Write the template to a new file.

    Raises:
        Refused: there is one already; it is never overwritten.
        ConfigError: it cannot be written.
    """
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(TEMPLATE)
    except FileExistsError as error:
        raise Refused(f"cannot write {path}", "it exists already", "edit it, or name another path") from error
    except OSError as error:
        raise ConfigError(f"cannot write {path}", error.strerror or str(error), "name another path") from error
