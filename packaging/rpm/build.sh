#!/bin/sh
# The RPM package, made of what `make install` installs.
#
#     packaging/rpm/build.sh [FOLDER]       after `make build`; FOLDER/twostep-VERSION-RELEASE.ARCHITECTURE.rpm
#
# The modules want no newer glibc than that of the oldest distribution that it is for: build them there. RPM_VERSION and RPM_RELEASE say
# something else than this workspace does, CARGO_TARGET_DIR where the binaries are.
set -eu
umask 022
cd "$(dirname "$0")/../.."

workspace=$PWD
target=${CARGO_TARGET_DIR:-target}
folder=${1:-$target}
version=${RPM_VERSION:-$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml)}
if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
    SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)
fi
export SOURCE_DATE_EPOCH

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
spec=$work/twostep.spec

# A script of the Debian package, called as dpkg would call it. rpm says how many versions there will be.
scriptlet() { # SECTION SCRIPT, and on standard input what comes first
    printf '\n%%%s -p /bin/sh\n' "$1"
    cat
    sed -e '1d' -e "s/^again=.*/again='twostep-admin init'/" -e 's/%/%%/g' "packaging/deb/$2"
}
{
    sed -e "s,@VERSION@,$version," -e "s,@RELEASE@,${RPM_RELEASE:-1}," -e "s,@WORKSPACE@,$workspace,g" \
        -e "s,@TARGET@,$(realpath "$target"),g" -e "s,@WORK@,$work,g" packaging/rpm/twostep.spec
    scriptlet post postinst <<'FIRST'
if [ "$1" -gt 1 ]; then set -- configure before; else set -- configure ''; fi
ldconfig
FIRST
    scriptlet preun prerm <<'FIRST'
[ "$1" -eq 0 ] || exit 0
set -- remove
FIRST
    scriptlet postun postrm <<'FIRST'
ldconfig
[ "$1" -eq 0 ] || exit 0
set -- remove
FIRST
} >"$spec"

rpmbuild -bb --quiet --define "_topdir $work/rpmbuild" --define "_rpmdir $work/out" --define "_buildhost localhost" \
    --define "_rpmfilename %{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm" --define "use_source_date_epoch_as_buildtime 1" \
    --define "clamp_mtime_to_source_date_epoch 1" --define "_binary_payload ${RPM_PAYLOAD:-w19.zstdio}" \
    "$spec" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
mkdir -p "$folder"
cp "$work"/out/*.rpm "$folder"
