//! A clean Debian: debootstrapped, with nothing of this host's and nothing of ours, that boots with its own systemd.
//!
//! Made once and kept as one tar file. What the documents install with apt lies in it as packages, in a repository of its own, so that no
//! test needs a network.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command;
use crate::ffi::kernel;
use crate::root::Root;
use crate::wait::{OrDie, PATIENCE, eventually};
use crate::{places, product};

/// Makes the tar file $1 in a root with the host's network. $2: what is in the clean root; $3: what can be installed there.
const MAKE: &str = r#"
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
get() { apt-get install --yes --no-install-recommends -o Acquire::Retries=3 debootstrap apt-utils; }
get || { apt-get update; get; }
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
    awk -v suite="$suite" '$2 == suite && $3 == "main" { print $1; exit }')
clean=/srv/clean
debootstrap --variant=minbase --include="$2" "$suite" "$clean" "$mirror"
mkdir "$clean/srv/packages"
chroot "$clean" apt-get update
# shellcheck disable=SC2086 # a list of names
chroot "$clean" apt-get install --yes --download-only --no-install-recommends -o Acquire::Retries=3 $3
mv "$clean"/var/cache/apt/archives/*.deb "$clean/srv/packages"
(cd "$clean/srv/packages" && apt-ftparchive packages . >Packages)
echo "deb [trusted=yes] file:/srv/packages ./" >"$clean/etc/apt/sources.list"
rm -rf "$clean"/var/lib/apt/lists/* "$clean"/usr/share/man/* "$clean"/usr/share/doc/* "$clean"/usr/share/locale/*
# As an installer leaves them: no name server of the machine it was made on, an id that the first boot makes.
: >"$clean/etc/resolv.conf"
: >"$clean/etc/machine-id"
echo clean >"$clean/etc/hostname"
tar -C "$clean" -cf "$1.unfinished" --numeric-owner .
mv "$1.unfinished" "$1"
"#;

/// What boots, and what apt itself takes.
const THERE: &str = "systemd,systemd-sysv,dbus,libpam-systemd,procps,iproute2";
/// What the documents install, and what reads the policies that are shipped for AppArmor and SELinux.
const TO_INSTALL: &str = "openssh-server openssh-client dovecot-imapd curl ca-certificates \
                          apparmor bzip2 checkpolicy semodule-utils selinux-utils selinux-policy-default";

/// The tar file, made by `make` if it is not there. Only one process makes it.
pub(crate) fn ready(make: impl FnOnce(&Path)) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    let release =
        fs::read("/etc/os-release").or_die("read /etc/os-release (the end-to-end tests need Debian)");
    (MAKE, THERE, TO_INSTALL, release).hash(&mut hasher);
    let cache = places::cache();
    let file = cache.join(format!("clean-{:016x}.tar", hasher.finish()));
    let lock = File::create(cache.join("clean.lock")).or_die("open target/e2e/clean.lock");
    kernel::lock(&lock).or_die("lock target/e2e/clean.lock");
    if !file.exists() {
        for entry in fs::read_dir(&cache).or_die("list target/e2e").flatten() {
            if entry.file_name().to_string_lossy().starts_with("clean-") {
                fs::remove_file(entry.path()).or_die("remove an old clean root");
            }
        }
        writeln!(io::stderr(), "twostep-tests: debootstrapping a clean root into {} (once)", file.display())
            .or_die("write to stderr");
        make(&file);
    }
    product::packages();
    file
}

/// Makes `file`. Runs as pid 1 of its own namespaces, with the host's network.
pub(crate) fn make(file: &Path) {
    let scratch = places::cache().join("mnt");
    fs::create_dir_all(&scratch).or_die("make target/e2e/mnt");
    let root = Root::assemble(&scratch, None, &[], None);
    root.lend_name_servers();
    let inside = Path::new("/tmp/clean.tar");
    let mut command = Command::new("chroot");
    command.arg(root.path()).args(["sh", "-c", MAKE, "sh"]).arg(inside).args([THERE, TO_INSTALL]);
    let done = command::run(command.current_dir("/"));
    assert!(
        done.success(),
        "a clean root could not be debootstrapped; does `apt-get update` work on this machine? {done}"
    );
    let unfinished = file.with_extension("unfinished");
    fs::copy(root.path().join("tmp/clean.tar"), &unfinished).or_die("copy the clean root");
    fs::rename(&unfinished, file).or_die(format_args!("put {} in place", file.display()));
}

/// pid 1 of a clean root's namespaces: starts `inside` there and becomes systemd.
#[allow(clippy::zombie_processes, reason = "systemd, which this process becomes, waits for all")]
pub(crate) fn boot(root: &Root, mut inside: Command) -> ! {
    kernel::mount(Path::new("sysfs"), &root.path().join("sys"), "sysfs", libc::MS_RDONLY, "")
        .or_die("mount /sys");
    let whole = root.path().with_file_name("cgroups");
    fs::create_dir(&whole).or_die("make a folder on a tmpfs");
    enter_cgroup(&whole, &root.path().join("sys/fs/cgroup"))
        .or_die("make a cgroup (systemd wants one of its own; cgroup2 must be there)");
    // systemd writes to its console, which nobody reads.
    File::create(root.path().join("dev/console")).or_die("make /dev/console");
    kernel::pivot_into(&root.path()).or_die("enter the new root");
    kernel::set_host_name("clean").or_die("name the host");
    kernel::bring_loopback_up().or_die("bring lo up");
    inside.spawn().or_die("start the test inside of the clean root");
    // In a container systemd does without devices, and ends with a status when it is told to.
    let error = Command::new("/lib/systemd/systemd").env_clear().env("container", "lxc").exec();
    panic!("cannot start systemd: {error}")
}

/// A cgroup for this box alone, seen by it at `inside` as the whole tree, which is mounted on `whole`. Empty ones that earlier boxes have left
/// are removed.
fn enter_cgroup(whole: &Path, inside: &Path) -> io::Result<()> {
    const NAME: &str = "twostep-clean-";
    kernel::mount(Path::new("cgroup2"), whole, "cgroup2", 0, "")?;
    for entry in fs::read_dir(whole)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(NAME) {
            remove_empty(&entry.path());
        }
    }
    let own =
        (0u32..).map(|n| whole.join(format!("{NAME}{n}"))).find_map(|path| match fs::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => None,
            made => Some(made.map(|()| path)),
        });
    let own = own.unwrap_or_else(|| Err(io::ErrorKind::Other.into()))?;
    fs::write(own.join("cgroup.procs"), "0")?;
    kernel::unshare_cgroups()?;
    kernel::mount(Path::new("cgroup2"), inside, "cgroup2", 0, "")
}

/// The kernel removes no cgroup with processes in it or below it.
fn remove_empty(cgroup: &Path) {
    for entry in fs::read_dir(cgroup).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove_empty(&entry.path());
        }
    }
    let _in_use = fs::remove_dir(cgroup);
}

/// Waits until all that boots has booted.
pub(crate) fn wait_for_boot() {
    eventually("systemd to answer", || {
        let done = command::run(Command::new("systemctl").args(["is-system-running", "--wait"]));
        // A clean root has no console for a getty, and is `degraded` for that.
        ["running", "degraded"].contains(&done.stdout.trim()).then_some(())
    });
}

/// Has systemd end this box with a status.
pub(crate) fn end(status: i32) -> ! {
    let done = command::run(Command::new("systemctl").args(["--force", "exit", &status.to_string()]));
    // It ends all processes before it answers, or soon after.
    std::thread::sleep(PATIENCE);
    panic!("systemd did not end: {done}")
}
