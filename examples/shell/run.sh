#!/usr/bin/env bash
# Runs the loop in a database of its own, then over a server.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || { kill "$server"; wait "$server"; }; rm -rf "$folder"' EXIT
unset TUNER_URL
export TUNER_DB=$folder/loop.db
sh "$here/loop.sh" 10

tuner serve --listen 127.0.0.1:0 --db "$folder/served.db" >"$folder/said" 2>"$folder/log" &
server=$!
until grep -q 'use it:' "$folder/said"; do
	kill -0 "$server"
	sleep 0.1
done
unset TUNER_DB
eval "$(sed -n 's/^use it: *//p' "$folder/said")"
sh "$here/loop.sh" 10
