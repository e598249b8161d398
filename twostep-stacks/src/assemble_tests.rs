use super::*;
use std::collections::HashMap;

fn service(files: &[(&str, &str)]) -> Read {
    let files: HashMap<_, _> =
        files.iter().map(|(name, text)| (format!("/etc/pam.d/{name}"), (*text).to_owned())).collect();
    read("x", &|path: &str| files.get(path).cloned(), &Folders::debian())
}

fn chain(files: &[(&str, &str)], phase: Phase) -> Vec<(String, usize)> {
    let name = |handler: &Handler| handler.module_name().unwrap_or("-").to_owned();
    service(files).unwrap().chain(phase).iter().map(|handler| (name(handler), handler.level)).collect()
}

#[test]
fn lines_of_other_files_stand_in_their_places() {
    let files = [
        ("x", "auth required a.so\n@include y\nauth substack y\naccount include y\nauth required d.so\n"),
        ("y", "auth required b.so\naccount required c.so\nnonsense\n"),
    ];
    let at = |name: &str, level| (name.to_owned(), level);
    assert_eq!(
        chain(&files, Phase::Auth),
        [at("a.so", 0), at("b.so", 0), at("-", 0), at("-", 0), at("b.so", 1), at("-", 1), at("d.so", 0)]
    );
    assert_eq!(chain(&files, Phase::Account), [at("c.so", 0), at("c.so", 0), at("-", 0)]);
    let read = service(&files).unwrap();
    let b = &read.chain(Phase::Auth)[1];
    assert_eq!((b.place.to_string().as_str(), b.own_place().line), ("/etc/pam.d/y:1", 2));
}

#[test]
fn a_phase_without_a_line_is_that_of_other() {
    let read =
        service(&[("x", "auth required a.so"), ("other", "account required b.so\nauth required c.so")])
            .unwrap();
    assert!(read.is_others(Phase::Account) && !read.is_others(Phase::Auth));
    assert_eq!(read.chain(Phase::Account)[0].module_name(), Some("b.so"));
    assert!(service(&[("other", "auth required c.so")]).unwrap().file.is_none());
    assert_eq!(service(&[]).unwrap_err(), Fault::Nothing);
}

#[test]
fn what_stops_libpam_is_told_with_its_place() {
    for (text, told) in [
        ("auth required a.so \\\n", "/etc/pam.d/x:1: the line goes on"),
        ("\n@include y", "/etc/pam.d/x:2: @include of y"),
        ("auth include x", "/etc/pam.d/x:1: a file that includes itself"),
        ("@include x", "a file that includes itself"),
        ("auth include", "an include without the name of a file"),
        ("auth required []", "no name of a module"),
    ] {
        let fault = service(&[("x", text)]).unwrap_err().to_string();
        assert!(fault.contains(told), "{text}: {fault}");
    }
}

#[test]
fn a_substack_of_itself_ends_at_the_deepest_level() {
    let chain = chain(&[("x", "auth required a.so\nauth substack x")], Phase::Auth);
    assert_eq!(chain.iter().filter(|(name, _)| name == "a.so").count(), MOST_LEVELS);
}

#[test]
fn elsewhere_than_on_debian_at_include_is_a_line_that_cannot_be_read() {
    let file = |path: &str| match path {
        "/etc/pam.d/x" => Some("@include y\nauth required a.so\n".to_owned()),
        "/usr/lib/pam.d/y" => Some("auth required b.so\n".to_owned()),
        _ => None,
    };
    let read = read("x", &file, &Folders::upstream()).unwrap();
    assert!(matches!(read.chain(Phase::Auth)[0].part, Part::Fails(_)));
    assert_eq!(read.chain(Phase::Auth).len(), 2);
}
