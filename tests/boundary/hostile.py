"""Texts that an attacker plants: `SECRET`, `CANARY` and `PROGRAM` stand for paths."""

from __future__ import annotations

from typing import Final

NAME: Final = "\x1b]0;owned\x07\u202etxt.\u2066exe\nnew line\x9b31m"
"""A name that would steer a terminal, turn a line round or begin a new one."""

COMPOSE_FILE: Final = """\
include: [{path: docker-compose.yml, env_file: SECRET}]
services:
  web:
    image: "127.0.0.1:9/shop/web:1.0.0"
    env_file: [SECRET]
    label_file: [SECRET]
    extends: {file: CANARY/private/key, service: web}
    build: {context: CANARY/private, dockerfile: SECRET}
    volumes: ["/:/host"]
    privileged: true
    command: "${TOKEN} $FSM_BOUNDARY_SECRET"
configs: {one: {file: SECRET}}
secrets: {one: {file: SECRET}}
"""
"""Every way that compose has for reading a file."""

GIT_SETTINGS: Final = """
[core]
	fsmonitor = PROGRAM
	hooksPath = CANARY/../armoury
	sshCommand = PROGRAM
	gitProxy = PROGRAM
	pager = PROGRAM
	editor = PROGRAM
	askPass = PROGRAM
	attributesFile = CANARY/secret
	excludesFile = CANARY/secret
[filter "evil"]
	clean = PROGRAM
	smudge = PROGRAM
	process = PROGRAM
	required = true
[diff "evil"]
	command = PROGRAM
	textconv = PROGRAM
[diff]
	external = PROGRAM
[merge "evil"]
	driver = PROGRAM
[credential]
	helper = PROGRAM
[http]
	proxy = http://127.0.0.1:9
	sslCert = CANARY/secret
	cookieFile = CANARY/secret
[include]
	path = CANARY/secret
[remote "origin"]
	uploadpack = PROGRAM
	vcs = evil
[uploadpack]
	packObjectsHook = PROGRAM
[protocol]
	allow = always
[url "ext::PROGRAM "]
	insteadOf = http://
[gpg]
	program = PROGRAM
[alias]
	rev-parse = !PROGRAM
[fetch]
	fsckObjects = false
"""
"""Every setting of git that names a program, and some that name files and places."""
