//! For the tests of both commands: usage lines, manual page and documents against what the parser takes.
#![allow(missing_docs, clippy::missing_panics_doc, clippy::unwrap_used)]

use clap::error::ErrorKind;
use clap::{Arg, Command};
use std::collections::VecDeque;
use std::fs;
use std::path::Path;

/// Checks the usage of every command: it names the arguments in the parser's order, and what it says is taken, each where it belongs.
pub fn check_usage(mut command: Command) {
    command.build();
    let whole = command.clone();
    each_leaf(&command, "", &mut |leaf, path| {
        for line in leaf.clone().render_usage().to_string().lines() {
            let line = line.trim().trim_start_matches("Usage:").trim();
            let written = line.strip_prefix(&format!("{} {path}", whole.get_name()).trim().to_owned());
            let written =
                written.unwrap_or_else(|| panic!("the usage of {path} is of something else: {line}"));
            for words in invocations(written) {
                check_invocation(&whole, leaf, path, &words);
            }
        }
    });
}

/// A word of a command line, and the argument that it is to be taken for, if it is no option.
type Word = (String, Option<String>);

fn check_invocation(whole: &Command, leaf: &Command, path: &str, words: &[Word]) {
    let typed = path.split(' ').chain(words.iter().map(|(word, _)| word.as_str()));
    let typed: Vec<&str> = std::iter::once(whole.get_name()).chain(typed).collect();
    let matches = whole.clone().try_get_matches_from(&typed);
    let matches = matches.unwrap_or_else(|error| panic!("{typed:?}: {error}"));
    let mut innermost = &matches;
    while let Some((_, inner)) = innermost.subcommand() {
        innermost = inner;
    }
    for (word, name) in words.iter().filter_map(|(word, name)| Some((word, name.as_ref()?))) {
        let argument = leaf.get_positionals().find(|one| value_name(one) == *name);
        let argument = argument.unwrap_or_else(|| panic!("{path} takes no {name}"));
        let taken = innermost.get_raw(argument.get_id().as_str()).into_iter().flatten().next();
        assert_eq!(taken.and_then(|taken| taken.to_str()), Some(word.as_str()), "{typed:?}: {name}");
    }
}

/// The command lines that a usage line stands for: one for each of its alternatives.
fn invocations(usage: &str) -> Vec<Vec<Word>> {
    let mut tokens: VecDeque<String> = VecDeque::new();
    let mut depth = 0;
    for word in usage.split(' ').filter(|word| !word.is_empty() && *word != "[OPTIONS]") {
        match tokens.back_mut() {
            Some(open) if depth > 0 => open.extend([" ", word]),
            _ => tokens.push_back(word.to_owned()),
        }
        depth += word.matches(['<', '[']).count();
        depth -= word.matches(['>', ']']).count();
    }
    let mut found: Vec<Vec<Word>> = vec![Vec::new()];
    let mut behind_option = false;
    for token in tokens {
        let alternatives = match token.as_bytes() {
            [b'-', ..] => vec![vec![(token.clone(), None)]],
            [b'[', b'-', ..] => vec![vec![], vec![(token.trim_matches(['[', ']']).to_owned(), None)]],
            _ if behind_option => vec![vec![(sample(&token), None)]],
            _ => alternatives(token.get(1..token.len() - 1).unwrap()),
        };
        behind_option = token.starts_with('-');
        found = found
            .iter()
            .flat_map(|before| alternatives.iter().map(move |one| [&before[..], &one[..]].concat()))
            .collect();
    }
    found
}

/// `ID|NAME|--all` is one argument or an option.
fn alternatives(token: &str) -> Vec<Vec<Word>> {
    let (options, names): (Vec<&str>, Vec<&str>) =
        token.split('|').partition(|word| word.starts_with('-') && *word != "-");
    let name = names.join("|");
    let of_option = |option: &&str| match option.split_once(' ') {
        Some((option, value)) => vec![(option.to_owned(), None), (sample(value), None)],
        None => vec![((*option).to_owned(), None)],
    };
    let mut all: Vec<Vec<Word>> = options.iter().map(of_option).collect();
    if !name.is_empty() {
        all.push(vec![(sample(&name), Some(name))]);
    }
    all
}

/// Something that an argument of this name takes.
fn sample(name: &str) -> String {
    match name.trim_matches(['<', '>', '[', ']']) {
        "TIME" => "2h".to_owned(),
        "SHELL" => "bash".to_owned(),
        name => name.to_lowercase().replace('|', "-or-"),
    }
}

/// Checks a manual page: it has every command with its arguments in the parser's order, in both places, and every option.
pub fn check_manual(mut command: Command, manual: &str) {
    command.build();
    each(&command, "", &mut |one, path| {
        for argument in one.get_arguments().filter(|argument| !argument.is_hide_set()) {
            if let Some(long) = argument.get_long() {
                assert!(manual.contains(&format!("Fl Fl {long}")), "{path} --{long}");
            }
        }
    });
    each_leaf(&command, "", &mut |leaf, path| {
        let expected: Vec<String> =
            leaf.get_positionals().map(|one| value_name(one).to_lowercase()).collect();
        let head = format!(".It Cm {path}");
        let heads = manual.lines().filter_map(|line| line.strip_prefix(&head));
        let heads: Vec<&str> = heads.filter(|rest| rest.is_empty() || rest.starts_with(' ')).collect();
        assert!(!heads.is_empty(), "the manual has no {path}");
        for rest in heads {
            assert_eq!(arguments_in(rest), expected, "{head}{rest}");
        }
        for synopsis in manual.split("\n.Nm\n").filter_map(|part| part.strip_prefix(&format!(".Cm {path}\n")))
        {
            let synopsis = synopsis.split("\n.Sh").next().unwrap_or_default();
            let lines = synopsis.lines().filter(|line| {
                (line.starts_with(".Ar") || line.starts_with(".Op Ar")) && !line.contains("Cm")
            });
            let found: Vec<String> = lines.flat_map(|line| arguments_in(&line[1..])).collect();
            assert!(
                expected.starts_with(&found),
                "{path}: {found:?} in the synopsis, {expected:?} are taken"
            );
        }
    });
}

/// The names in a line of mdoc: `Ar user id | name | Fl Fl all` has two.
fn arguments_in(line: &str) -> Vec<String> {
    let line = line.split(" Fl").next().unwrap_or_default();
    let words = line.split(' ').filter(|word| !["", "Ar", "Cm", "Op"].contains(word));
    let text = words.collect::<Vec<_>>().join(" ").replace(" | ", "|");
    text.split(' ')
        .map(|word| word.trim_end_matches([' ', '|']))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Checks that README, the documents and the manual pages below `root` name commands and options that there are.
///
/// # Panics
/// When one does not, or cannot be read.
pub fn check_documents(command: &Command, root: &Path) {
    let mut unknown = Vec::new();
    for folder in ["", "docs", "docs/man"] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| ["md", "1", "5", "8"].iter().any(|one| end == *one)) {
                unknown.extend(unknown_in(command, &fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
}

/// What a document says can be typed, and is no command or option that there is.
fn unknown_in(command: &Command, text: &str) -> Vec<String> {
    let mut command = command.clone();
    command.build();
    let start = format!("{} ", command.get_name());
    let mut unknown = Vec::new();
    let mut is_fenced = false;
    for line in text.lines() {
        is_fenced ^= line.starts_with("```");
        let is_code = is_fenced || line.starts_with("    ") || line.starts_with(".Dl ");
        let typed = line.trim_start().trim_start_matches(".Dl ").trim_start_matches("sudo ");
        let inline = line.split('`').skip(1).step_by(2);
        for one in inline
            .chain(is_code.then_some(typed))
            .filter(|one| one.starts_with(&start) && !one.contains("\\r"))
        {
            let Err(error) = command.clone().try_get_matches_from(words(one)) else { continue };
            // What is not written out is no mistake.
            let kinds =
                [ErrorKind::InvalidSubcommand, ErrorKind::UnknownArgument, ErrorKind::ArgumentConflict];
            if kinds.contains(&error.kind()) {
                unknown.push(format!("{one}: {error}"));
            }
        }
    }
    unknown
}

/// The words of a command line up to whatever is the shell's; what is in quotes is one.
fn words(line: &str) -> Vec<String> {
    let line = line.replace("\\(dq", "\"").replace('\'', "\"");
    let parts = line.split('"').enumerate();
    let joined: String =
        parts.map(|(at, part)| if at % 2 == 1 { part.replace(' ', "_") } else { part.to_owned() }).collect();
    let typed = joined.split([';', '#', '|', '>', '<', '…', '\\']).next().unwrap_or_default();
    // What stands further right says what it does.
    let typed = typed.split("  ").next().unwrap_or_default();
    typed.split_whitespace().map(str::to_owned).collect()
}

fn value_name(argument: &Arg) -> String {
    argument.get_value_names().and_then(|names| names.first()).map(ToString::to_string).unwrap()
}

fn each(command: &Command, path: &str, look: &mut dyn FnMut(&Command, &str)) {
    look(command, path);
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        each(inner, format!("{path} {}", inner.get_name()).trim_start(), look);
    }
}

fn each_leaf(command: &Command, path: &str, look: &mut dyn FnMut(&Command, &str)) {
    each(command, path, &mut |one, path| {
        if !one.has_subcommands() {
            look(one, path);
        }
    });
}
