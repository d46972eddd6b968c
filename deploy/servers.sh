#!/usr/bin/env bash
# Makes sure that the servers which the tests and `make demo-distributed` start privately are installed: RabbitMQ,
# Redis, PostgreSQL. Installs Debian's packages when it runs as root; starts no service and leaves running ones alone.
set -euo pipefail

missing=()
[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || command -v rabbitmq-server >/dev/null || missing+=(rabbitmq-server)
command -v redis-server >/dev/null || missing+=(redis-server)
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null || missing+=(postgresql)
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "The tests start private servers, and these packages are missing: ${missing[*]}." >&2
  echo "Install them (Debian: sudo apt-get install ${missing[*]}), or run this once as root." >&2
  exit 2
fi

echo "installing ${missing[*]} ..."
export DEBIAN_FRONTEND=noninteractive
# A package's own start of its service is forbidden while we install; a policy that stands already is left alone.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
