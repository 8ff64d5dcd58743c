#!/usr/bin/env bash
# Runs the loop with a database of its own, and looks at it afterwards.
set -euo pipefail
command -v python3 >/dev/null || { echo "python3 is not here"; exit 0; }
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export TUNER_DB=$folder/tuner.db
python3 "$here/loop.py"
tuner show descent
