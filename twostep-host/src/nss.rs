//! The user database, as NSS has it.

use crate::ffi::{self, Shadow};
use nix::errno::Errno;
use std::ffi::CString;
use twostep_core::name::UserName;
use twostep_core::ports::{Directory, DirectoryFailed, Person};
use twostep_core::rule::Match;
use twostep_core::secret::Secret;

/// NSS. Any error of getpwnam_r(3) is a failure, ENOENT among them: with sssd stopped that is what it returns, where a real "no such
/// user" is success without a result. With another source after sssd even that is told as "no such user".
#[derive(Clone, Copy, Debug, Default)]
pub struct Nss;

impl Directory for Nss {
    fn find(&self, name: &str) -> Result<Option<Person>, DirectoryFailed> {
        let Some(name) = c_string(name) else { return Ok(None) };
        ffi::user_by_name(&name).map_err(failed("getpwnam_r"))?.as_ref().map(person).transpose()
    }

    fn is_member(&self, user: &UserName, groups: &[String]) -> Result<Match, DirectoryFailed> {
        let user = Account::of(user)?;
        let mut found = Match::No;
        for group in groups {
            found = found.max(match user.membership(group)? {
                Membership::Member => return Ok(Match::Yes),
                Membership::Listed | Membership::NoGroup => Match::Doubted,
                Membership::None => Match::No,
            });
        }
        Ok(found)
    }

    fn account_password(&self, user: &UserName) -> Result<Option<Secret>, DirectoryFailed> {
        match ffi::shadow(user.as_str()) {
            // SELinux keeps it from services whose pam_unix leaves the comparison to unix_chkpwd(8). A host can be without such a database.
            Err(Errno::EACCES | Errno::EPERM | Errno::ENOENT) => Ok(None),
            found => Ok(found.map_err(failed("getspnam_r"))?.map(|entry| entry.password)),
        }
    }
}

impl Nss {
    /// What the shadow database has of a user, if anything.
    ///
    /// # Errors
    /// When the look-up itself failed: also where the user database says that there is an entry, and it is not found.
    pub fn shadow(&self, user: &UserName) -> Result<Option<Shadow>, DirectoryFailed> {
        entry(ffi::shadow(user.as_str()), || {
            let Some(name) = c_string(user.as_str()) else { return Ok(false) };
            Ok(ffi::user_by_name(&name)?.is_some_and(|known| known.is_shadowed))
        })
        .map_err(failed("getspnam_r"))
    }

    /// The first name that NSS has for a uid.
    ///
    /// # Errors
    /// When the look-up itself failed.
    pub fn by_uid(&self, uid: u32) -> Result<Option<Person>, DirectoryFailed> {
        ffi::user_by_uid(uid).map_err(failed("getpwuid_r"))?.as_ref().map(person).transpose()
    }

    /// How a user whom NSS knows stands to a group.
    ///
    /// # Errors
    /// When a look-up itself failed: also where the user is not found. The directory that has both may be down by now.
    pub fn membership(&self, user: &UserName, group: &str) -> Result<Membership, DirectoryFailed> {
        match Account::of(user)? {
            account if account.is_known() => account.membership(group),
            _ => Err(DirectoryFailed(format!("getpwnam_r: {user} is not found"))),
        }
    }

    /// Whether there is such a group.
    ///
    /// # Errors
    /// When the look-up itself failed.
    pub fn has_group(&self, group: &str) -> Result<bool, DirectoryFailed> {
        let Some(group) = c_string(group) else { return Ok(false) };
        Ok(ffi::group_by_name(&group, None).map_err(failed("getgrnam_r"))?.is_some())
    }
}

/// What a look-up in the shadow database has come to. As with pam_unix, an entry that must be there and is not found is no entry without
/// limits: the directory that has it may be down.
fn entry(
    found: Result<Option<Shadow>, Errno>,
    must_be_there: impl Fn() -> Result<bool, Errno>,
) -> Result<Option<Shadow>, Errno> {
    match found {
        Ok(None) | Err(Errno::ENOENT) if must_be_there()? => Err(Errno::ENOENT),
        Ok(None) | Err(Errno::ENOENT) => Ok(None),
        found => found,
    }
}

/// How somebody stands to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// Of it: its gid is the user's own, or one that initgroups gives her.
    Member,
    /// In the group's own list, but without its gid: programs that the user runs are not of it.
    Listed,
    /// Not of it, as far as the sources have answered.
    None,
    /// It is not found.
    NoGroup,
}

/// A user's name and gids. Nobody whom NSS does not know has any, and everybody else has one.
struct Account {
    name: CString,
    gids: Vec<u32>,
}

impl Account {
    fn of(user: &UserName) -> Result<Self, DirectoryFailed> {
        let name = c_string(user.as_str()).ok_or_else(|| DirectoryFailed("a name with a NUL".to_owned()))?;
        let gids = match ffi::user_by_name(&name).map_err(failed("getpwnam_r"))? {
            Some(found) => ffi::gids(&name, found.gid).map_err(failed("getgrouplist"))?,
            None => Vec::new(),
        };
        Ok(Self { name, gids })
    }

    fn is_known(&self) -> bool {
        !self.gids.is_empty()
    }

    /// By gid: of two groups of one name only the first one's counts.
    fn membership(&self, group: &str) -> Result<Membership, DirectoryFailed> {
        let Some(group) = c_string(group) else { return Ok(Membership::NoGroup) };
        let found = ffi::group_by_name(&group, Some(&self.name)).map_err(failed("getgrnam_r"))?;
        Ok(match found {
            None => Membership::NoGroup,
            Some(group) if self.gids.contains(&group.gid) => Membership::Member,
            Some(group) if group.lists_member => Membership::Listed,
            Some(_) => Membership::None,
        })
    }
}

/// No name has a NUL in it.
fn c_string(text: &str) -> Option<CString> {
    CString::new(text).ok()
}

fn failed(call: &'static str) -> impl Fn(Errno) -> DirectoryFailed {
    move |errno| DirectoryFailed(format!("{call}: {errno}"))
}

fn person(user: &ffi::User) -> Result<Person, DirectoryFailed> {
    let name = UserName::parse(&user.name)
        .map_err(|error| DirectoryFailed(format!("the name that NSS gives cannot be used: {error}")))?;
    Ok(Person { name, uid: user.uid })
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
    fn a_shadow_entry_that_must_be_there_and_is_not_found_is_a_failure() {
        for missing in [Ok(None), Err(Errno::ENOENT)] {
            let of = |must_be_there| entry(missing.clone(), || must_be_there).map(|entry| entry.is_none());
            assert_eq!(of(Ok(true)), Err(Errno::ENOENT));
            assert_eq!(of(Ok(false)), Ok(true));
            assert_eq!(of(Err(Errno::EIO)), Err(Errno::EIO));
        }
        assert!(matches!(entry(Err(Errno::EACCES), || Ok(false)), Err(Errno::EACCES)));
    }

    #[test]
    fn root_is_of_its_own_group_and_of_no_other() {
        let root = Nss.by_uid(0).unwrap().unwrap().name;
        assert_eq!(root.as_str(), "root");
        assert_eq!(Nss.membership(&root, "root"), Ok(Membership::Member));
        assert_eq!(Nss.membership(&root, "nogroup"), Ok(Membership::None));
        assert_eq!(Nss.membership(&root, "no-such-group"), Ok(Membership::NoGroup));
        let gone = UserName::parse("no-such-user-here").unwrap();
        assert!(Nss.membership(&gone, "root").is_err(), "whoever has gone is no member of nothing");
        let is_member = |groups: &[&str]| {
            Nss.is_member(&root, &groups.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(is_member(&["no-such-group", "root"]), Ok(Match::Yes));
        assert_eq!(is_member(&["no-such-group", "nogroup"]), Ok(Match::Doubted));
        assert_eq!(is_member(&["nogroup"]), Ok(Match::No));
        assert_eq!(Nss.has_group("root"), Ok(true));
        assert_eq!(Nss.has_group("no-such-group"), Ok(false));
    }
}
