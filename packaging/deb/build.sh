#!/bin/sh
# The Debian package, made of what `make install` installs: there is no second list of files that could differ from it.
#
#     packaging/deb/build.sh [FOLDER]       after `make build`; FOLDER/twostep_VERSION_ARCHITECTURE.deb
#
# dpkg-deb itself instead of cargo-deb: that would have to be compiled first, which takes CI longer than all of this. DEB_VERSION and
# DEB_MAINTAINER say something else than this workspace does, CARGO_TARGET_DIR where the binaries are. The same binaries give the same
# package, to the byte.
set -eu
umask 022
cd "$(dirname "$0")/../.."

target=${CARGO_TARGET_DIR:-target}
folder=${1:-$target}
version=${DEB_VERSION:-$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml)}
architecture=$(dpkg --print-architecture)
# libpam of a foreign architecture may be here as well.
triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || cc -print-multiarch)

# The latest change's time, or a release's own: of when this is run nothing stays in the package.
if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
    SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)
fi
export SOURCE_DATE_EPOCH

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree
mkdir -m 0755 "$tree" "$tree/DEBIAN"

make --no-print-directory install DESTDIR="$tree" PREFIX=/usr SYSCONFDIR=/etc STATEDIR=/var/lib CARGO_TARGET_DIR="$target" \
    PAMDIR="/usr/lib/$triplet/security" LIBDIR="/usr/lib/$triplet" STACK=packaging/pam.d/twostep \
    ZSHDIR=/usr/share/zsh/vendor-completions APPARMOR=yes PROFILES=yes >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }

# What only a package has.
install -d -m 0755 "$tree/usr/share/doc/twostep"
install -m 0644 LICENSE "$tree/usr/share/doc/twostep/copyright"
install -m 0644 CHANGELOG.md "$tree/usr/share/doc/twostep/changelog"
for script in preinst postinst prerm postrm; do
    install -m 0755 "packaging/deb/$script" "$tree/DEBIAN/$script"
done
echo "activate-noawait ldconfig" >"$tree/DEBIAN/triggers"
chmod 0644 "$tree/DEBIAN/triggers"

# Whatever lies in /etc is the administrator's to change.
(cd "$tree" && find etc -type f -printf '/%p\n' | LC_ALL=C sort) >"$tree/DEBIAN/conffiles"
(cd "$tree" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) >"$tree/DEBIAN/md5sums"

# Which libraries, and how new they must be.
depends="libc6, libgcc-s1, libpam0g"
if command -v dpkg-shlibdeps >/dev/null 2>&1; then
    mkdir "$work/debian"
    printf 'Source: twostep\n\nPackage: twostep\nArchitecture: any\n' >"$work/debian/control"
    depends=$(cd "$work" && dpkg-shlibdeps -O --ignore-missing-info tree/usr/bin/* tree/usr/sbin/* \
        "tree/usr/lib/$triplet/security/pam_twostep.so" "tree/usr/lib/$triplet/libnss_twostep.so.2" 2>/dev/null |
        sed -n 's/^shlibs:Depends=//p')
    [ -n "$depends" ] || { echo "dpkg-shlibdeps found nothing that the binaries need" >&2; exit 1; }
fi

# libpam-runtime has the common files that /etc/pam.d/twostep includes.
cat >"$tree/DEBIAN/control" <<CONTROL
Package: twostep
Version: $version
Architecture: $architecture
Maintainer: ${DEB_MAINTAINER:-twostep <root@localhost>}
Installed-Size: $(find "$tree" -path "$tree/DEBIAN" -prune -o -type f -printf '%s\n' | awk '{ sum += int(($1 + 1023) / 1024) } END { print sum }')
Depends: $depends, libpam-runtime
Suggests: fail2ban, bash-completion
Section: admin
Priority: optional
Description: two-step verification for Linux hosts
 Who signs in at a prompt gives a password and then a code from a phone; programs that
 cannot ask for a code (mail, chat) sign in with app passwords. A PAM module, an NSS
 module, a broker for services that are not root's, and the commands twostep-admin and
 twostep.
 .
 Installing it wires no service: twostep-admin pam enable does, one by one.
CONTROL
chmod 0644 "$tree"/DEBIAN/control "$tree"/DEBIAN/conffiles "$tree"/DEBIAN/md5sums

mkdir -p "$folder"
dpkg-deb --root-owner-group --build "$tree" "$folder/twostep_${version}_${architecture}.deb"
