//! The user database, as NSS has it.

use nix::unistd::User;
use twostep_core::name::UserName;
use twostep_core::ports::{Directory, DirectoryFailed, Person};

/// NSS. Any error of getpwnam_r(3) is a failure, ENOENT among them: with sssd stopped that is what it returns, where a real "no such
/// user" is success without a result.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nss;

impl Directory for Nss {
    fn find(&self, name: &str) -> Result<Option<Person>, DirectoryFailed> {
        let found = User::from_name(name).map_err(|errno| DirectoryFailed(format!("getpwnam_r: {errno}")))?;
        found
            .map(|user| {
                let name = UserName::parse(&user.name).map_err(|error| {
                    DirectoryFailed(format!("the name that NSS gives cannot be used: {error}"))
                })?;
                Ok(Person { name, uid: user.uid.as_raw() })
            })
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_known_and_nobody_in_particular_is_not() {
        assert_eq!(Nss.find("root").unwrap().unwrap().uid, 0);
        assert_eq!(Nss.find("no-such-user-here").unwrap(), None);
    }
}
