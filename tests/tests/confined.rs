//! What is shipped for hosts that confine programs: compiled by the real tools, linked with Debian's own policy, and asked what it allows.

use twostep_tests::{Host, on_clean_host};

/// Compiles the module, links it with Debian's policy and expands that.
const LINK: &str = r#"
set -eu
mkdir -p /tmp/policy && cd /tmp/policy
"$1/packaging/selinux/build.sh" twostep.pp
"$1/packaging/selinux/build.sh" again.pp
cmp twostep.pp again.pp
mkdir debian && dpkg-deb -x /srv/packages/selinux-policy-default_*.deb debian
for module in base ssh dovecot sasl unconfined postgresql exim mta apache sudo; do
    bunzip2 -c "debian/usr/share/selinux/default/$module.pp.bz2" >"$module.pp"
done
semodule_link -o linked base.pp ssh.pp dovecot.pp sasl.pp unconfined.pp postgresql.pp exim.pp mta.pp apache.pp sudo.pp twostep.pp
semodule_expand linked policy
"#;

/// What a domain may do with an object of a type and class, by checkpolicy's debugger.
fn may(host: &Host, domain: &str, object: &str, class: &str) -> Vec<String> {
    let script = r#"cd /tmp/policy && printf '2\nsystem_u:system_r:%s:s0\n2\nsystem_u:object_r:%s:s0\n0\n28\n29\n%s\nq\n' "$1" "$2" "$3" |
        checkpolicy -b -d -M policy 2>&1 || true"#;
    let said = host.command("sh", &["-c", script, "sh", domain, object, class]).stdout;
    assert!(said.contains("sid 28") && said.contains("sid 29"), "{domain} or {object} is no type:\n{said}");
    let allowed = said.lines().find_map(|line| line.split_once("allowed {")?.1.split_once('}'));
    allowed.map_or_else(Vec::new, |(names, _)| names.split_whitespace().map(str::to_owned).collect())
}

fn label(host: &Host, path: &str) -> String {
    let contexts = format!("{}/../packaging/selinux/twostep.fc", env!("CARGO_MANIFEST_DIR"));
    host.command("selabel_lookup", &["-b", "file", "-f", &contexts, "-k", path, "-t", "file"])
        .expect_success()
        .stdout
}

#[test]
fn the_module_for_selinux_lets_those_who_judge_reach_the_store_and_nobody_else() {
    on_clean_host(|host| {
        let install =
            "apt-get update && apt-get install --yes checkpolicy semodule-utils selinux-utils bzip2";
        host.command("sh", &["-c", install]).expect_success();
        let workspace = format!("{}/..", env!("CARGO_MANIFEST_DIR"));
        host.command("sh", &["-c", LINK, "sh", &workspace]).expect_success();

        for judge in ["sshd_t", "local_login_t", "dovecot_auth_t", "saslauthd_t"] {
            let store = may(host, judge, "twostep_store_t", "file");
            for needed in ["read", "write", "create", "lock", "unlink", "rename"] {
                assert!(store.iter().any(|name| name == needed), "{judge}: {store:?}");
            }
            let key = may(host, judge, "twostep_key_t", "file");
            assert!(
                !key.is_empty()
                    && key.iter().all(|name| ["read", "getattr", "open"].contains(&name.as_str())),
                "{key:?}"
            );
        }
        for other in ["dovecot_t", "postgresql_t", "exim_t", "httpd_t"] {
            assert!(may(host, other, "twostep_store_t", "file").is_empty(), "{other}");
            assert!(may(host, other, "twostep_key_t", "file").is_empty(), "{other}");
        }
        for asker in ["postgresql_t", "exim_t", "httpd_t"] {
            assert!(may(host, asker, "twostep_run_t", "sock_file").contains(&"write".to_owned()), "{asker}");
            assert!(
                may(host, asker, "initrc_t", "unix_stream_socket").contains(&"connectto".to_owned()),
                "{asker}"
            );
            assert!(!may(host, asker, "twostep_roster_t", "file").contains(&"write".to_owned()), "{asker}");
        }

        for (path, kind) in [
            ("/etc/twostep/master.key", "twostep_key_t"),
            ("/var/lib/twostep/store.db", "twostep_store_t"),
            ("/var/lib/twostep-public/roster", "twostep_roster_t"),
            ("/run/twostep/twostepd.sock", "twostep_run_t"),
            ("/run/twostep/private/boot.key", "twostep_boot_t"),
        ] {
            let found = label(host, path);
            assert!(found.contains(&format!(":{kind}:")), "{path}: {found}");
        }
    });
}

#[test]
fn the_abstraction_for_apparmor_compiles_in_a_profile() {
    on_clean_host(|host| {
        host.command("sh", &["-c", "apt-get update && apt-get install --yes apparmor"]).expect_success();
        let from = format!("{}/../packaging/apparmor/twostep", env!("CARGO_MANIFEST_DIR"));
        host.command("cp", &[&from, "/etc/apparmor.d/abstractions/twostep"]).expect_success();
        let compile = |includes: &str| {
            host.write(
                "/etc/apparmor.d/probe",
                &format!("abi <abi/3.0>,\ninclude <tunables/global>\nprofile probe /usr/sbin/probe {{\n{includes}}}\n"),
            );
            let script = "apparmor_parser --config-file /dev/null -Q -K -S --policy-features /etc/apparmor.d/abi/3.0 /etc/apparmor.d/probe | wc -c";
            let size = host.command("bash", &["-o", "pipefail", "-c", script]).expect_success().stdout;
            size.trim().parse::<u32>().expect("a number of bytes")
        };
        let without = compile("include <abstractions/authentication>\n");
        let with = compile("include <abstractions/authentication>\ninclude <abstractions/twostep>\n");
        assert!(without > 0 && with > without, "{without} and {with} bytes");
    });
}
