#!/usr/bin/env bash
# Builds the program and tunes it, in a folder of its own.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$here" && go build -o "$folder/train" .)
export TUNER_DB=$folder/tuner.db
tuner sweep --min loss -p rate=0.001..1.0:log -p steps=10..50 -n 12 -j 2 --dir "$folder/trials" -- "$folder/train"
