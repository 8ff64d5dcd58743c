#!/usr/bin/env bash
# Starts a server of its own and runs search.py on it; then a sweep of train.py.
set -euo pipefail
command -v python3 >/dev/null || { echo "python3 is not here"; exit 0; }
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
tuner serve --listen 127.0.0.1:0 --db "$folder/tuner.db" >"$folder/serve.txt" &
server=$!
trap 'kill $server; wait $server || true; rm -rf "$folder"' EXIT
until grep -q '^use it' "$folder/serve.txt"; do
	kill -0 $server
	sleep 0.05
done
TUNER_URL=$(sed -n 's/^url *//p' "$folder/serve.txt")
export TUNER_URL TUNER_TOKEN_FILE=$folder/tuner.token
python3 "$here/search.py"
tuner sweep --min loss -p rate=0.001..1.0:log -n 6 --dir "$folder/trials" -q -- python3 "$here/train.py"
