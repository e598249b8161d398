//! Whether an account has expired (shadow(5)). A server that runs as a user of its own cannot see that, and pam_unix in its stack says only
//! that it cannot: so it is looked at here, for those who were granted a service.

use twostep_core::name::UserName;
use twostep_core::ports::DirectoryFailed;
use twostep_core::time::UnixTime;
use twostep_host::{Aging, Nss};

const DAY: i64 = 86_400;

/// Whether the account of `user` has expired by `now`. Whoever has no entry, by the user database too, has nothing that could.
pub(crate) fn has_expired(user: &UserName, now: UnixTime) -> Result<bool, DirectoryFailed> {
    let entry = Nss.shadow(user)?;
    Ok(entry.is_some_and(|entry| is_over(entry.aging, now.0.div_euclid(DAY))))
}

/// As pam_unix has it: the account's own day has come, or its password has been expired for longer than it may be. Negative numbers stand
/// for "never".
fn is_over(aging: Aging, today: i64) -> bool {
    let Aging { changed, longest, inactive, expires } = aging;
    let by_itself = expires >= 0 && today >= expires;
    let age = today.saturating_sub(changed);
    let by_password = changed > 0 && longest >= 0 && inactive >= 0 && age > longest.saturating_add(inactive);
    by_itself || by_password
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: Aging = Aging { changed: 20_000, longest: 99_999, inactive: -1, expires: -1 };

    #[test]
    fn an_account_ends_on_its_day() {
        assert!(!is_over(NEVER, 21_000));
        let ends = Aging { expires: 20_500, ..NEVER };
        assert!(!is_over(ends, 20_499));
        assert!(is_over(ends, 20_500));
        assert!(is_over(Aging { expires: 0, ..NEVER }, 20_500), "chage -E 0");
    }

    #[test]
    fn an_account_ends_when_its_password_has_been_expired_for_long() {
        let aged = Aging { longest: 90, inactive: 14, ..NEVER };
        assert!(!is_over(aged, 20_104));
        assert!(is_over(aged, 20_105));
        assert!(
            !is_over(Aging { inactive: -1, ..aged }, 30_000),
            "an expired password is no expired account"
        );
        assert!(!is_over(Aging { changed: 0, ..aged }, 30_000), "to be changed at the next sign-in");
        assert!(!is_over(Aging { changed: -1, ..aged }, 30_000));
    }

    #[test]
    fn root_has_an_account_that_lasts() {
        let root = UserName::parse("root").unwrap();
        // Only root can look; who cannot is told so.
        if nix::unistd::geteuid().is_root() {
            assert_eq!(has_expired(&root, UnixTime(1_800_000_000)), Ok(false));
        }
        let nobody = UserName::parse("nobody-here-by-this-name").unwrap();
        if nix::unistd::geteuid().is_root() {
            assert_eq!(has_expired(&nobody, UnixTime(1_800_000_000)), Ok(false));
        }
    }
}
