#!/usr/bin/env bash
# Installs the Debian packages that are missing: tools/setup.sh build|test|all (each includes the one before); or `package`, which
# is `build` and what makes Debian packages; or `bench`, which is `build` and what the benchmarks compare with: nginx with nchan,
# Node, Go, wrk, gnuplot, Google Benchmark.
# Says what it installs; says nothing when there is nothing to do. Starts no daemon. BROADSIDE_SKIP_SETUP=1 leaves the machine alone.
set -euo pipefail

what=${1:-build}
packages=(g++ cmake ninja-build pkg-config liburing-dev libcli11-dev libtomlplusplus-dev libsimdjson-dev libcurl4-openssl-dev
  libssl-dev libseccomp-dev libmimalloc-dev ca-certificates)
commands=()  # command=package: any package that brings the command will do.
case $what in
  build) ;;
  package) packages+=(dpkg-dev file) ;;
  test | all)
    packages+=(libgtest-dev clang-tidy-14 clang-format-14 procps dpkg-dev file)
    commands+=(python3=python3 git=git curl=curl openssl=openssl doxygen=doxygen nginx=nginx-light chromium=chromium node=nodejs npm=npm slowhttptest=slowhttptest)
    ;;
  bench)
    packages+=(libbenchmark-dev libnginx-mod-nchan)
    commands+=(python3=python3 git=git taskset=util-linux nginx=nginx-light node=nodejs go=golang-go wrk=wrk gnuplot=gnuplot-nox
      slowhttptest=slowhttptest)
    ;;
  *) echo "usage: tools/setup.sh build|package|test|all|bench" >&2; exit 2 ;;
esac
[ "$what" != all ] || packages+=(clang-14 libclang-rt-14-dev libbenchmark-dev)
[ -z "${BROADSIDE_SKIP_SETUP:-}" ] || exit 0

if ! command -v dpkg-query >/dev/null; then
  echo "setup: this is not a Debian; install what these packages hold, then set BROADSIDE_SKIP_SETUP=1: ${packages[*]}" >&2
  exit 1
fi
# One question for all of them; unknown ones are missing ones. /usr/sbin is not in every user's path.
export PATH="$PATH:/usr/sbin:/sbin"
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null || true)
missing=()
for package in "${packages[@]}"; do
  case $'\n'"$installed"$'\n' in *$'\n'"installed $package"$'\n'*) ;; *) missing+=("$package") ;; esac
done
for pair in "${commands[@]}"; do
  command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
done
# promtool checks what /metrics says. It comes with a daemon that nobody needs here: the package is unpacked, not installed.
cd "$(dirname "$0")/.."
promtool=build/promtool/usr/bin/promtool
wants_promtool=
[[ $what =~ ^(build|package)$ ]] || command -v promtool >/dev/null || [ -x $promtool ] || wants_promtool=yes
[ ${#missing[@]} -gt 0 ] || [ -n "$wants_promtool" ] || exit 0

sudo=()
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo "setup: please install as root: apt-get install ${missing[*]}" >&2; exit 1; }
  sudo=(sudo)
fi
[ ${#missing[@]} -eq 0 ] || echo "setup: installing ${missing[*]}" >&2

# Daemons that the tests and benchmarks run themselves are not started by their packages: policy-rc.d answers 101, "not allowed".
policy=/usr/sbin/policy-rc.d
if [ ${#missing[@]} -gt 0 ] && [ ! -e $policy ]; then
  # shellcheck disable=SC2016
  "${sudo[@]}" sh -c 'printf "#!/bin/sh\nexit 101\n" > "$1" && chmod 755 "$1"' sh $policy
  trap '"${sudo[@]}" rm -f $policy' EXIT
fi
log=$(mktemp)
apt() { "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 "$@" </dev/null >>"$log" 2>&1; }
if ! { apt update && { [ ${#missing[@]} -eq 0 ] || apt install --no-install-recommends "${missing[@]}"; }; }; then
  tail -n 20 "$log" >&2
  echo "setup: apt-get failed; the whole log is in $log" >&2
  exit 1
fi
if [ -n "$wants_promtool" ]; then
  echo "setup: unpacking promtool into build/promtool" >&2
  folder=$(mktemp -d)
  chmod 755 "$folder" # apt's own user writes there.
  # Without it the test of /metrics says that it was skipped: no reason to stop here.
  if (cd "$folder" && apt download prometheus) && dpkg -x "$folder"/prometheus_*.deb "$folder/root" >>"$log" 2>&1; then
    mkdir -p build/promtool/usr/bin
    cp "$folder/root/usr/bin/promtool" $promtool
  else
    tail -n 3 "$log" >&2
    echo "setup: promtool could not be had; its test will be skipped" >&2
  fi
  rm -rf "$folder"
fi
rm -f "$log"
