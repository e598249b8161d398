//! All names of a uid, as far as they can be found: NSS has no question for that.

use crate::declined::Declined;
use twostep_core::name::UserName;
use twostep_core::ports::{Directory, Person};
use twostep_host::Nss;

/// Where the accounts of this host alone stand, second names of a uid among them.
const LOCAL: &str = "/etc/passwd";

/// Of somebody: the name given, the one that NSS has first for the uid, those in `enrolled`, and those of this host's own file. None where
/// NSS does not know one that is enrolled: the directory that has it may be down, and who else has the uid cannot be told.
pub(crate) fn of(person: &Person, enrolled: &[UserName]) -> Result<Option<Vec<UserName>>, Declined> {
    let mut names = vec![person.name.clone()];
    let mut add = |name: UserName| {
        if !names.contains(&name) {
            names.push(name);
        }
    };
    if let Some(first) = Nss.by_uid(person.uid)? {
        add(first.name);
    }
    for name in enrolled {
        if Nss.find(name.as_str())?.is_none_or(|found| found.uid != person.uid) {
            return Ok(None);
        }
        add(name.clone());
    }
    let local = match std::fs::read(LOCAL) {
        Ok(local) => local,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(Declined::unavailable(&format!("{LOCAL}: {error}"))),
    };
    in_file(&String::from_utf8_lossy(&local), person.uid).for_each(add);
    Ok(Some(names))
}

/// The names of a uid in a file like passwd(5).
fn in_file(text: &str, uid: u32) -> impl Iterator<Item = UserName> + '_ {
    text.lines().filter_map(move |line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.starts_with('#'))?;
        let its = fields.nth(1)?.parse::<u32>().ok()?;
        if its == uid { UserName::parse(name).ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_names_are_found() {
        let text =
            "root:x:0:0::/root:/bin/sh\n# boss:x:7:7\nboss:x:7:7::/:\nbob:*:7:8::/:\nbroken\n\nx:y:z\n";
        let names: Vec<String> = in_file(text, 7).map(|name| name.to_string()).collect();
        assert_eq!(names, ["boss", "bob"]);
        let root = Nss.by_uid(0).unwrap().unwrap();
        assert_eq!(of(&root, &[UserName::parse("no-such-user-here").unwrap()]).unwrap(), None);
        assert!(of(&root, &[]).unwrap().unwrap().contains(&UserName::parse("root").unwrap()));
    }
}
