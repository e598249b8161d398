//! The user database, as NSS has it.

use crate::ffi::{self, Shadow};
use nix::errno::Errno;
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use std::ffi::CString;
use twostep_core::name::UserName;
use twostep_core::ports::{Directory, DirectoryFailed, Person};
use twostep_core::secret::Secret;

/// NSS. Any error of getpwnam_r(3) is a failure, ENOENT among them: with sssd stopped that is what it returns, where a real "no such
/// user" is success without a result.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nss;

impl Directory for Nss {
    fn find(&self, name: &str) -> Result<Option<Person>, DirectoryFailed> {
        User::from_name(name).map_err(failed("getpwnam_r"))?.as_ref().map(person).transpose()
    }

    fn is_member(&self, user: &UserName, groups: &[String]) -> Result<bool, DirectoryFailed> {
        for group in groups {
            if self.membership(user, group)? == Membership::Member {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn account_password(&self, user: &UserName) -> Result<Option<Secret>, DirectoryFailed> {
        match ffi::shadow(user.as_str()) {
            // SELinux keeps it from services whose pam_unix leaves the comparison to unix_chkpwd(8).
            Err(Errno::EACCES | Errno::EPERM) => Ok(None),
            found => Ok(found.map_err(failed("getspnam_r"))?.map(|entry| entry.password)),
        }
    }
}

impl Nss {
    /// What the shadow database has of a user, if anything.
    ///
    /// # Errors
    /// When the look-up itself failed.
    pub fn shadow(&self, user: &UserName) -> Result<Option<Shadow>, DirectoryFailed> {
        ffi::shadow(user.as_str()).map_err(failed("getspnam_r"))
    }

    /// The first name that NSS has for a uid.
    ///
    /// # Errors
    /// When the look-up itself failed.
    pub fn by_uid(&self, uid: u32) -> Result<Option<Person>, DirectoryFailed> {
        User::from_uid(Uid::from_raw(uid)).map_err(failed("getpwuid_r"))?.as_ref().map(person).transpose()
    }

    /// Whether a user is of a group: as his primary group, as one that initgroups gives him, or in the group's own list.
    ///
    /// # Errors
    /// When a look-up itself failed.
    pub fn membership(&self, user: &UserName, group: &str) -> Result<Membership, DirectoryFailed> {
        let Some(group) = Group::from_name(group).map_err(failed("getgrnam_r"))? else {
            return Ok(Membership::NoGroup);
        };
        let Some(found) = User::from_name(user.as_str()).map_err(failed("getpwnam_r"))? else {
            return Ok(Membership::None);
        };
        let listed = group.mem.contains(&found.name);
        let of = |groups: &[Gid]| groups.contains(&group.gid);
        let name = CString::new(found.name).map_err(|_| DirectoryFailed("a name with a NUL".to_owned()))?;
        let groups = getgrouplist(&name, found.gid).map_err(failed("getgrouplist"))?;
        Ok(if listed || of(&groups) { Membership::Member } else { Membership::None })
    }

    /// Whether there is such a group.
    ///
    /// # Errors
    /// When the look-up itself failed.
    pub fn has_group(&self, group: &str) -> Result<bool, DirectoryFailed> {
        Ok(Group::from_name(group).map_err(failed("getgrnam_r"))?.is_some())
    }
}

/// How somebody stands to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// Of it.
    Member,
    /// Not of it.
    None,
    /// There is no such group.
    NoGroup,
}

fn failed(call: &'static str) -> impl Fn(Errno) -> DirectoryFailed {
    move |errno| DirectoryFailed(format!("{call}: {errno}"))
}

fn person(user: &User) -> Result<Person, DirectoryFailed> {
    let name = UserName::parse(&user.name)
        .map_err(|error| DirectoryFailed(format!("the name that NSS gives cannot be used: {error}")))?;
    Ok(Person { name, uid: user.uid.as_raw() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_known_and_nobody_in_particular_is_not() {
        assert_eq!(Nss.find("root").unwrap().unwrap().uid, 0);
        assert_eq!(Nss.find("no-such-user-here").unwrap(), None);
    }

    #[test]
    fn an_account_password_is_as_shadow_has_it() {
        let of = |name| Nss.account_password(&UserName::parse(name).unwrap());
        assert_eq!(of("no-such-user-here"), Ok(None));
        let field =
            |line: &str| line.strip_prefix("root:").and_then(|rest| Some(rest.split(':').next()?.to_owned()));
        if let Ok(text) = std::fs::read_to_string("/etc/shadow") {
            let stored = text.lines().find_map(field).map(|hash| Secret::new(hash.into_bytes()));
            assert_eq!(of("root"), Ok(stored));
        }
    }

    #[test]
    fn root_is_of_its_own_group_and_of_no_other() {
        let root = Nss.by_uid(0).unwrap().unwrap().name;
        assert_eq!(root.as_str(), "root");
        assert_eq!(Nss.membership(&root, "root"), Ok(Membership::Member));
        assert_eq!(Nss.membership(&root, "nogroup"), Ok(Membership::None));
        assert_eq!(Nss.membership(&root, "no-such-group"), Ok(Membership::NoGroup));
        assert_eq!(Nss.has_group("root"), Ok(true));
        assert_eq!(Nss.has_group("no-such-group"), Ok(false));
    }
}
