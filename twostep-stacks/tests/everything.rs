//! The search for ways past a line, held against trying everything, on the corpus of stacks in tests/stacks.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use twostep_stacks::{Code, Folders, Handler, Part, Phase, Read, Role, play, read, ways_past};

type Texts = BTreeMap<String, String>;

fn corpus(set: &str) -> Texts {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/stacks").join(set);
    let file = |path: &Path| {
        (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap())
    };
    fs::read_dir(folder).unwrap().map(|entry| file(&entry.unwrap().path())).collect()
}

fn service(texts: &Texts, name: &str) -> Read {
    read(name, &|path: &str| texts.get(path.strip_prefix("/etc/pam.d/")?).cloned(), &Folders::debian())
}

/// What the search says of a stack is what trying everything says. Where all is tried the stacks are short.
#[test]
fn no_way_past_our_lines_is_missed_and_none_is_made_up() {
    let codes: Vec<Code> = [0, 25, 12, 7, 10, 9].into_iter().filter_map(Code::from_number).collect();
    let role = |handler: &Handler| match &handler.part {
        Part::Module { module, words } if module == "pam_twostep.so" => {
            Some(if words.iter().any(|word| word == "after-key") { Role::MayAsk } else { Role::Asks })
        }
        _ => None,
    };
    let (mut open, mut shut) = (0, 0);
    for (set, texts) in ["debian", "redhat", "odd"].map(|set| (set, corpus(set))) {
        for (name, phase) in texts.keys().flat_map(|name| [(name, Phase::Auth), (name, Phase::Account)]) {
            let Ok(service) = service(&texts, name) else { continue };
            let chain = service.chain(phase);
            let modules: Vec<usize> =
                (0..chain.len()).filter(|at| chain[*at].module_name().is_some()).collect();
            if modules.len() > 6 || !chain.iter().any(|handler| role(handler) == Some(Role::Asks)) {
                continue;
            }
            let past = |round: usize| {
                let place = |at| {
                    modules
                        .iter()
                        .position(|module| *module == at)
                        .and_then(|place| u32::try_from(place).ok())
                };
                let code = |at| codes[round / codes.len().pow(place(at).unwrap_or(0)) % codes.len()];
                let played = play(chain, |at, _| code(at));
                let ours = played.called.iter().filter_map(|(at, code)| Some((role(&chain[*at])?, *code)));
                let (mut satisfied, mut refused) = (false, false);
                for (role, code) in ours {
                    satisfied |= code == Code::SUCCESS || (code == Code::IGNORE && role == Role::Asks);
                    refused |= ![Code::SUCCESS, Code::IGNORE].contains(&code);
                }
                played.result == Code::SUCCESS && (refused || !satisfied)
            };
            let tried = (0..codes.len().pow(u32::try_from(modules.len()).unwrap_or(0))).any(past);
            let found = ways_past(chain, &role, &|_| None, &[Code::SUCCESS]).unwrap();
            assert_eq!(!found.is_empty(), tried, "{set}/{name} {phase:?}: {found:?}\n{}", texts[name]);
            *(if tried { &mut open } else { &mut shut }) += 1;
        }
    }
    assert!(open > 20 && shut > 10, "{open} with a way past, {shut} without");
}
