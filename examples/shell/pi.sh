#!/bin/sh
# How well does the fraction P/Q approximate pi? Parameters come from the
# environment, so that nothing has to be quoted.
set -eu
p=$TUNER_PARAM_P
q=$TUNER_PARAM_Q

# A fraction that can be reduced is another point's work.
a=$p b=$q
while [ "$b" -ne 0 ]; do
	t=$((a % b)) a=$b b=$t
done
if [ "$a" -ne 1 ]; then
	echo "{\"tuner\":\"infeasible\",\"reason\":\"$p/$q can be reduced by $a\"}"
	exit 0
fi

awk -v p="$p" -v q="$q" 'BEGIN {
	pi = atan2(0, -1)
	d = p / q - pi
	printf "distance: %.12g\n", d < 0 ? -d : d
}'
