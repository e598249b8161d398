//! Stacks as `twostep-admin` plays them, held against the real libpam: the same files, the same return values, and then the same modules
//! called in the same order and the same result.
//!
//! The corpus is in tests/stacks, one folder for each /etc/pam.d; each file begins with what is special about it. In every stack pam_debug.so
//! stands for the modules: it returns what its words say, and tells so. A refusal is another for every line, so that the lines can be told
//! apart.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use twostep_stacks::{Code, Fault, Folders, Handler, Part, Phase, Service, play, read};
use twostep_tests::pam::{self, Pam};
use twostep_tests::{OrDie, child, in_bare_box, in_box};

const PAM_D: &str = "/etc/pam.d";
/// The one module that is not there, and stays what it is.
const NOWHERE: &str = "pam_nowhere.so";
/// Assignments that are tried of a service with more modules than allow for all.
const SAMPLE: usize = 250;
/// How many modules there may be for all assignments to be tried.
const FEW: u32 = 4;

/// A folder of stacks with its texts as they stand in the corpus.
type Texts = BTreeMap<String, String>;

fn corpus(set: &str) -> Texts {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("stacks").join(set);
    folder_of(&folder)
}

fn folder_of(folder: &Path) -> Texts {
    let files = fs::read_dir(folder).or_die(format_args!("list {}", folder.display()));
    let paths: Vec<PathBuf> = files.flatten().map(|file| file.path()).filter(|path| path.is_file()).collect();
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    paths.iter().map(|path| (name(path), fs::read_to_string(path).or_die("read a stack"))).collect()
}

/// What is said of the module with a number, for a return value.
type Values<'a> = &'a dyn Fn(usize) -> String;

/// The texts with pam_debug.so for every module, each with what it returns. Counts them through all files.
fn debugged(texts: &Texts, values: Values<'_>) -> Texts {
    let mut module = 0;
    let mut file = |text: &str| {
        let (mut made, mut rest) = (String::new(), text);
        while let Some(at) = rest.find("pam_") {
            let end = rest[at..].find(".so").map(|length| at + length + 3);
            let Some(end) = end
                .filter(|end| rest[at..*end].chars().all(|c| c.is_ascii_alphanumeric() || "_.".contains(c)))
            else {
                made.push_str(&rest[..at + 4]);
                rest = &rest[at + 4..];
                continue;
            };
            made.push_str(&rest[..at]);
            if &rest[at..end] == NOWHERE {
                made.push_str(NOWHERE);
            } else {
                let value = values(module);
                made.push_str(&format!("pam_debug.so auth={value} acct={value} open_session={value}"));
                module += 1;
            }
            rest = &rest[end..];
        }
        made + rest
    };
    texts.iter().map(|(name, text)| (name.clone(), file(text))).collect()
}

fn simulated(texts: &Texts, service: &str) -> Result<Service, Fault> {
    let file = |path: &str| texts.get(path.strip_prefix(PAM_D)?.strip_prefix('/')?).cloned();
    read(service, &file, &Folders::debian())
}

/// The word by which pam_debug.so knows what to return.
fn key(phase: Phase) -> &'static str {
    match phase {
        Phase::Auth => "auth=",
        Phase::Account => "acct=",
        Phase::Session | Phase::Password => "open_session=",
    }
}

fn returned(handler: &Handler, phase: Phase) -> (Code, Option<String>) {
    let Part::Module { module, words } = &handler.part else { return (Code::SUCCESS, None) };
    if module != "pam_debug.so" {
        return (Code::MODULE_UNKNOWN, None);
    }
    let word = words.iter().find(|word| word.starts_with(key(phase).trim_end_matches('=')));
    let value = word.and_then(|word| word.strip_prefix(key(phase)));
    match value.and_then(|value| Code::all().find(|code| code.name() == value)) {
        Some(code) => (code, word.cloned()),
        None => (Code::SUCCESS, None),
    }
}

/// Result and messages of a phase, by us or by libpam.
type Heard = (i32, Vec<String>);

fn ours(service: &Service, phase: Phase) -> Heard {
    let chain = service.chain(phase);
    let played = play(chain, |_, handler| returned(handler, phase).0);
    let heard = played.called.iter().filter_map(|(at, _)| returned(&chain[*at], phase).1);
    (i32::from(played.result.number()), heard.collect())
}

fn libpams(pam: &mut Pam, phase: Phase) -> Heard {
    let before = pam.heard().len();
    let result = match phase {
        Phase::Auth => pam.authenticate(0),
        Phase::Account => pam.acct_mgmt(0),
        Phase::Session | Phase::Password => pam.open_session(0),
    };
    let text = |line: &String| line.trim_start_matches("info ").trim_matches('"').to_owned();
    (result.0, pam.heard()[before..].iter().map(text).collect())
}

/// The numbers of all modules that a service's stacks come to.
fn modules_of(texts: &Texts, service: &str) -> Vec<usize> {
    let Ok(service) = simulated(&debugged(texts, &|module| module.to_string()), service) else {
        return Vec::new();
    };
    let chains = [Phase::Auth, Phase::Account, Phase::Session].map(|phase| service.chain(phase));
    let number = |handler: &Handler| match &handler.part {
        Part::Module { words, .. } => words.iter().find_map(|word| word.strip_prefix("auth=")?.parse().ok()),
        Part::Fails(_) | Part::Substack => None,
    };
    let all: BTreeSet<usize> = chains.into_iter().flatten().filter_map(number).collect();
    all.into_iter().collect()
}

/// What the module of a number returns, by choice: besides the three that are no refusal one that is this line's own, and others.
fn value(module: usize, choice: usize) -> Code {
    let refusals: Vec<Code> = Code::all()
        .filter(|code| {
            ![Code::SUCCESS, Code::IGNORE, Code::NEW_AUTHTOK_REQD, Code::INCOMPLETE].contains(code)
        })
        .collect();
    match choice {
        0 => Code::SUCCESS,
        1 => refusals[module % refusals.len()],
        2 => Code::IGNORE,
        3 => Code::NEW_AUTHTOK_REQD,
        other => refusals[(module + other) % refusals.len()],
    }
}

/// All assignments of four values where there are few modules, a sample of more values otherwise: the same at every run.
fn assignments(modules: &[usize]) -> Vec<Vec<(usize, Code)>> {
    let few = u32::try_from(modules.len()).ok().filter(|count| *count <= FEW);
    let count = few.map_or(SAMPLE, |count| 4_usize.pow(count));
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed >> 33).unwrap_or(0)
    };
    let mut choice = |round: usize, place: u32| match few {
        Some(_) => round / 4_usize.pow(place) % 4,
        // Success is what stacks are made for: half of them.
        None if random() % 2 == 0 => 0,
        None => random() % 8,
    };
    (0..count)
        .map(|round| {
            (0..)
                .zip(modules)
                .map(|(place, module)| (*module, value(*module, choice(round, place))))
                .collect()
        })
        .collect()
}

/// /etc/pam.d, and what is in it.
#[derive(Default)]
struct Folder(Texts);

impl Folder {
    fn emptied() -> Self {
        for file in fs::read_dir(PAM_D).or_die("list /etc/pam.d").flatten() {
            fs::remove_file(file.path()).or_die("take a stack away");
        }
        Self::default()
    }

    fn hold(&mut self, texts: Texts) {
        for (name, text) in texts.iter().filter(|(name, text)| self.0.get(*name) != Some(text)) {
            fs::write(format!("{PAM_D}/{name}"), text).or_die(format_args!("write {name}"));
        }
        self.0 = texts;
    }
}

/// Plays one service both ways, for as many return values as are worth it. Returns how many phases were compared.
fn agree(folder: &mut Folder, set: &str, texts: &Texts, service: &str) -> usize {
    let mut compared = 0;
    let modules = modules_of(texts, service);
    for assignment in assignments(&modules) {
        let of = |module: usize| {
            assignment.iter().find(|(number, _)| *number == module).map_or(Code::SUCCESS, |(_, code)| *code)
        };
        folder.hold(debugged(texts, &|module| of(module).name().to_owned()));
        let made = &folder.0;
        let (simulated, started) =
            (simulated(made, service), pam::start_in(Some(Path::new(PAM_D)), service, "root"));
        let (simulated, mut started) = match (simulated, started) {
            (Ok(simulated), Ok(started)) => (simulated, started),
            (Err(_), Err(code)) if code.0 == i32::from(Code::ABORT.number()) => {
                compared += 1;
                break;
            }
            (simulated, started) => panic!("{set}/{service}: we {simulated:?}\nlibpam {started:?}"),
        };
        for phase in [Phase::Auth, Phase::Account, Phase::Session] {
            let (ours, libpams) = (ours(&simulated, phase), libpams(&mut started, phase));
            assert_eq!(
                ours, libpams,
                "{set}/{service} {phase:?} (left: ours, right: libpam's)\n{}",
                made[service]
            );
            compared += 1;
        }
        started.end();
    }
    compared
}

/// What makes libpam itself crash, or run until it has no descriptors left.
fn crashes(texts: &Texts, service: &str) -> bool {
    matches!(simulated(texts, service), Err(Fault::Crash(..)))
}

fn all_agree(set: &str, texts: &Texts) -> usize {
    let mut folder = Folder::emptied();
    let services = texts.keys().filter(|service| !crashes(texts, service));
    services.map(|service| agree(&mut folder, set, texts, service)).sum()
}

#[test]
fn debians_own_stacks_are_played_as_libpam_plays_them() {
    in_bare_box(|_| {
        let installed = folder_of(Path::new(PAM_D));
        assert!(
            installed.contains_key("common-auth") && installed.contains_key("sshd"),
            "{:?}",
            installed.keys()
        );
        let compared = all_agree("installed", &installed) + all_agree("debian", &corpus("debian"));
        println!("{compared} phases compared");
    });
}

#[test]
fn red_hats_layout_is_played_as_libpam_plays_it() {
    in_bare_box(|_| println!("{} phases compared", all_agree("redhat", &corpus("redhat"))));
}

#[test]
fn wrong_stacks_are_played_as_libpam_plays_them() {
    in_bare_box(|_| {
        let odd = corpus("odd");
        assert!(odd.len() > 60, "{}", odd.len());
        for (name, text) in &odd {
            let special = text.lines().next().and_then(|line| line.strip_prefix("# ")).unwrap_or("");
            assert!(special.len() > 10, "{name} does not say what is special about it");
        }
        println!("{} phases compared", all_agree("odd", &odd));
    });
}

/// It may also let nobody in: whether it crashes goes by the limits of whoever asks.
#[test]
fn what_is_said_to_crash_libpam_lets_nobody_in() {
    in_bare_box(|_| {
        let odd = corpus("odd");
        let made = debugged(&odd, &|_| Code::SUCCESS.name().to_owned());
        Folder::emptied().hold(made.clone());
        let crashing: Vec<_> = odd.keys().filter(|service| crashes(&made, service)).collect();
        assert_eq!(crashing.len(), 4, "{crashing:?}");
        for service in crashing {
            let asked = child::start(|| {
                let started = pam::start_in(Some(Path::new(PAM_D)), service, "root");
                format!("{:?}", started.map(|mut pam| pam.authenticate(0)))
            });
            let outcome = catch_unwind(AssertUnwindSafe(|| asked.join()));
            assert!(
                !outcome.as_ref().is_ok_and(|text| text.contains("Ok(PAM_SUCCESS)")),
                "{service}: {outcome:?}"
            );
        }
    });
}

/// `pam try` asks libpam itself: what it says of a stack is what libpam does.
#[test]
fn pam_try_says_of_a_stack_what_comes_of_playing_it() {
    in_box(|host| {
        let odd = corpus("odd");
        let services: Vec<_> = odd.keys().filter(|service| !crashes(&odd, service)).collect();
        let mut folder = Folder::emptied();
        let mut let_in = 0;
        for refusing in [None, Some(3_usize), Some(5)] {
            let value = |module: usize| match refusing {
                Some(each) if module.is_multiple_of(each) => "auth_err".to_owned(),
                _ => "success".to_owned(),
            };
            folder.hold(debugged(&odd, &value));
            for service in &services {
                let expected = simulated(&folder.0, service).is_ok_and(|service| {
                    let result = |phase| ours(&service, phase).0;
                    result(Phase::Auth) == 0
                        && [0, i32::from(Code::NEW_AUTHTOK_REQD.number())].contains(&result(Phase::Account))
                });
                // A name with a capital is none that an administrator can ask for.
                let done = host.admin(&["pam", "try", &service.to_lowercase(), "root", "--json"]);
                assert_eq!(done.success(), expected, "{service}: {done:?}\n{}", folder.0[*service]);
                let_in += usize::from(expected);
            }
        }
        assert!(let_in > 40, "{let_in}");
    });
}

#[test]
fn a_service_is_looked_for_in_usr_lib_and_what_it_includes_is_not() {
    in_bare_box(|_| {
        fs::create_dir_all("/usr/lib/pam.d").or_die("make a folder");
        let permit = "auth required pam_permit.so\n";
        fs::write("/usr/lib/pam.d/vendors", permit).or_die("write a stack");
        fs::write("/etc/pam.d/includes", "auth include vendors\n").or_die("write a stack");
        let file = |path: &str| fs::read_to_string(path).ok();
        for (service, expected) in [("vendors", Code::SUCCESS), ("includes", Code::PERM_DENIED)] {
            let read = read(service, &file, &Folders::debian()).or_die("read a stack");
            let played = play(read.chain(Phase::Auth), |_, _| Code::SUCCESS);
            assert_eq!(played.result, expected, "{service}");
            let asked = pam::start_in(None, service, "root").map(|mut pam| pam.authenticate(0).0);
            assert_eq!(asked.ok(), Some(i32::from(expected.number())), "{service}");
        }
    });
}

/// What is asked before the module is taken away. libpam itself says which stacks bring it in: where it is missing, those let nobody in.
#[test]
fn pam_files_lists_every_file_that_brings_the_module_into_a_stack() {
    in_box(|host| {
        fs::remove_file(host.module_path()).or_die("take the module away");
        Folder::emptied();
        let folder =
            host.module_path().parent().map(|folder| folder.display().to_string()).unwrap_or_default();
        let line = "auth required pam_twostep.so\n";
        // The service's file, another file that it brings in, and the file that is listed, if any.
        let alone = |text: &str| (text.to_owned(), None, true);
        let by = |text: &str, path: &'static str| (text.to_owned(), Some(path), true);
        let unlisted = |text: &str| (text.to_owned(), None, false);
        let cases = [
            alone(line),
            alone("-auth required pam_twostep.so\n"),
            alone("AUTH [success=ok default=die]pam_twostep.so x\n"),
            alone("auth required [pam_twostep.so]\n"),
            alone("auth \\\n\t# a comment\n\n required \\\n pam_twostep.so"),
            alone("auth required \\ \t\n pam_twostep.so\n"),
            alone(&format!("auth required {folder}/pam_twostep.so\n")),
            alone("auth required ../security/pam_twostep.so\n"),
            alone(&format!("#{}{line}", "x".repeat(1022))),
            by("auth include part\n", "/etc/pam.d/part"),
            by("auth include parts/part\n", "/etc/pam.d/parts/part"),
            by("@include ../part\n", "/etc/part"),
            by("@INCLUDE /etc/part # all of it\n", "/etc/part"),
            by("auth Include /etc/part\n", "/etc/part"),
            by("auth SUBSTACK /etc/part\n", "/etc/part"),
            by("-auth substack /etc/part\n", "/etc/part"),
            by("auth \\\n include\\\n\t/etc/part\n", "/etc/part"),
            by("auth include [/etc/a part]\n", "/etc/a part"),
            by("auth include part.dpkg-old\n", "/etc/pam.d/part.dpkg-old"),
            unlisted("# auth required pam_twostep.so\n"),
            unlisted("auth required pam_permit.so # pam_twostep.so \\\n"),
            unlisted("# @include /etc/unread\n"),
        ];
        fs::write("/etc/unread", line).or_die("write a stack");
        let permit = "auth required pam_permit.so\n";
        for (text, part, listed) in cases {
            host.write(format!("{PAM_D}/x"), &(permit.to_owned() + &text));
            if let Some(part) = part {
                host.write(part, line);
            }
            let result = pam::start_in(None, "x", "root").map(|mut pam| pam.authenticate(0).0);
            assert_eq!(result.is_ok_and(|code| code == 0), !listed, "libpam: {text}");
            let expected =
                if listed { format!("other {}\n", part.unwrap_or("/etc/pam.d/x")) } else { String::new() };
            assert_eq!(host.admin(&["pam", "files"]).expect_success().stdout, expected, "{text}");
            if let Some(part) = part {
                fs::remove_file(part).or_die("remove a stack");
            }
        }
    });
}
