//! The words after `pam_twostep.so` in a stack.

use std::ffi::CStr;
use std::path::{Path, PathBuf};
use twostep_core::protocol::{Echo, Mode};

/// What the words say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// How this line works.
    pub(crate) mode: Mode,
    /// Where it works at all.
    pub(crate) scope: Scope,
    /// `prompt=TEXT`; in brackets where it has blanks: `[prompt=Code, please: ]`.
    pub(crate) prompt: Option<String>,
    /// `echo`
    pub(crate) echo: Echo,
    /// `config=PATH`
    pub(crate) config: Option<PathBuf>,
    /// `debug`
    pub(crate) debug: bool,
    /// `provoke=panic`, in builds for tests only.
    #[cfg(feature = "provoke")]
    pub(crate) panic: bool,
}

/// On which services a line does something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Scope {
    /// On whichever has it in its stack.
    #[default]
    All,
    /// On those that the configuration lists as app services, for a stack that many services include: `app-services`, which is `app` there
    /// and nothing elsewhere.
    AppServices,
}

/// The first word that is none, made printable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnknownWord(pub(crate) String);

impl Arguments {
    /// Reads the words. There is no word that is passed over: a typo must not weaken a line.
    pub(crate) fn parse(words: &[&CStr]) -> Result<Self, UnknownWord> {
        let mut arguments = Self::default();
        let mut mode = None;
        for word in words {
            let unknown = || UnknownWord(word.to_string_lossy().into_owned());
            let text = word.to_str().map_err(|_| unknown())?;
            match text.split_once('=') {
                None if text == "app" && mode.is_none() => mode = Some(Mode::App),
                None if text == APP_SERVICES && mode.is_none() => {
                    (mode, arguments.scope) = (Some(Mode::App), Scope::AppServices);
                }
                None if text == "after-key" && mode.is_none() => mode = Some(Mode::AfterKey),
                None if text == "one-prompt" && mode.is_none() => mode = Some(Mode::OnePrompt),
                None if text == "echo" => arguments.echo = Echo::Shown,
                None if text == "debug" => arguments.debug = true,
                Some(("prompt", prompt)) if is_prompt(prompt) => arguments.prompt = Some(prompt.to_owned()),
                Some(("config", path)) if Path::new(path).is_absolute() => {
                    arguments.config = Some(path.into())
                }
                #[cfg(feature = "provoke")]
                Some(("provoke", "panic")) => arguments.panic = true,
                _ => return Err(unknown()),
            }
        }
        arguments.mode = mode.unwrap_or_default();
        Ok(arguments)
    }
}

/// The word of [`Scope::AppServices`].
pub(crate) const APP_SERVICES: &str = "app-services";

fn is_prompt(text: &str) -> bool {
    !text.is_empty() && text.len() <= 200 && !text.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&CStr]) -> Result<Arguments, String> {
        Arguments::parse(words).map_err(|UnknownWord(word)| word)
    }

    #[test]
    fn no_words_are_the_common_line() {
        assert_eq!(parse(&[]), Ok(Arguments::default()));
    }

    #[test]
    fn all_words_are_read() {
        let arguments =
            parse(&[c"app", c"prompt=Your app password: ", c"config=/srv/c.toml", c"debug"]).unwrap();
        assert_eq!(arguments.mode, Mode::App);
        assert_eq!(arguments.prompt.as_deref(), Some("Your app password: "));
        assert_eq!(arguments.config.as_deref(), Some(Path::new("/srv/c.toml")));
        assert!(arguments.debug);
        assert_eq!(arguments.echo, Echo::Hidden);
        assert_eq!(parse(&[c"after-key"]).unwrap().mode, Mode::AfterKey);
        assert_eq!(parse(&[c"one-prompt", c"echo"]).unwrap().mode, Mode::OnePrompt);
        assert_eq!(parse(&[c"echo"]).unwrap().echo, Echo::Shown);
        let everywhere = parse(&[c"app-services"]).unwrap();
        assert_eq!((everywhere.mode, everywhere.scope), (Mode::App, Scope::AppServices));
        assert_eq!(arguments.scope, Scope::All);
    }

    #[test]
    fn what_is_no_word_is_named() {
        for word in [
            c"ap",
            c"App",
            c"app=1",
            c"debug=yes",
            c"config=relative",
            c"config=",
            c"prompt=",
            c"",
            c"nullok",
            c"echo=1",
            c"one_prompt",
            c"app-service",
            c"app-services=1",
            c"\xff",
        ] {
            assert!(parse(&[word]).is_err(), "{word:?}");
        }
        assert_eq!(parse(&[c"debug", c"bogus"]), Err("bogus".into()));
        assert_eq!(parse(&[c"app", c"after-key"]), Err("after-key".into()));
        assert_eq!(parse(&[c"one-prompt", c"app"]), Err("app".into()));
        assert_eq!(parse(&[c"app", c"app-services"]), Err("app-services".into()));
        assert_eq!(parse(&[c"app-services", c"app"]), Err("app".into()));
        assert!(parse(&[c"prompt=x\ny"]).is_err());
    }
}
