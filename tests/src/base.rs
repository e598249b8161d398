//! The base layer: sshd, Dovecot and their like, installed by apt into an overlay of its own and kept as one tar file.
//!
//! On the host itself apt would enable and start them. In the layer a `policy-rc.d` forbids that, there is no systemd to talk to,
//! and the whole tree is gone when the process that made it ends; the tar file is all that stays.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{self, Done};
use crate::ffi::kernel;
use crate::places;
use crate::root::Root;
use crate::wait::OrDie;

/// Changes with what [`make`] does, so that layers made by an older version are made anew.
const RECIPE: u32 = 4;

/// What the packages bring and no test reads. Every box unpacks the layer into memory, and PostgreSQL's compiler for queries alone would
/// be half of it.
const LEFT_OUT: [&str; 8] = [
    "/usr/share/man/*",
    "/usr/share/doc/*",
    "/usr/share/locale/*",
    "/usr/share/i18n/*",
    "/usr/lib/*/libLLVM*",
    "/usr/lib/postgresql/*/lib/bitcode/*",
    "/usr/lib/*/dri/*",
    "/usr/share/fonts/X11/*.pcf.gz",
];
/// What a test reads nevertheless: xterm's own font.
const KEPT: &str = "/usr/share/fonts/X11/misc/6x13.pcf.gz";

/// The layer's file for the present list of packages and the present state of the host's own, made by `make` if it is not there.
/// Only one process makes it, the others wait for it.
pub(crate) fn ready(make: impl FnOnce(&Path)) -> PathBuf {
    let cache = places::cache();
    let layer = cache.join(format!("base-{:016x}.tar", fingerprint()));
    let lock = File::create(cache.join("base.lock")).or_die("open target/e2e/base.lock");
    kernel::lock(&lock).or_die("lock target/e2e/base.lock");
    if !layer.exists() {
        remove_others(&cache);
        // Straight to the terminal: a test's captured output would be shown too late.
        let _ = writeln!(
            std::io::stderr(),
            "twostep-tests: installing {} into {} (once; the host is left alone)",
            names(&packages()).join(", "),
            layer.display()
        );
        make(&layer);
    }
    layer
}

/// Installs the packages below a new root and packs what that changed into `layer`. Runs as pid 1 of its own namespaces, with the
/// host's network.
pub(crate) fn make(layer: &Path) {
    let scratch = places::cache().join("mnt");
    fs::create_dir_all(&scratch).or_die("make target/e2e/mnt");
    let root = Root::assemble(&scratch, None, &[], None);
    root.lend_name_servers();
    root.write(
        "/usr/sbin/policy-rc.d",
        "#!/bin/sh\n# Nothing is started in a test box but by a test.\nexit 101\n",
        0o755,
    );
    root.write(
        "/etc/dpkg/dpkg.cfg.d/twostep-tests",
        &(LEFT_OUT.map(|files| format!("path-exclude={files}\n")).concat()
            + &format!("path-include={KEPT}\n")),
        0o644,
    );
    // Its package would make one of its own, which every box would carry.
    fs::create_dir_all(root.path().join("etc/postgresql-common")).or_die("make a folder for PostgreSQL");
    root.write("/etc/postgresql-common/createcluster.conf", "create_main_cluster = false\n", 0o644);

    let packages = packages();
    install(&root, &packages);

    let unfinished = layer.with_extension("unfinished");
    root.pack(&unfinished);
    fs::rename(&unfinished, layer).or_die(format_args!("put {} in place", layer.display()));
}

/// A line of packaging/test-packages.
#[derive(Hash)]
struct Package {
    name: String,
    manner: Manner,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Manner {
    Installed,
    /// Only its files are there, for one that conflicts with another: no script of the package's was run, so its users and folders are
    /// for the test to make. Files of the installed ones stay.
    Unpacked,
}

fn install(root: &Root, packages: &[Package]) {
    // The host's own package lists may do; mirrors drop old versions, so they may also be too old.
    if fill(root, packages).is_ok() {
        return;
    }
    let update = chroot(root, "apt-get", &["update"]);
    if let Err(second) = fill(root, packages) {
        let complaints: Vec<&str> = [&update, &second]
            .into_iter()
            .flat_map(|done| done.stderr.lines())
            .filter(|line| line.starts_with("E:") || line.contains("dpkg: error"))
            .collect();
        panic!(
            "the end-to-end tests need the Debian packages {}, and apt could not install them into a throw-away root:\n  {}\n\
             See that `apt-get update` works on this machine and that its sources have each of these packages, then run again. \
             Nothing was changed on the host.",
            names(packages).join(", "),
            complaints.join("\n  "),
        );
    }
}

/// Puts everything in its place, or gives the command that failed.
fn fill(root: &Root, packages: &[Package]) -> Result<(), Done> {
    let of = |manner| packages.iter().filter(move |p| p.manner == manner).map(|p| p.name.as_str());
    let installed: Vec<&str> = of(Manner::Installed).collect();
    apt(root, "install", &installed)?;
    for package in installed {
        let query = chroot(root, "dpkg-query", &["-W", "-f", "${db:Status-Status}", package]);
        assert!(query.stdout == "installed", "apt left {package} uninstalled: {query}");
    }
    of(Manner::Unpacked).try_for_each(|package| unpack(root, package))
}

fn apt(root: &Root, command: &str, what: &[&str]) -> Result<(), Done> {
    let mut arguments = vec![command, "--yes", "--no-install-recommends", "-o", "Acquire::Retries=3"];
    arguments.extend(what);
    succeed(chroot(root, "apt-get", &arguments)).map(|_| ())
}

fn unpack(root: &Root, package: &str) -> Result<(), Done> {
    // Below /var/cache, so that it is not packed.
    const DOWNLOAD: &str =
        r#"mkdir -p "$1" && cd "$1" && rm -f ./* && apt-get download "$2" && mv ./*.deb "$2.deb""#;
    // To dpkg's own way of unpacking, /lib would be a folder again and no link to /usr/lib.
    const UNPACK: &str = r#"dpkg-deb --fsys-tarfile "$1" | { shift; tar -C / -x --keep-directory-symlink --skip-old-files "$@"; }"#;
    let folder = "/var/cache/twostep-tests";
    let file = format!("{folder}/{package}.deb");
    succeed(chroot(root, "sh", &["-c", DOWNLOAD, "sh", folder, package]))?;
    let depends = succeed(chroot(root, "dpkg-deb", &["--field", &file, "Depends"]))?;
    apt(root, "satisfy", &[depends.stdout.trim()])?;
    let left_out = LEFT_OUT.map(|files| format!("--exclude=.{files}"));
    let mut arguments = vec!["-c", UNPACK, "sh", &file];
    arguments.extend(left_out.iter().map(String::as_str));
    succeed(chroot(root, "sh", &arguments)).map(|_| ())
}

fn succeed(done: Done) -> Result<Done, Done> {
    if done.success() { Ok(done) } else { Err(done) }
}

fn chroot(root: &Root, program: &str, arguments: &[&str]) -> Done {
    let mut command = Command::new("chroot");
    command.arg(root.path()).arg(program).args(arguments).current_dir("/");
    command.env("DEBIAN_FRONTEND", "noninteractive").env("LC_ALL", "C.UTF-8");
    command::run(&mut command)
}

/// The packages named in packaging/test-packages.
fn packages() -> Vec<Package> {
    let list = places::workspace().join("packaging/test-packages");
    let text = fs::read_to_string(&list).or_die(format_args!("read {}", list.display()));
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    lines.filter_map(package).collect()
}

fn package(line: &str) -> Option<Package> {
    let mut words = line.split_whitespace();
    let name = words.next()?.to_owned();
    let manner = match (words.next(), words.next()) {
        (None, _) => Manner::Installed,
        (Some("unpacked"), None) => Manner::Unpacked,
        _ => panic!("packaging/test-packages: what is {line:?}?"),
    };
    Some(Package { name, manner })
}

fn names(packages: &[Package]) -> Vec<&str> {
    packages.iter().map(|package| package.name.as_str()).collect()
}

/// A layer belongs to the packages it was asked for and to the host it lies over: libraries that the host has upgraded since must
/// not be mixed with older ones in the layer.
fn fingerprint() -> u64 {
    let mut hasher = DefaultHasher::new();
    RECIPE.hash(&mut hasher);
    packages().hash(&mut hasher);
    for file in ["/etc/os-release", "/var/lib/dpkg/status"] {
        let text = fs::read(file).or_die(format_args!("read {file} (the end-to-end tests need Debian)"));
        text.hash(&mut hasher);
    }
    hasher.finish()
}

fn remove_others(cache: &Path) {
    for entry in fs::read_dir(cache).or_die("list target/e2e").flatten() {
        if entry.file_name().to_string_lossy().starts_with("base-") {
            fs::remove_file(entry.path()).or_die("remove an old base layer");
        }
    }
}
