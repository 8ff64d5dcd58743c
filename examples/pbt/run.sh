#!/usr/bin/env bash
# Trains a population in a folder of its own, and shows the best trial's lineage.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export TUNER_DB=$folder/tuner.db
tuner sweep --name toy --max score -p a=0.0..1.0 -p b=0.0..1.0 --constraint 'a + b <= 1.0' --algorithm random --seed 1 -j 2 \
    --dir "$folder/trials" --stopper pbt:population=4,max_step=100,interval=10,quantile=0.25 -- python3 "$here/train.py" {a} {b}
tuner show toy "$(tuner best toy --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["number"])')"
