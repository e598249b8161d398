//! The file system of a box.
//!
//! An overlay over the live `/` whose changes go to a tmpfs, with its own /dev, /proc, /run and /tmp. Between the two lies the
//! base layer, unpacked into the same tmpfs: as a folder below `/` the kernel would refuse it as a lower layer beside `/` (ELOOP),
//! and a second overlay on top would be one too many where `/` is an overlay already, as in a container.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command;
use crate::ffi::kernel;
use crate::pristine;
use crate::wait::OrDie;

/// A root being made, mounted in this process' own mount namespace.
pub(crate) struct Root {
    scratch: PathBuf,
}

impl Root {
    /// Mounts everything on `scratch`, a folder that exists. `layer` is a base layer as [`Root::pack`] left it; each of `shared`
    /// is the host's folder at the same path, read-only. With `before` it is as if this shell script had been run on the host.
    pub(crate) fn assemble(
        scratch: &Path,
        layer: Option<&Path>,
        shared: &[PathBuf],
        before: Option<&str>,
    ) -> Self {
        let nothing = Path::new("none");
        kernel::mount(nothing, Path::new("/"), "", libc::MS_REC | libc::MS_PRIVATE, "")
            .or_die("keep mounts to this namespace");
        kernel::mount(nothing, scratch, "tmpfs", 0, "mode=0755,size=75%").or_die("mount a tmpfs");

        let root = Self { scratch: scratch.to_path_buf() };
        for folder in ["base", "upper", "work", "root"] {
            fs::create_dir(scratch.join(folder)).or_die("make a folder on a tmpfs");
        }
        let mut lower = "/".to_owned();
        if let Some(layer) = layer {
            unpack(layer, &scratch.join("base"));
            lower = "base:/".to_owned();
        }
        if let Some(script) = before {
            root.run_on_the_host(script, &lower, shared);
            lower = format!("host:{lower}");
        }
        root.mount_overlay(&lower, "upper", "work");
        root.mount_own_folders();
        pristine::make(&root.path());
        for folder in shared {
            root.share(folder);
        }
        root
    }

    /// Leaves what a script changes in a layer of its own.
    fn run_on_the_host(&self, script: &str, lower: &str, shared: &[PathBuf]) {
        for folder in ["host", "host-work"] {
            fs::create_dir(self.scratch.join(folder)).or_die("make a folder on a tmpfs");
        }
        self.mount_overlay(lower, "host", "host-work");
        self.mount_own_folders();
        for folder in shared {
            self.share(folder);
        }
        let mut command = Command::new("chroot");
        command.arg(self.path()).args(["/bin/sh", "-c", script]).current_dir("/");
        command::run(&mut command).expect_success();
        kernel::unmount(&self.path()).or_die("unmount an overlay");
    }

    /// Unpacks a whole root, which has nothing of this host's but the `shared` folders.
    pub(crate) fn unpacked(scratch: &Path, tar: &Path, shared: &[PathBuf]) -> Self {
        let nothing = Path::new("none");
        kernel::mount(nothing, Path::new("/"), "", libc::MS_REC | libc::MS_PRIVATE, "")
            .or_die("keep mounts to this namespace");
        kernel::mount(nothing, scratch, "tmpfs", 0, "mode=0755,size=75%").or_die("mount a tmpfs");
        let root = Self { scratch: scratch.to_path_buf() };
        fs::create_dir(root.path()).or_die("make a folder on a tmpfs");
        // A root has to be a mount point.
        kernel::mount(&root.path(), &root.path(), "", libc::MS_BIND, "").or_die("mount the new root");
        unpack(tar, &root.path());
        root.mount_own_folders();
        for folder in shared {
            root.share(folder);
        }
        root
    }

    /// The new root as seen from the old one.
    pub(crate) fn path(&self) -> PathBuf {
        self.scratch.join("root")
    }

    /// Writes what was changed below this root to a tar file, leaving out apt's downloads.
    pub(crate) fn pack(&self, to: &Path) {
        let mut tar = Command::new("tar");
        tar.arg("-C").arg(self.scratch.join("upper")).arg("-cf").arg(to).args(XATTRS);
        tar.args(["--numeric-owner", "--exclude=./var/lib/apt/lists/*", "--exclude=./var/cache/*"]);
        // Its package wants to compile them, or dpkg would not have unpacked them in the first place.
        tar.args(["--exclude=./usr/lib/python3/dist-packages/fail2ban/tests", "."]);
        command::run(&mut tar).expect_success();
    }

    fn mount_overlay(&self, lower: &str, upper: &str, work: &str) {
        // Relative names, because a ':' or ',' in the path of the target folder would end an option.
        std::env::set_current_dir(&self.scratch).or_die("enter a tmpfs");
        // What a kernel's own defaults may turn on would leave marks in the base layer that only this one overlay understands.
        let options = format!(
            "lowerdir={lower},upperdir={upper},workdir={work},redirect_dir=off,index=off,metacopy=off"
        );
        kernel::mount(Path::new("overlay"), Path::new("root"), "overlay", 0, &options).or_die(
            "mount an overlay over / (does this kernel have overlayfs, and may a container mount it?)",
        );
    }

    fn mount_own_folders(&self) {
        let root = self.path();
        let tmpfs = |folder: &str, options: &str| {
            kernel::mount(Path::new("tmpfs"), &root.join(folder), "tmpfs", 0, options)
                .or_die(format_args!("mount /{folder}"));
        };
        kernel::mount(Path::new("proc"), &root.join("proc"), "proc", 0, "").or_die("mount /proc");
        tmpfs("run", "mode=0755");
        tmpfs("tmp", "mode=1777");
        tmpfs("home", "mode=0755");
        for folder in ["run/lock", "run/sshd", "run/user"] {
            fs::create_dir(root.join(folder)).or_die("make a folder in /run");
        }

        tmpfs("dev", "mode=0755");
        let dev = root.join("dev");
        for (name, major, minor) in [
            ("null", 1, 3),
            ("zero", 1, 5),
            ("full", 1, 7),
            ("random", 1, 8),
            ("urandom", 1, 9),
            ("tty", 5, 0),
            ("fuse", 10, 229),
        ] {
            kernel::make_character_device(&dev.join(name), major, minor)
                .or_die(format_args!("make /dev/{name}"));
        }
        fs::create_dir(dev.join("pts")).or_die("make /dev/pts");
        fs::create_dir(dev.join("shm")).or_die("make /dev/shm");
        // Group 5 is tty: login and sshd look for just that.
        kernel::mount(
            Path::new("devpts"),
            &dev.join("pts"),
            "devpts",
            0,
            "newinstance,ptmxmode=0666,mode=620,gid=5",
        )
        .or_die("mount /dev/pts");
        tmpfs("dev/shm", "mode=1777");
        for (link, target) in [
            ("ptmx", "pts/ptmx"),
            ("fd", "/proc/self/fd"),
            ("stdin", "fd/0"),
            ("stdout", "fd/1"),
            ("stderr", "fd/2"),
        ] {
            symlink(target, dev.join(link)).or_die(format_args!("make /dev/{link}"));
        }
    }

    fn share(&self, folder: &Path) {
        let inside = self.path().join(folder.strip_prefix("/").unwrap_or(folder));
        fs::create_dir_all(&inside).or_die(format_args!("make {}", inside.display()));
        kernel::mount(folder, &inside, "", libc::MS_BIND, "")
            .and_then(|()| {
                let flags = libc::MS_BIND | libc::MS_REMOUNT | libc::MS_RDONLY;
                kernel::mount(Path::new("none"), &inside, "", flags, "")
            })
            .or_die(format_args!("show {} to the box", folder.display()));
    }

    /// Gives a root that shares the host's network the host's name servers. On many hosts resolv.conf is a link into /run, which
    /// is the box's own, or is mounted over /etc from outside, which an overlay does not see.
    pub(crate) fn lend_name_servers(&self) {
        let Ok(text) = fs::read("/etc/resolv.conf") else { return };
        let real = fs::canonicalize("/etc/resolv.conf").or_die("follow /etc/resolv.conf");
        let inside = self.path().join(real.strip_prefix("/").unwrap_or(&real));
        if real.starts_with("/run") {
            if let Some(folder) = inside.parent() {
                fs::create_dir_all(folder).or_die("make a folder in /run");
            }
            fs::write(&inside, text).or_die("write resolv.conf");
        } else {
            let copy = self.path().join("run/resolv.conf");
            fs::write(&copy, text).or_die("write resolv.conf");
            kernel::mount(&copy, &inside, "", libc::MS_BIND, "").or_die("show resolv.conf to apt");
        }
    }

    /// Writes a file below the new root.
    pub(crate) fn write(&self, path: &str, text: &str, mode: u32) {
        let inside = self.path().join(path.trim_start_matches('/'));
        fs::write(&inside, text).or_die(format_args!("write {path}"));
        fs::set_permissions(&inside, fs::Permissions::from_mode(mode))
            .or_die(format_args!("set the mode of {path}"));
    }
}

fn unpack(from: &Path, to: &Path) {
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(to).arg("-xf").arg(from).args(XATTRS);
    tar.args(["--numeric-owner", "--same-permissions"]);
    command::run(&mut tar).expect_success();
}

/// Whiteouts are character devices, which tar keeps by itself; opaque folders are marked by an attribute. The overlay's other
/// attributes speak of the one file system they were made on.
const XATTRS: [&str; 3] =
    ["--xattrs", "--xattrs-include=trusted.overlay.opaque", "--xattrs-include=security.capability"];
