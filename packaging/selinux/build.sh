#!/bin/sh
# Compiles the module for SELinux.
#
#     packaging/selinux/build.sh FILE       checkmodule and semodule_package are Debian's checkpolicy and semodule-utils
#
# A module for policies with categories, as Red Hat's and Debian's are; another kind would refuse its file contexts.
set -eu
umask 022
sources=$(dirname "$0")
for tool in checkmodule semodule_package; do
    command -v "$tool" >/dev/null || { echo "twostep: $tool is not here (checkpolicy, semodule-utils)" >&2; exit 1; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# checkmodule wants the file to be called as the module is.
checkmodule -M -m -o "$work/twostep.mod" "$sources/twostep.te"
semodule_package -o "$work/twostep.pp" -m "$work/twostep.mod" -f "$sources/twostep.fc"
mkdir -p "$(dirname "$1")"
install -m 0644 "$work/twostep.pp" "$1"
