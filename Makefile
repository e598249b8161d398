# make demo       watch a real sshd and a real Dovecot, in a throw-away copy of this host (as root)
# make test       all tests, the end-to-end ones too (as root)
# make test-unit  the tests that need no root
# make build      the modules, the commands and the broker, in target/release
# make bench      what a login costs, beside the rivals', through the broker and through Dovecot, and what the roster and journal modes cost (as root)
# make install    puts them in place; touches no PAM stack. DESTDIR, PREFIX, PAMDIR and LIBDIR are honoured
# make uninstall  takes that away again, but for configuration, key and store; refused while a PAM stack names the module
# make deb        the same as a Debian package, in target
# make rpm        the same as an RPM package, for Red Hat's layout
# make clean

CARGO      ?= cargo
PREFIX     ?= /usr
SYSCONFDIR ?= /etc
STATEDIR   ?= /var/lib
# libpam's own folder has the architecture in its name: wherever pam_unix.so is, that of the compiler's architecture before others.
PAMDIR     ?= $(patsubst %/,%,$(dir $(firstword $(wildcard /usr/lib/$(shell cc -print-multiarch 2>/dev/null)/security/pam_unix.so \
                /usr/lib/*/security/pam_unix.so /usr/lib64/security/pam_unix.so /usr/lib/security/pam_unix.so))))

# glibc looks for name services where its own libraries are.
LIBDIR     ?= $(patsubst %/security,%,$(PAMDIR))

# Red Hat and its like have system-auth where Debian has common-auth.
STACK      ?= packaging/pam.d/$(if $(wildcard /etc/pam.d/system-auth),twostep.redhat,twostep)

# Debian's zsh looks where its packages put completions, others' where upstream does.
ZSHDIR     ?= $(PREFIX)/share/zsh/$(if $(wildcard /etc/debian_version),vendor-completions,site-functions)
# no: leaves AppArmor's abstraction out, where SELinux is used instead.
APPARMOR   ?= yes
# no: leaves pam-auth-update's profiles out, where there is no such command.
PROFILES   ?= $(if $(wildcard /usr/sbin/pam-auth-update),yes,no)
BASHDIR    := $(PREFIX)/share/bash-completion/completions
FISHDIR    := $(PREFIX)/share/fish/vendor_completions.d
UNITS      := twostepd.service twostepd.socket twostep-hooks.service twostep-hooks.path twostep-hooks.timer twostep-roster.service \
              twostep-init.service

TARGET := $(or $(CARGO_TARGET_DIR),target)
MODULE := $(TARGET)/release/libpam_twostep.so
NSS    := $(TARGET)/release/libnss_twostep.so
ADMIN  := $(TARGET)/release/twostep-admin
BROKER := $(TARGET)/release/twostepd
USERS  := $(TARGET)/release/twostep

.PHONY: help build test test-unit demo bench install uninstall deb rpm clean needs

help:
	@sed -n 's/^# make/make/p' Makefile

# What is built is installed as root: nobody else may write it in between.
build: needs
	umask go-w; $(CARGO) build --release -p pam_twostep -p nss_twostep -p twostep-admin -p twostepd -p twostep-cli

test: build
	$(CARGO) test --workspace --no-fail-fast

test-unit: needs
	$(CARGO) test --workspace --exclude twostep-tests
	$(CARGO) test -p twostep-tests --lib

demo: build
	@$(CARGO) run --quiet -p twostep-tests --bin demo

bench: build
	$(CARGO) run --quiet --release -p twostep-bench
	$(CARGO) run --quiet --release -p twostep-bench -- --broker
	$(CARGO) run --quiet --release -p twostep-bench -- --mail
	$(CARGO) run --quiet --release -p twostep-bench -- --roster
	$(CARGO) run --quiet --release -p twostep-bench -- --store

# As root in a user's checkout cargo would leave files behind that the user cannot remove: installs what `make build` made.
install: $(MODULE) $(NSS) $(ADMIN) $(BROKER) $(USERS)
	@test -n "$(PAMDIR)" || { echo "libpam's modules are nowhere below /usr/lib: say PAMDIR=..." >&2; exit 1; }
	install -d -m 0755 $(DESTDIR)$(PAMDIR) $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/lib/tmpfiles.d
	install -d -m 0755 $(DESTDIR)$(SYSCONFDIR)/twostep
	install -d -m 0700 $(DESTDIR)$(STATEDIR)/twostep
	# Renamed into place: written over, it would change under the sshd that has it loaded.
	install -m 0644 $(MODULE) $(DESTDIR)$(PAMDIR)/pam_twostep.so.new
	mv -f $(DESTDIR)$(PAMDIR)/pam_twostep.so.new $(DESTDIR)$(PAMDIR)/pam_twostep.so
	install -d -m 0755 $(DESTDIR)$(LIBDIR) $(DESTDIR)$(STATEDIR)/twostep-public
	install -m 0644 $(NSS) $(DESTDIR)$(LIBDIR)/libnss_twostep.so.2.new
	mv -f $(DESTDIR)$(LIBDIR)/libnss_twostep.so.2.new $(DESTDIR)$(LIBDIR)/libnss_twostep.so.2
	install -m 0755 $(ADMIN) $(DESTDIR)$(PREFIX)/sbin/twostep-admin
	install -m 0755 $(BROKER) $(DESTDIR)$(PREFIX)/sbin/twostepd
	install -d -m 0755 $(DESTDIR)$(PREFIX)/bin $(addprefix $(DESTDIR)$(PREFIX)/share/man/man,1 5 8)
	install -m 0755 $(USERS) $(DESTDIR)$(PREFIX)/bin/twostep
	install -m 0644 docs/man/twostep.1 $(DESTDIR)$(PREFIX)/share/man/man1/twostep.1
	install -m 0644 docs/man/twostep.toml.5 $(DESTDIR)$(PREFIX)/share/man/man5
	install -m 0644 docs/man/twostep-admin.8 docs/man/twostepd.8 docs/man/libnss_twostep.8 docs/man/pam_twostep.8 \
	    $(DESTDIR)$(PREFIX)/share/man/man8
	# What messages and manual pages name, with the links among them.
	install -d -m 0755 $(DESTDIR)$(PREFIX)/share/doc/twostep/docs
	install -m 0644 README.md $(DESTDIR)$(PREFIX)/share/doc/twostep
	install -m 0644 docs/*.md $(DESTDIR)$(PREFIX)/share/doc/twostep/docs
	install -d -m 0755 $(DESTDIR)$(BASHDIR) $(DESTDIR)$(ZSHDIR) $(DESTDIR)$(FISHDIR)
	install -d -m 0755 $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(SYSCONFDIR)/pam.d
	# What is made here is made where nobody else can write, whatever the umask; `install` gives each file its mode before it has a name.
	set -e; work=$$(mktemp -d); trap 'rm -rf "$$work"' EXIT; \
	for unit in $(UNITS); do \
	    sed 's,/usr/sbin/,$(PREFIX)/sbin/,' packaging/systemd/$$unit > "$$work/$$unit"; \
	    install -m 0644 "$$work/$$unit" $(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit; \
	done; \
	for shell in bash zsh fish; do \
	    $(ADMIN) completions $$shell > "$$work/twostep-admin.$$shell"; $(USERS) completions $$shell > "$$work/twostep.$$shell"; \
	done; \
	for command in twostep twostep-admin; do \
	    install -m 0644 "$$work/$$command.bash" $(DESTDIR)$(BASHDIR)/$$command; \
	    install -m 0644 "$$work/$$command.zsh" $(DESTDIR)$(ZSHDIR)/_$$command; \
	    install -m 0644 "$$work/$$command.fish" $(DESTDIR)$(FISHDIR)/$$command.fish; \
	done
	# The stack that twostepd itself asks; where there is one already it is the administrator's.
	test -e $(DESTDIR)$(SYSCONFDIR)/pam.d/twostep || install -m 0644 $(STACK) $(DESTDIR)$(SYSCONFDIR)/pam.d/twostep
	# Nothing is banned before an administrator says so, in a twostep.local of his own; an older jail may have been changed by hand.
	install -d -m 0755 $(DESTDIR)$(SYSCONFDIR)/fail2ban/filter.d $(DESTDIR)$(SYSCONFDIR)/fail2ban/jail.d
	install -m 0644 packaging/fail2ban/filter.d/twostep.conf $(DESTDIR)$(SYSCONFDIR)/fail2ban/filter.d/twostep.conf
	test -e $(DESTDIR)$(SYSCONFDIR)/fail2ban/jail.d/twostep.conf || \
	    install -m 0644 packaging/fail2ban/jail.d/twostep.conf $(DESTDIR)$(SYSCONFDIR)/fail2ban/jail.d/twostep.conf
	# For profiles of AppArmor's to include; what an administrator adds is in twostep.d beside it.
	test "$(APPARMOR)" = no || install -d -m 0755 $(DESTDIR)$(SYSCONFDIR)/apparmor.d/abstractions
	test "$(APPARMOR)" = no || install -m 0644 packaging/apparmor/twostep $(DESTDIR)$(SYSCONFDIR)/apparmor.d/abstractions/twostep
	# Off until an administrator says otherwise: pam-auth-update --enable twostep-code twostep-app-passwords.
	test "$(PROFILES)" = no || install -d -m 0755 $(DESTDIR)$(PREFIX)/share/pam-configs
	test "$(PROFILES)" = no || install -m 0644 packaging/pam-configs/twostep-code packaging/pam-configs/twostep-app-passwords \
	    $(DESTDIR)$(PREFIX)/share/pam-configs
	install -m 0644 packaging/tmpfiles.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/twostep.conf
	test -e $(DESTDIR)$(SYSCONFDIR)/twostep/config.toml || \
	    install -m 0644 packaging/config.toml $(DESTDIR)$(SYSCONFDIR)/twostep/config.toml
	test -n "$(DESTDIR)" || install -d -m 0755 /run/twostep
	test -n "$(DESTDIR)" || install -d -m 0700 /run/twostep/private
	@test -n "$(DESTDIR)" || echo "twostep: next (README.md): twostep-admin init; systemctl daemon-reload;" \
	    "systemctl enable --now twostepd.socket twostep-hooks.path twostep-hooks.timer twostep-roster.service"

# Which stacks name the module, and what `pam enable` has wired, is the package's script to know: it puts that back, or stops everything.
uninstall:
	test -n "$(DESTDIR)" || PATH="$(PREFIX)/sbin:$$PATH" packaging/deb/prerm remove
	rm -f $(DESTDIR)$(PAMDIR)/pam_twostep.so $(DESTDIR)$(LIBDIR)/libnss_twostep.so.2
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/sbin/,twostep-admin twostepd) $(DESTDIR)$(PREFIX)/bin/twostep
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/share/man/,man1/twostep.1 man5/twostep.toml.5 \
	    $(addprefix man8/,twostep-admin.8 twostepd.8 libnss_twostep.8 pam_twostep.8))
	rm -f $(addprefix $(DESTDIR)$(BASHDIR)/,twostep twostep-admin) $(addprefix $(DESTDIR)$(ZSHDIR)/_,twostep twostep-admin) \
	    $(addprefix $(DESTDIR)$(FISHDIR)/,twostep.fish twostep-admin.fish)
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/lib/systemd/system/,$(UNITS)) $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/twostep.conf \
	    $(addprefix $(DESTDIR)$(PREFIX)/share/pam-configs/,twostep-code twostep-app-passwords)
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/twostep
	test -n "$(DESTDIR)" || rm -rf /run/twostep
	test -n "$(DESTDIR)" || test ! -d /run/systemd/system || systemctl daemon-reload

deb: build
	packaging/deb/build.sh $(TARGET)

rpm: build
	packaging/rpm/build.sh $(TARGET)

$(MODULE) $(NSS) $(ADMIN) $(BROKER) $(USERS):
	$(MAKE) build

clean:
	$(CARGO) clean

needs:
	@command -v $(CARGO) >/dev/null || { echo "twostep: cargo is not here; install Rust 1.89 or newer (rustup.rs)" >&2; exit 1; }
	@packaging/build-deps.sh
