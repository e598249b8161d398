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

/// Programs that run what their arguments say: a script, or the code behind an option, and then all else is text to them.
const INTERPRETERS: &str =
    "ash awk bash busybox csh dash fish gawk ksh mawk mksh nawk node perl python rbash ruby sed sh tcsh zsh";

/// The same, but what stands first behind their options is a script or a program, whatever code there was.
const STARTERS: &str = "choom chpst chronic chrt doas eatmydata env expect fakeroot gosu ionice ltrace lua nice nohup nsenter numactl \
     php pkexec prlimit run0 runcon setarch setpriv setsid setuidgid softlimit stdbuf strace sudo systemd-cat systemd-inhibit \
     systemd-run taskset tclsh time timeout torsocks unbuffer unshare valgrind";

/// Programs that put their arguments together for a shell, run what comes last, or take code by position.
const LAUNCHERS: &str = "ansible at autossh batch chroot ed emacs ex find flock gdb make mosh parallel pdsh pssh rsh runuser salt screen \
     script sg sqlite ssh sshpass su tmux vi vim watch xargs";

/// Options whose argument is a file or a folder, and no script.
const FILE: [&str; 17] = [
    "-C",
    "-D",
    "-I",
    "-R",
    "-c",
    "-o",
    "-r",
    "--chdir",
    "--import",
    "--init-file",
    "--output",
    "--rcfile",
    "--require",
    "--root",
    "--split-string",
    "--wd",
    "--working-directory",
];

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
    let (Some(first), Some(last)) = (before.first(), before.last()) else { return true };
    if takes_code(last) || is_of(LAUNCHERS, first) {
        return true;
    }
    let runs = |word: &str| is_of(INTERPRETERS, word) || is_of(STARTERS, word);
    let mut rest = before.iter().skip_while(|word| !is_of(INTERPRETERS, word));
    let is_perl = rest.next().is_some_and(|program| is_of("perl", program));
    let given: Vec<&str> = rest.copied().collect();
    let is_literal = |word: &str| !word.starts_with('-') && !CHOSEN.contains(&word);
    let mut pairs = given.windows(2);
    let has_code = pairs.any(|pair| matches!(pair, [option, code] if takes_code(option) && is_literal(code)))
        && !(is_perl && given.iter().any(|word| opens_arguments(word)));
    if !runs(first) {
        // Whatever else starts an interpreter.
        return runs(last) && !has_code;
    }
    if before.iter().any(|word| is_of(LAUNCHERS, word)) {
        return true;
    }
    let is_python = before.iter().any(|word| is_of("python", word));
    let names_file = |option: &str| {
        // `env -S` takes its argument apart.
        (FILE.contains(&option) && !(is_python && option == "-I"))
            || (is_short(option) && option.ends_with('S'))
    };
    let has_script = before.windows(2).any(|pair| {
        matches!(pair, [option, script] if Path::new(script).is_absolute() && !runs(script) && !names_file(option))
    });
    !has_code && !has_script
}

fn is_short(word: &str) -> bool {
    word.starts_with('-') && !word.starts_with("--")
}

fn takes_code(word: &str) -> bool {
    CODE.contains(&word) || (is_short(word) && word.ends_with(['c', 'e', 'E']))
}

/// Whether perl opens its arguments by itself (`-n`, `-p`), and runs what ends with `|`.
fn opens_arguments(word: &str) -> bool {
    let letters = word.strip_prefix('-').unwrap_or_default();
    letters.contains(['n', 'p'])
        && letters.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == 'E')
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
            "/usr/bin/env  -i  LC_ALL=C  /usr/local/sbin/tell  {name}",
            "/usr/bin/ionice  -c  3  /usr/local/sbin/tell  {name}",
            "/usr/bin/sudo  -E  -u  vmail  /bin/sh  -c  tell \"$1\"  sh  {name}",
            "/usr/bin/bash  --norc  /usr/local/sbin/tell  {name}",
            "/usr/bin/bash  --rcfile  /etc/x  /usr/local/sbin/tell  {name}",
            "/usr/bin/perl  -e  tell(@ARGV)  {name}",
            "/usr/bin/perl  -I  /opt/lib  /opt/tell.pl  {name}",
            "/usr/bin/lua  -e  x=1  /opt/tell.lua  {name}",
            "/usr/bin/nohup  /usr/local/sbin/tell  {name}",
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
            // Options whose argument is no code and no script.
            "/usr/bin/bash  --rcfile  /etc/x  {name}",
            "/usr/bin/bash  --init-file  /etc/x  {name}",
            "/usr/bin/perl  -I  /opt/lib  {name}",
            "/usr/bin/ruby  -r  /opt/lib.rb  {name}",
            "/usr/bin/php  -c  /etc/php.ini  {name}",
            "/usr/bin/node  --require  /opt/x.js  {name}",
            "/usr/bin/strace  -o  /var/log/x  {name}",
            "/usr/bin/time  --output  /var/log/x  {name}",
            "/usr/bin/systemd-run  --working-directory  /srv  {name}",
            // Programs of whose options none is code.
            "/usr/bin/ionice  -c  3  {name}",
            "/usr/bin/taskset  -c  0  {name}",
            "/usr/bin/stdbuf  -e  L  {name}",
            "/usr/bin/strace  -e  trace=file  {name}",
            "/usr/bin/systemd-run  -E  A=b  {name}",
            "/usr/bin/sudo  -E  A=b  {name}",
            "/usr/bin/sudo  -E  A=b  sh  {name}",
            "/usr/bin/chrt  1  {name}",
            "/usr/bin/chpst  -u  vmail  {name}",
            // A script is read behind the code.
            "/usr/bin/lua  -e  x=1  {name}",
            "/usr/bin/expect  -c  x  {name}",
            // It opens its arguments by itself, and runs `id|`.
            "/usr/bin/perl  -ne  print  {name}",
            "/usr/bin/perl  -p  -e  print  {name}",
            "/usr/bin/env  perl  -lane  print  {name}",
            // It takes its word apart.
            "/usr/bin/env  -S  /bin/sh -c  {name}",
            "/usr/bin/env  -iS  /bin/sh -c  {name}",
            // Whatever has started it.
            "/usr/bin/docker  exec  mail  sh  {name}",
            "/usr/local/sbin/run  /usr/bin/python3  {name}",
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
