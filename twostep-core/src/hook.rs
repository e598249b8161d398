//! A command of the administrator's, and what of it users choose: it is run as root, and a name is never more than a word.

use std::path::Path;

/// A command without a shell: an absolute path, then its arguments. A word that is `{user}` or `{name}` stands for that; `{event}` may
/// stand anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The program and its arguments. Never empty.
    pub words: Vec<String>,
}

/// What users choose, or whoever made their account.
const CHOSEN: [&str; 2] = ["{user}", "{name}"];

/// Programs that run what their arguments say: each wants a script or a program of the administrator's before anything else.
const INTERPRETERS: &str = "ash awk bash busybox csh dash doas env expect fish gawk ionice ksh lua mawk mksh nawk nice node nohup \
     nsenter perl php pkexec prlimit python rbash ruby run0 sed setpriv setsid sh stdbuf strace sudo systemd-cat systemd-inhibit \
     systemd-run taskset tclsh tcsh time timeout unshare zsh";

/// Programs that put their arguments together for a shell, run what comes last, or take code by position.
const LAUNCHERS: &str = "at batch chroot emacs find flock gdb make parallel rsh runuser screen script sg sqlite ssh su tmux vi vim \
     watch xargs";

/// Options of interpreters whose argument is a folder, and no script.
const FOLDER: [&str; 6] = ["-C", "-D", "-R", "--chdir", "--root", "--wd"];

/// Options whose argument is code.
const CODE: [&str; 6] = ["--command", "--eval", "--exec", "--execute", "--expression", "--run"];

impl Command {
    /// Why it cannot be run: what users choose would be more than a word of its own.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        (0..words.len()).find_map(|at| {
            let (before, word) = (words.get(..at)?, *words.get(at)?);
            let chosen = CHOSEN.into_iter().find(|chosen| word.contains(chosen))?;
            if word != chosen {
                Some(format!("{chosen} stands inside another word, {word:?}"))
            } else if is_code(before) {
                Some(format!("{chosen} stands where {} would run it", before.join(" ")))
            } else {
                None
            }
        })
    }

    /// The words with what the placeholders stand for; what was filled in is not looked at again.
    ///
    /// # Errors
    /// When a value would be taken for an option, or the command has a [`Self::refusal`].
    pub fn filled(&self, user: &str, name: &str, event: &str) -> Result<Vec<String>, String> {
        if let Some(refusal) = self.refusal() {
            return Err(refusal);
        }
        let fill =
            |word: &String| match CHOSEN.into_iter().zip([user, name]).find(|(chosen, _)| word == chosen) {
                Some((chosen, value)) if value.starts_with('-') => {
                    Err(format!("{chosen} begins with a dash: {value:?}"))
                }
                Some((_, value)) => Ok(value.to_owned()),
                None => Ok(word.replace("{event}", event)),
            };
        self.words.iter().map(fill).collect()
    }
}

/// Whether the word after these is code, or a program to run.
fn is_code(before: &[&str]) -> bool {
    let takes_code = |word: &str| {
        CODE.contains(&word)
            || (word.starts_with('-') && !word.starts_with("--") && word.ends_with(['c', 'e', 'E']))
    };
    if before.last().is_some_and(|last| takes_code(last)) {
        return true;
    }
    let Some(first) = before.first() else { return true };
    if is_of(LAUNCHERS, first) {
        return true;
    }
    if !is_of(INTERPRETERS, first) {
        return false;
    }
    if before.iter().any(|word| is_of(LAUNCHERS, word)) {
        return true;
    }
    let is_literal = |word: &str| !word.starts_with('-') && !CHOSEN.contains(&word);
    let has_code = before
        .windows(2)
        .any(|pair| matches!(pair, [option, code] if takes_code(option) && is_literal(code)));
    let has_script = before.windows(2).any(|pair| {
        matches!(pair, [option, script]
            if Path::new(script).is_absolute() && !is_of(INTERPRETERS, script) && !FOLDER.contains(option))
    });
    !has_code && !has_script
}

/// Whether a word is the name of one of these programs, or its path. `python3.11` is `python`.
fn is_of(programs: &str, word: &str) -> bool {
    let name = word.rsplit('/').next().unwrap_or(word);
    let bare = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    programs.split(' ').any(|program| program == name || program == bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(text: &str) -> Command {
        // Words are parted by two blanks.
        Command { words: text.split("  ").map(str::to_owned).collect() }
    }

    #[test]
    fn what_users_choose_is_a_word_of_its_own() {
        for good in [
            "/usr/local/sbin/tell",
            "/usr/local/sbin/tell  {user}  {name}",
            "/usr/local/sbin/tell  --what={event}  {user}",
            "/usr/bin/doveadm  kick  {user}",
            "/usr/bin/mail  -s  {name}  root",
            "/bin/sh  -c  tell \"$1\" \"$2\"  sh  {user}  {name}",
            "/bin/bash  -euc  tell \"$1\"  {name}",
            "/bin/sh  -c  tell {event} \"$TWOSTEP_NAME\"",
            "/bin/sh  /usr/local/sbin/tell  {name}",
            "/usr/bin/python3.11  -I  /opt/tell.py  {name}",
            "/usr/bin/timeout  10  /usr/bin/doveadm  kick  {user}",
            "/usr/bin/env  LC_ALL=C  /bin/sh  -c  tell \"$1\"  sh  {name}",
            "/usr/local/sbin/tell  find  {name}",
            "/usr/bin/perl  -w  /opt/tell.pl  {user}",
            "/usr/bin/sudo  -u  vmail  /usr/bin/doveadm  kick  {user}",
            "/usr/bin/docker  exec  mail  doveadm  kick  {user}",
        ] {
            assert_eq!(command(good).refusal(), None, "{good}");
        }
        for bad in [
            "/bin/sh  -c  tell {name}",
            "/bin/sh  -c  tell '{user}'",
            "/usr/local/sbin/tell  --name={name}",
            "/usr/local/sbin/tell  {user}{name}",
            "/usr/local/sbin/tell  {name} ",
            "/bin/sh  -c  {name}",
            "/bin/sh  -c  {user}",
            "/bin/sh  -lc  {name}",
            "/bin/sh  {name}",
            "/bin/sh  -x  --  {name}",
            "/bin/sh  -c  --  {name}",
            "/bin/sh  -c  -o  errexit  {name}",
            "/bin/sh  -c  {name}  tell",
            "/bin/busybox  sh  -c  {name}",
            "/usr/bin/env  {name}",
            "/usr/bin/env  sh  {name}",
            "/usr/bin/env  sh  -c  {user}  {name}",
            "/usr/bin/perl  -E  {name}",
            "/usr/bin/perl  -ne  {name}",
            "/usr/bin/python3  -m  {name}",
            "/usr/bin/php8.2  -r  {name}",
            "/usr/bin/node  --eval  {name}",
            "/usr/bin/awk  {name}",
            "/usr/bin/psql  --command  {name}",
            "/usr/bin/ssh  mail  /usr/bin/doveadm  kick  {user}",
            "/usr/bin/timeout  10  /usr/bin/ssh  mail  kick  {user}",
            "/usr/bin/sudo  -u  vmail  {name}",
            "/bin/su  vmail  -c  /usr/bin/x  {name}",
            "/usr/bin/xargs  {name}",
            "/usr/bin/env  -C  /srv  {name}",
            "/usr/bin/unshare  --root  /srv  {name}",
            "/usr/bin/sqlite3  /srv/x.db  {name}",
            "/usr/bin/nice  -n  5  {name}",
            "/usr/bin/run0  {name}",
        ] {
            assert!(command(bad).refusal().is_some(), "{bad}");
            assert!(command(bad).filled("alice", "phone", "create").is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_filled_in_stays_what_it_is() {
        let filled = |text, name| command(text).filled("alice", name, "create");
        let words = "/x  was-{event}d  {user}  {name}";
        for name in ["{user}", "$(touch /tmp/x)", "'; x", "a b", "x -y"] {
            assert_eq!(filled(words, name).expect("words"), ["/x", "was-created", "alice", name]);
        }
        for name in ["-x", "--output=/tmp/x"] {
            assert!(filled(words, name).is_err());
            assert!(filled("/x  {user}", name).is_ok(), "the name is not among its words");
        }
        assert!(command(words).filled("-x", "phone", "create").is_err());
        assert_eq!(filled("/x  {x}", "phone").expect("words"), ["/x", "{x}"]);
    }
}
