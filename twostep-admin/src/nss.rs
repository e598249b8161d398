//! All accounts, by getent(1): enumerating takes the same NSS modules as everybody else's look-ups, and no unsafe code of ours.
//! Directories that do not enumerate (sssd, unless told to) show only who has been looked up, as for every other program.

use crate::failure::Failure;
use std::process::{Command, Stdio};
use twostep_core::name::UserName;

/// An account somebody could log in to.
pub(crate) struct Account {
    pub(crate) name: UserName,
    pub(crate) uid: u32,
}

/// Accounts whose shell is a shell: neither `nologin` nor `false`. No shell at all means `/bin/sh` (passwd(5)).
pub(crate) fn accounts_with_a_shell() -> Result<Vec<Account>, Failure> {
    let failed = |cause: String| Failure::Nss(format!("getent passwd: {cause}"));
    let output = Command::new("/usr/bin/getent")
        .arg("passwd")
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(output.status.to_string()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(account).collect())
}

fn account(line: &str) -> Option<Account> {
    let mut fields = line.split(':');
    let name = UserName::parse(fields.next()?).ok()?;
    let uid = fields.nth(1)?.parse().ok()?;
    let shell = fields.nth(3)?.rsplit('/').next()?;
    if matches!(shell, "nologin" | "false") { None } else { Some(Account { name, uid }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn daemons_have_no_shell() {
        assert!(account("daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin").is_none());
        assert!(account("x:x:1:1:x:/:/bin/false").is_none());
        assert!(account("junk").is_none());
        let alice = account("alice:x:1000:1000:Alice,,,:/home/alice:").unwrap();
        assert_eq!((alice.name.as_str(), alice.uid), ("alice", 1000));
    }
}
