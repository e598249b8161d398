#!/bin/sh
# Installs with apt what building twostep takes and this machine has not: a C compiler and libc's headers (for the bundled SQLite)
# and libpam's headers. Says nothing when nothing is missing; elsewhere than on Debian it says what to install.
set -eu

missing=
need() { # PACKAGE, then a test that succeeds where it is there
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}

need gcc command -v cc
need libc6-dev test -e /usr/include/stdio.h
need libpam0g-dev test -e /usr/include/security/pam_modules.h
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "twostep: building needs a C compiler, the C library's headers and PAM's headers (security/pam_modules.h)." >&2
    echo "  This machine has no apt-get; its own packages for what Debian calls:$missing" >&2
    exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "twostep: building needs$missing. As root: apt-get install$missing" >&2
    exit 1
fi

echo "twostep: installing$missing"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # a list of package names
install() { apt-get install --yes --quiet --no-install-recommends $missing; }
# The lists may be missing or stale; fetching them anew is left to the second try.
if ! install >/dev/null 2>&1; then
    apt-get update --quiet
    install
fi
