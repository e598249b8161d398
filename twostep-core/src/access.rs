//! What the broker lets a peer ask: by the uid that the kernel gives it, and by nothing the peer says.

use crate::event::Reason;
use crate::name::ServiceName;
use crate::policy::Broker;
use crate::ports::Directory;

/// On what ground a peer may have this login judged.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// It is root: su, sudo. What it says of the source is true.
    Root,
    /// The configuration grants it this service. It is taken at its word about the source, as the server that it is.
    Granted,
    /// It asks for its own user. Where from is not its to say.
    Own,
}

/// Decides. `user` is the name raw as the peer has it.
///
/// # Errors
/// [`Reason::NotAllowed`], and [`Reason::Nss`] where NSS fails.
pub fn sign_in(
    broker: &Broker,
    directory: &dyn Directory,
    peer: u32,
    service: &ServiceName,
    user: &str,
) -> Result<Ground, Reason> {
    if peer == 0 {
        return Ok(Ground::Root);
    }
    let uid = |name: &str| match directory.find(name) {
        Ok(person) => Ok(person.map(|person| person.uid)),
        Err(failed) => Err(Reason::Nss { cause: failed.0 }),
    };
    for caller in broker.callers.iter().filter(|caller| caller.services.contains(service)) {
        if uid(caller.user.as_str())? == Some(peer) {
            return Ok(Ground::Granted);
        }
    }
    if !user.chars().any(char::is_control) && uid(user)? == Some(peer) {
        return Ok(Ground::Own);
    }
    Err(Reason::NotAllowed { uid: peer, more: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::name::UserName;
    use crate::ports::{DirectoryFailed, Person};
    use crate::rule::Match;
    use crate::secret::Secret;

    struct Names;

    impl Directory for Names {
        fn find(&self, name: &str) -> Result<Option<Person>, DirectoryFailed> {
            let uid = match name {
                "root" => 0,
                "alice" | "ALICE" => 1000,
                "bob" => 1001,
                "postgres" => 110,
                "broken" => return Err(DirectoryFailed("down".to_owned())),
                _ => return Ok(None),
            };
            Ok(Some(Person { name: UserName::parse(&name.to_lowercase()).unwrap(), uid }))
        }

        fn is_member(&self, _: &UserName, _: &[String]) -> Result<Match, DirectoryFailed> {
            Err(DirectoryFailed("nobody asks about groups here".to_owned()))
        }

        fn account_password(&self, _: &UserName) -> Result<Option<Secret>, DirectoryFailed> {
            Err(DirectoryFailed("nobody asks about passwords here".to_owned()))
        }
    }

    fn ask(peer: u32, service: &str, user: &str) -> Result<Ground, Reason> {
        let policy =
            config::parse("[broker]\ncallers = { postgres = [\"postgresql\"], gone = [\"su\"] }\n").unwrap();
        sign_in(&policy.broker, &Names, peer, &ServiceName::parse(service).unwrap(), user)
    }

    const NO: fn(u32) -> Result<Ground, Reason> = |uid| Err(Reason::NotAllowed { uid, more: 0 });

    #[test]
    fn root_asks_for_anybody() {
        assert_eq!(ask(0, "su", "alice"), Ok(Ground::Root));
        assert_eq!(ask(0, "sudo", "nobody-knows"), Ok(Ground::Root));
    }

    #[test]
    fn a_user_asks_for_himself_only() {
        assert_eq!(ask(1000, "vlock", "alice"), Ok(Ground::Own));
        assert_eq!(ask(1000, "vlock", "ALICE"), Ok(Ground::Own));
        assert_eq!(ask(1000, "vlock", "bob"), NO(1000));
        assert_eq!(ask(1000, "su", "root"), NO(1000));
        assert_eq!(ask(1000, "su", ""), NO(1000));
        assert_eq!(ask(1000, "su", "alice\n"), NO(1000));
        assert_eq!(ask(65_534, "su", "nobody-knows"), NO(65_534));
    }

    #[test]
    fn a_caller_asks_for_anybody_but_for_its_services_only() {
        assert_eq!(ask(110, "postgresql", "alice"), Ok(Ground::Granted));
        assert_eq!(ask(110, "su", "alice"), NO(110));
        assert_eq!(ask(110, "su", "postgres"), Ok(Ground::Own));
        // A name in the configuration that NSS does not know grants nobody anything.
        assert_eq!(ask(1002, "su", "alice"), NO(1002));
    }

    #[test]
    fn nss_that_fails_is_no_permission() {
        assert_eq!(ask(1000, "su", "broken"), Err(Reason::Nss { cause: "down".to_owned() }));
    }
}
