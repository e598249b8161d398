//! Whether this process is at a terminal of this host.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// `/dev/console`, which stands for another terminal.
const CONSOLE: u64 = libc::makedev(5, 1);

/// Whether a name, as PAM_TTY has it, is that of this process's controlling terminal, and that is a virtual console or a serial line. getty
/// makes it so for login. A server has none, whatever it says, and neither has a display manager while it asks.
#[must_use]
pub fn is_at(name: &str) -> bool {
    let name = name.strip_prefix("/dev/").unwrap_or(name);
    let Ok(device) = fs::metadata(Path::new("/dev").join(name)) else { return false };
    let own = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(controlling_terminal);
    let named = |own| device.rdev() == own || device.rdev() == CONSOLE;
    device.file_type().is_char_device() && own.is_some_and(|own| named(own) && !is_pseudo(own))
}

/// The seventh field, by proc_pid_stat(5); the second may hold anything.
fn controlling_terminal(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let number: i32 = after_name.split_ascii_whitespace().nth(4)?.parse().ok()?;
    // As the kernel prints it: twelve bits of major number between eight and twelve of the minor one, as in a device number of 32 bits.
    let number = u32::from_ne_bytes(number.to_ne_bytes());
    let (major, minor) = ((number >> 8) & 0xfff, (number & 0xff) | ((number >> 12) & 0xfff00));
    (number != 0).then(|| libc::makedev(major, minor))
}

/// Whether it is a pseudo-terminal: anybody's, from anywhere. Bluetooth's serial lines are anybody's within reach.
fn is_pseudo(device: u64) -> bool {
    matches!(libc::major(device), 2 | 3 | 128..=143 | 216)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_controlling_terminal_is_read_whatever_the_program_is_called() {
        let stat = |name: &str, tty: i64| format!("7 ({name}) S 1 7 7 {tty} -1 4194560 0 0");
        assert_eq!(controlling_terminal(&stat("login", 1025)), Some(libc::makedev(4, 1)));
        assert_eq!(controlling_terminal(&stat("a) R 1 2 3 1025 (b", 34816)), Some(libc::makedev(136, 0)));
        // /dev/pts/1048575, which fills all bits.
        assert_eq!(controlling_terminal(&stat("x", -1_013_505)), Some(libc::makedev(136, 0xf_ffff)));
        assert_eq!(controlling_terminal(&stat("sshd", 0)), None);
        assert_eq!(controlling_terminal("7 (torn"), None);
    }

    #[test]
    fn what_is_no_terminal_of_this_process_is_no_place() {
        for name in ["", "/", "null", "tty", "ptmx", "../etc/passwd", "web", ":0", "nowhere", "pts/0", "\0"] {
            assert!(!is_at(name), "{name}");
        }
        assert!(is_pseudo(libc::makedev(136, 0)) && is_pseudo(libc::makedev(143, 9)));
        assert!(!is_pseudo(libc::makedev(4, 64)) && !is_pseudo(libc::makedev(229, 0)));
    }
}
