#!/usr/bin/env bash
set -euo pipefail
cd "$(dirname "$0")" && env -u TUNER_URL go run .
