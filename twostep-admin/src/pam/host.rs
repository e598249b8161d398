//! Where this host has its stacks, and their texts.

use crate::stack::APP_SERVICES;
use crate::stacks::MODULE;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use twostep_core::name::ServiceName;
use twostep_core::policy::Policy;
use twostep_stacks::{Entry, Folders, Include, Read, parse, read};

/// Where stacks are that the administrator makes.
pub(crate) const PAM_D: &str = "/etc/pam.d";
/// Where packages may have theirs, which one of the same name in [`PAM_D`] replaces.
const VENDORS: &str = "/usr/lib/pam.d";
/// The same, where libpam was built with a folder for vendors (openSUSE).
const OTHER_VENDORS: &str = "/usr/etc/pam.d";
/// All stacks in one file, where there is no folder of them.
pub(crate) const PAM_CONF: &str = "/etc/pam.conf";
/// Debian's libpam looks elsewhere for what a file includes.
const DEBIAN: &str = "/etc/debian_version";

/// A folder of stacks.
#[derive(Clone, Debug)]
pub(crate) struct Stacks {
    pub(crate) folder: PathBuf,
    folders: Folders,
    /// What `[app] services` lists, as far as it could be read.
    app: Vec<ServiceName>,
    /// The configuration that lists it.
    config: PathBuf,
}

impl Stacks {
    /// The folder itself where it is this host's, or a copy of one.
    pub(crate) fn of(folder: &Path) -> Self {
        let folders = match folder.to_str() {
            Some(PAM_D) if Path::new(DEBIAN).exists() => Folders::debian(),
            Some(PAM_D) => Folders::upstream(),
            _ => Folders::only(&folder.to_string_lossy()),
        };
        Self { folder: folder.to_owned(), folders, app: Vec::new(), config: PathBuf::new() }
    }

    /// With what the configuration at `config` lists as app services.
    pub(crate) fn listing(mut self, policy: Option<&Policy>, config: &Path) -> Self {
        self.app = policy.map_or_else(Vec::new, |policy| policy.app.services.value.clone());
        config.clone_into(&mut self.config);
        self
    }

    /// A service as libpam reads it, and with what our lines are to it: an [`APP_SERVICES`] line is an `app` line where the service is
    /// listed. Where it keeps its word it does nothing, or goes by a configuration that nobody has looked at.
    pub(crate) fn read(&self, service: &str) -> Read {
        self.meant(service, read(service, &text, &self.folders))
    }

    fn meant(&self, service: &str, read: Read) -> Read {
        let is_listed = self.app.iter().any(|listed| listed.as_str() == service);
        let is_other = |word: &String| {
            word.strip_prefix("config=").is_some_and(|config| Path::new(config) != self.config)
        };
        let app = |words: &mut Vec<String>| {
            if !words.iter().any(is_other) {
                words.iter_mut().filter(|word| *word == APP_SERVICES).for_each(|word| "app".clone_into(word));
            }
        };
        read.map(|mut read| {
            if is_listed {
                read.change_words(MODULE, &app);
            }
            read
        })
    }

    /// The same, were the file at `path` another.
    pub(crate) fn read_with(&self, service: &str, path: &Path, changed: &str) -> Read {
        let changing =
            |asked: &str| if Path::new(asked) == path { Some(changed.to_owned()) } else { text(asked) };
        self.meant(service, read(service, &changing, &self.folders))
    }

    /// The text of a file that another one names.
    pub(crate) fn included(&self, name: &str) -> Option<String> {
        if name.starts_with('/') {
            return text(name);
        }
        self.folders.includes.iter().find_map(|folder| text(&format!("{folder}/{name}")))
    }

    /// A service's own file, whether it is there or not.
    pub(crate) fn path(&self, service: &str) -> PathBuf {
        self.folder.join(service)
    }

    /// Where packages have this service's file, where only they have one.
    pub(crate) fn vendors(&self, service: &str) -> Option<PathBuf> {
        let path = Path::new(VENDORS).join(service);
        (self.folder == Path::new(PAM_D) && !self.path(service).exists() && path.exists()).then_some(path)
    }

    /// The files that others include, each with the first that does.
    pub(crate) fn included_files(&self) -> BTreeMap<String, String> {
        let mut included = BTreeMap::new();
        for name in self.names().unwrap_or_default() {
            let path = self.vendors(&name).unwrap_or_else(|| self.path(&name));
            for entry in text(&path.to_string_lossy()).iter().flat_map(|text| parse(text)) {
                if let Entry::Include(Include { file: Some(file), .. }) = entry {
                    let base = file.rsplit('/').next().unwrap_or(&file).to_owned();
                    included.entry(base).or_insert_with(|| name.clone());
                }
            }
        }
        included
    }

    /// All files by their names, without what editors and packagers leave behind.
    pub(crate) fn names(&self) -> io::Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        let vendors = Path::new(VENDORS);
        let both = self.folder == Path::new(PAM_D) && vendors.is_dir();
        for folder in [self.folder.as_path()].into_iter().chain(both.then_some(vendors)) {
            for file in fs::read_dir(folder)? {
                let file = file?;
                let Ok(name) = file.file_name().into_string() else { continue };
                if !is_left_behind(&name) && file.path().is_file() {
                    names.insert(name);
                }
            }
        }
        Ok(names)
    }
}

/// Where packages may have stacks.
pub(crate) fn vendor_folders() -> impl Iterator<Item = &'static str> {
    [VENDORS, OTHER_VENDORS].into_iter()
}

/// Whether it is no service that anybody asks for.
pub(crate) fn is_left_behind(name: &str) -> bool {
    let ends = ["~", ".bak", ".orig", ".rpmnew", ".rpmorig", ".rpmsave", ".pam-old", ".pam-new"];
    name.starts_with('.')
        || [".dpkg-", ".ucf-"].iter().any(|part| name.contains(part))
        || ends.iter().any(|end| name.ends_with(end))
}

fn text(path: &str) -> Option<String> {
    fs::read(path).ok().map(|text| String::from_utf8_lossy(&text).into_owned())
}
