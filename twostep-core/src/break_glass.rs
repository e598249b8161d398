//! Break-glass exemptions: the few logins that hold when everything else refuses everybody.
//!
//! They come from a small file of their own and are decided by it alone. No configuration, name service, store or broker is asked, since
//! any of them may be what is broken.

use crate::attempt::Source;
use crate::name::{ServiceName, UserName};

/// The most exemptions in the file.
pub const EXEMPTIONS_MAX: usize = 8;
/// The longest file, in bytes.
pub const LENGTH_MAX: usize = 16 << 10;
/// How the name of a service ends that is made for this. Only such a service can be exempt without a terminal.
pub const DEDICATED: &str = "-rescue";
/// Services for which `tty` never matches: sshd is a network service, and users who run the others choose the terminal.
const WITHOUT_TERMINAL: [&str; 8] = ["sshd", "su", "su-l", "sudo", "sudo-i", "doas", "polkit-1", "remote"];

/// One exemption: what it names is let in by the rest of the stack alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exemption {
    /// Its line in the file.
    pub line: usize,
    /// The one service.
    pub service: ServiceName,
    /// Terminals of this host, without `/dev/`; none for a service made for this ([`DEDICATED`]), wherever the login comes from.
    pub ttys: Option<Vec<String>>,
    /// Login names, exactly as they are typed; none for everybody.
    pub users: Option<Vec<UserName>>,
    /// Why it is there.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
}

/// Where a login happens, as far as it is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// A terminal of this host, without `/dev/`.
    Terminal(&'a str),
    /// Anywhere else.
    Elsewhere,
}

/// Who runs the process that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Root, wholly: getty or another service of this host.
    Root,
    /// Possibly a user, who chooses the terminal: su and sudo take the one that their caller has.
    Doubted,
}

impl<'a> Place<'a> {
    /// The place of a login. That it is at a terminal of this host ([`Source::Local`]) is proven; but su and sudo are at their caller's.
    #[must_use]
    pub fn of(source: &Source, tty: Option<&'a str>, caller: Caller) -> Self {
        match (source, tty, caller) {
            (Source::Local, Some(tty), Caller::Root) => {
                Self::Terminal(tty.strip_prefix("/dev/").unwrap_or(tty))
            }
            _ => Self::Elsewhere,
        }
    }
}

/// The first exemption for this login. The name is asked for only where service and terminal match.
#[must_use]
pub fn find<'e>(
    exemptions: &'e [Exemption],
    service: &ServiceName,
    place: Place<'_>,
    mut user: impl FnMut() -> Option<String>,
) -> Option<&'e Exemption> {
    let at = |one: &&Exemption| one.service == *service && one.is_at(place);
    exemptions.iter().filter(at).find(|one| user().is_some_and(|user| one.is_for(&user)))
}

impl Exemption {
    fn is_at(&self, place: Place<'_>) -> bool {
        match (&self.ttys, place) {
            (None, _) => true,
            (Some(ttys), Place::Terminal(tty)) => ttys.iter().any(|one| one == tty),
            (Some(_), Place::Elsewhere) => false,
        }
    }

    /// Whether it is for a login name, letter by letter: only the name service knows what other spellings mean.
    #[must_use]
    pub fn is_for(&self, user: &str) -> bool {
        self.users.as_deref().is_none_or(|users| users.iter().any(|one| one.as_str() == user))
    }

    /// The name for the log, where the file has it. Any other may be a password that was typed at the wrong prompt.
    #[must_use]
    pub fn named(&self, user: &str) -> Option<UserName> {
        self.users.iter().flatten().find(|one| one.as_str() == user).cloned()
    }
}

/// Whether a service's name says that it was made for this.
#[must_use]
pub fn is_dedicated(service: &ServiceName) -> bool {
    service.as_str().strip_suffix(DEDICATED).is_some_and(|name| !name.is_empty())
}

/// Whether a service can ask at a terminal of this host that its caller has not chosen.
#[must_use]
pub fn has_terminal(service: &ServiceName) -> bool {
    !WITHOUT_TERMINAL.contains(&service.as_str())
}

/// Whether a name is that of a virtual console or a serial line. Pseudo-terminals are not, by their names of today (`pts/3`) and those of
/// BSD (`ttyp3`).
#[must_use]
pub fn is_console(tty: &str) -> bool {
    let kind = tty.trim_end_matches(|c: char| c.is_ascii_digit());
    if kind.len() == tty.len() {
        return tty == "console";
    }
    let letters = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphabetic());
    match kind.strip_prefix("tty") {
        Some("" | "mxc" | "sclp") => true,
        // ttyS0, ttyAMA0, ttyUSB0: a pty's letter is a small one.
        Some(line) => line.starts_with(|c: char| c.is_ascii_uppercase()) && letters(line),
        None => ["hvc", "hvsi", "xvc"].contains(&kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Place::{Elsewhere, Terminal};

    fn exemption(service: &str, ttys: Option<&[&str]>, users: Option<&[&str]>) -> Exemption {
        Exemption {
            line: 1,
            service: ServiceName::parse(service).unwrap(),
            ttys: ttys.map(|ttys| ttys.iter().map(|tty| (*tty).to_owned()).collect()),
            users: users.map(|users| users.iter().map(|user| UserName::parse(user).unwrap()).collect()),
            reason: "the way in".to_owned(),
            owner: "ops".to_owned(),
        }
    }

    fn holds(one: &Exemption, service: &str, place: Place<'_>, user: &str) -> bool {
        let service = ServiceName::parse(service).unwrap();
        find(std::slice::from_ref(one), &service, place, || Some(user.to_owned())).is_some()
    }

    #[test]
    fn an_exemption_holds_for_its_service_its_terminal_and_its_user() {
        let one = exemption("login", Some(&["tty1"]), Some(&["root"]));
        assert!(holds(&one, "login", Terminal("tty1"), "root"));
        for (service, place, user) in [
            ("sshd", Terminal("tty1"), "root"),
            ("login", Terminal("tty2"), "root"),
            ("login", Terminal("tty11"), "root"),
            ("login", Elsewhere, "root"),
            ("login", Terminal("tty1"), "alice"),
            ("login", Terminal("tty1"), "ROOT"),
            ("login", Terminal("tty1"), " root"),
            ("login", Terminal("tty1"), ""),
        ] {
            assert!(!holds(&one, service, place, user), "{service} {place:?} {user:?}");
        }
        let everybody = exemption("login", Some(&["tty1"]), None);
        assert!(holds(&everybody, "login", Terminal("tty1"), "alice"));
        assert!(!holds(&everybody, "login", Elsewhere, "alice"));
        let dedicated = exemption("sshd-rescue", None, Some(&["root"]));
        assert!(holds(&dedicated, "sshd-rescue", Elsewhere, "root"));
        assert!(!holds(&dedicated, "sshd-rescue", Elsewhere, "alice"));
    }

    #[test]
    fn nobody_is_asked_for_a_name_where_the_place_is_another() {
        let one = exemption("login", Some(&["tty1"]), None);
        let service = ServiceName::parse("login").unwrap();
        assert!(find(&[one], &service, Elsewhere, || panic!("asked")).is_none());
    }

    #[test]
    fn a_terminal_is_proven_by_a_process_that_is_wholly_root_and_no_host_beside_it() {
        let (local, tty) = (Source::Local, Some("/dev/tty1"));
        assert_eq!(Place::of(&local, tty, Caller::Root), Terminal("tty1"));
        assert_eq!(Place::of(&local, tty, Caller::Doubted), Elsewhere);
        assert_eq!(Place::of(&local, None, Caller::Root), Elsewhere);
        for elsewhere in [
            Source::Service(ServiceName::parse("login").unwrap()),
            Source::Name("console".to_owned()),
            Source::Caller(0),
            Source::of_host("127.0.0.1", &[]),
        ] {
            assert_eq!(Place::of(&elsewhere, tty, Caller::Root), Elsewhere, "{elsewhere:?}");
        }
    }

    #[test]
    fn a_pseudo_terminal_is_no_console_by_any_of_its_names() {
        for good in ["tty1", "tty63", "ttyS0", "ttyAMA0", "ttyUSB1", "ttymxc3", "ttysclp0", "hvc0", "console"]
        {
            assert!(is_console(good), "{good}");
        }
        for bad in [
            "", "tty", "pts/1", "pts1", "ttyp0", "ttya9", "ttype", "ssh", ":0", "ttyS", "tty1/", "ttyS-0",
            "tty*", "1",
        ] {
            assert!(!is_console(bad), "{bad}");
        }
    }
}
