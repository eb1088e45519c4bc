#!/usr/bin/env bash
# Shows that the simulation bites: breaks a copy of the tree with each patch of tests/sim/mutants, builds sim_test there, and runs
# seeds until one fails. Prints a row of the table in MUTANTS.md for each (the first line of a patch says what it breaks); exit
# status 1 when one is not caught.
# Usage: tests/sim/mutants.sh [NAME...]. BROADSIDE_SIM_SEEDS=10000 is how many seeds each has to be caught in.
set -euo pipefail
cd "$(dirname "$0")/../.."

seeds_count=${BROADSIDE_SIM_SEEDS:-10000}
unset BROADSIDE_SIM_SEEDS BROADSIDE_SIM_SEED BROADSIDE_SIM_TRACE
patches=$PWD/tests/sim/mutants
names=("$@")
if [ $# -eq 0 ]; then
  for patch in "$patches"/*.patch; do names+=("$(basename "$patch" .patch)"); done
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# One folder for all of them, so that a mutant costs the build of what it touches.
mkdir "$scratch/tree"
git ls-files -co --exclude-standard -z | tar --create --null --files-from=- | tar --extract --directory="$scratch/tree"
cd "$scratch/tree"
export GIT_CEILING_DIRECTORIES=$scratch  # Inside another repository `git apply` would pass over what is not in it.
launcher=()
if command -v ccache >/dev/null; then
  launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  export CCACHE_BASEDIR=$scratch/tree CCACHE_NOHASHDIR=1  # The next scratch has another name.
fi

quietly() { "$@" >"$scratch/log" 2>&1 || { tail -n 40 "$scratch/log" >&2; echo "mutants: failed: $*" >&2; exit 1; }; }
build() { quietly cmake --build --preset dev -j "$(nproc)" --target sim_test; }

# passes PROGRAM SEED: one life, of which the log tells; what bash says of its end is not wanted. One so long would never end.
passes() { { timeout 60 "$1" --seed "$2" </dev/null >"$scratch/log" 2>&1; } 2>/dev/null; }

# What the log says of the failure, as it may stand in a table: the first assertion or violation, without this life's positions.
reason() {
  local said
  said=$(sed -n -e 's/^broadside: assertion failed: \(.*\) (.*\/\([^/]*\):[0-9]*)$/assertion in \2: `\1`/p' \
    -e 's/^seed [0-9]*: \([^`]*\).*/\1/p' "$scratch/log" | head -n 1 |
    sed -e 's/^client [0-9]*:\? //' -e 's/ (last delivered.*//' -e 's/\(, up to\)\? at [0-9-]*$//' -e 's/: $//' -e 's/|/\\|/g')
  echo "${said:-a crash, or no end}"
}

# The row of `name`: by which check and seed it is caught. The unbroken engine has to pass that seed, else it is not the mutant's.
try_mutant() {
  local name=$1 broken seed why
  broken=$(head -n 1 "$patches/$name.patch")
  for ((seed = 1; seed <= seeds_count; ++seed)); do
    if passes build/dev/tests/sim_test "$seed"; then continue; fi
    why=$(reason)
    if passes "$scratch/unbroken" "$seed"; then
      echo "| $name | ${broken%.} | $why | $seed |"
      return 0
    fi
  done
  echo "| $name | ${broken%.} | NOT CAUGHT | $seeds_count |"
  return 1
}

quietly cmake --preset dev "${launcher[@]}"
build
cp build/dev/tests/sim_test "$scratch/unbroken"
status=0
for name in "${names[@]}"; do
  quietly git apply "$patches/$name.patch"
  build
  try_mutant "$name" || status=1
  quietly git apply --reverse "$patches/$name.patch"
done
exit $status
