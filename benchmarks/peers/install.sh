#!/bin/sh
# Installs the tuners that the harness compares with, each group in a virtual
# environment of its own, in $TUNER_PEERS or ~/.cache/tuner-peers. Versions are
# pinned by requirements-*.txt. Running it again changes only what differs.
#
#   benchmarks/peers/install.sh [core] [smac] [nevergrad] [hebo]     default: all
#
# It needs Python 3.12, and 3.11 for hebo; where it does not find them, PYTHON and
# PYTHON_HEBO name the programs.
# All four take about 13 GB, most of it torch's CUDA libraries, which its Linux
# wheels on the package index can't be imported without.
set -eu

# find prints a Python of the version that runs; pyenv has commands for versions
# that it does not let run.
find() {
	for python in "$2" "python$1" python3 "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python; do
		if [ -n "$python" ] && [ "$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$1" ]; then
			echo "$python"
			return
		fi
	done
	echo "install.sh: there is no Python $1" >&2
	return 1
}

here=$(cd "$(dirname "$0")" && pwd)
folder=${TUNER_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/tuner-peers}
failed=

for group in ${*:-core smac nevergrad hebo}; do
	if [ ! -f "$here/requirements-$group.txt" ]; then
		echo "install.sh: there is no group $group; there are core, smac, nevergrad and hebo" >&2
		exit 2
	fi
	echo "== $group, in $folder/$group"
	case $group in
	hebo) version=3.11 named=${PYTHON_HEBO:-} ;;
	*) version=3.12 named=${PYTHON:-} ;;
	esac
	if {
		{ [ -x "$folder/$group/bin/python" ] || { python=$(find $version "$named") && "$python" -m venv "$folder/$group"; }; } &&
		"$folder/$group/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
			-r "$here/requirements-$group.txt"
	}; then
		echo "   done"
	else
		echo "   failed" >&2
		failed="$failed $group"
	fi
done

if [ -n "$failed" ]; then
	echo "install.sh: not installed:$failed; peers of the other groups can be used" >&2
	exit 1
fi
