#!/bin/sh
# The same search as a loop of its own: tuner says what to try, and is told what
# came of it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tuner create pi-loop --min distance -p p=300..400 -p q=90..130 -n "${1:-40}"

while eval "$(tuner ask pi-loop -o env)"; do
	out=$(sh "$here/pi.sh")
	case $out in
	distance:*) tuner tell pi-loop "$TUNER_TRIAL" distance="${out#distance: }" ;;
	*) tuner tell pi-loop "$TUNER_TRIAL" --infeasible --reason 'it can be reduced' ;;
	esac
done
tuner best pi-loop
