#!/bin/sh
# Puts the product on this host as people have it: some of it years old, none of it made for an updater.
set -eu
here=$(dirname "$(readlink -f "$0")")
mkdir -p /etc/fsm /opt/stage
cp "$here/host/fsm.toml" /etc/fsm/
cp "$here/host/docker-compose.yml" /opt/stage/
cp "$here/host/web.service" /etc/systemd/system/
systemctl daemon-reload
docker compose --project-directory /opt/stage -p stage up --detach --wait
git clone --quiet /srv/git/agent.git /opt/agent
echo "TOKEN=secret" > /opt/agent/.env
docker compose --project-directory /opt/agent -p agent up --detach --build --wait
fsm update web
systemctl enable web.service
fsm install-service
