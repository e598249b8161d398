//! The installed file, and what the documents say is to be put into it.

use super::{break_glass, parse};
use crate::policy::Policy;
use std::path::Path;

const SHIPPED: &str = include_str!("../../../packaging/config.toml");

/// Every key that the installed file shows, the rules' apart, which it shows by example.
#[test]
fn the_manual_has_every_key() {
    let manual = include_str!("../../../docs/man/twostep.toml.5");
    let mut seen = 0;
    for line in SHIPPED.lines() {
        if line.starts_with("#[[rule]]") {
            break;
        }
        assert!(line.is_empty() || line.starts_with('#'), "what is appended would get into: {line}");
        if let Some((key, _)) = line.strip_prefix('#').and_then(|line| line.split_once(" = "))
            && key.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c == '.')
        {
            let item = match key.split_once('.') {
                Some((section, key)) => format!(".It Li \"[{section}] {key}\"\n"),
                None => format!(".It Li \"{key}\"\n"),
            };
            assert!(manual.contains(&item), "docs/man/twostep.toml.5 lacks {item}");
            seen += 1;
        }
    }
    assert!(seen > 25, "{seen}");
}

/// Anyone who sets a key does so by taking a `#` away, or all of them.
#[test]
fn every_line_of_the_installed_file_can_be_set_by_itself_and_all_together() {
    let key = |line: &str| {
        let (key, _) = line.strip_prefix('#')?.split_once(" = ")?;
        key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b == b'.').then(|| line[1..].to_owned())
    };
    assert_eq!(parse(SHIPPED).unwrap(), Policy::defaults());
    let (keys, rules) = SHIPPED.split_once("\n#[[rule]]").unwrap();
    let mut together = String::new();
    for line in keys.lines() {
        let Some(set) = key(line) else { continue };
        let text = SHIPPED.replacen(line, &set, 1);
        assert!(parse(&text).is_ok(), "{set}: {:?}", parse(&text));
        together.push_str(&format!("{set}\n"));
    }
    let rules: String = format!("#[[rule]]{rules}").lines().map(|line| format!("{}\n", &line[1..])).collect();
    let policy = parse(&format!("{together}{rules}")).unwrap();
    assert_eq!(policy.rules.len(), 3);
    assert!(policy.broker.callers.len() == 2 && policy.app.hooks.on_revoke.is_some());
}

/// The documents: their names, and what of them is configuration, each part as one would copy it.
fn snippets() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = vec![root.join("README.md")];
    for folder in ["docs", "docs/man"] {
        files.extend(std::fs::read_dir(root.join(folder)).unwrap().map(|file| file.unwrap().path()));
    }
    let mut found = Vec::new();
    for file in files.into_iter().filter(|file| file.is_file()) {
        let text = std::fs::read_to_string(&file).unwrap();
        let manual = file.parent().unwrap().ends_with("man");
        let fence =
            |line: &str| line.starts_with("```") || line.starts_with(".Bd") || line.starts_with(".Ed");
        let (mut snippet, mut open, mut within) = (String::new(), false, false);
        for line in text.lines().chain(["end"]) {
            if fence(line) {
                within = !within;
            }
            let code = if within { Some(line) } else { line.strip_prefix("    ").filter(|_| !manual) };
            let begins = code.is_some_and(|line| is_section(line.trim()));
            match (code, line.is_empty()) {
                (Some(code), false) if begins || (open && !fence(line)) => {
                    snippet.push_str(&format!("{code}\n"));
                    open = true;
                }
                // The next section belongs to the same snippet.
                (_, true) => open = false,
                _ => {
                    open = false;
                    if !snippet.is_empty() {
                        found.push((file.display().to_string(), std::mem::take(&mut snippet)));
                    }
                }
            }
        }
    }
    found
}

fn is_section(line: &str) -> bool {
    let name = line.trim_start_matches('[').trim_end_matches(']');
    let known = [
        "interactive",
        "app",
        "argon2id",
        "roster",
        "self_service",
        "broker",
        "places",
        "paths",
        "rule",
        "exemption",
    ];
    line.starts_with('[') && line.ends_with(']') && known.contains(&name)
}

#[test]
fn every_snippet_of_the_documents_can_be_appended_to_the_installed_file() {
    let found = snippets();
    let of = |file: &str| found.iter().filter(|(name, _)| name.ends_with(file)).count();
    assert!(of("README.md") >= 2 && of("configuration.md") >= 4 && of("twostep.toml.5") == 1, "{found:#?}");
    for (file, snippet) in found {
        if snippet.starts_with("[[exemption]]") {
            assert!(break_glass::parse(&snippet).is_ok_and(|all| !all.is_empty()), "{file}: {snippet}");
            continue;
        }
        let policy = parse(&format!("{SHIPPED}{snippet}"));
        assert!(policy.is_ok(), "{file}: {snippet}\n{policy:?}");
        assert_ne!(policy.unwrap(), Policy::defaults(), "{file}: {snippet}");
    }
}
