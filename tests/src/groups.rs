//! Groups as glibc finds them for this process, by whatever nsswitch.conf of the box says.

use crate::command::Done;
use crate::ffi::names;
use crate::host::Host;

/// The gids of a user, as sshd, sudo and login get them (getgrouplist(3)), her primary one among them. To be called in a child of its own:
/// glibc keeps what it has loaded.
pub fn gids_of(user: &str, primary: u32) -> Vec<u32> {
    names::group_list(user, primary)
}

/// The members of a group (getgrnam_r(3)), if it is there.
pub fn members_of(group: &str) -> Option<Vec<String>> {
    names::group_members(group)
}

/// Fills the first `groups` places of a list that has just so many, as initgroups(3) does with its limit. How many there would be.
pub fn gids_within(user: &str, primary: u32, places: usize) -> (i32, Vec<u32>) {
    names::group_list_within(user, primary, places)
}

impl Host {
    /// The names of a user's groups, by `id`, run as this user.
    pub fn groups_as(&self, who: &str, user: &str) -> Vec<String> {
        let done = self.as_other(who, &["id", "-Gn", user]).expect_success();
        done.stdout.split_whitespace().map(str::to_owned).collect()
    }

    /// The names of a user's groups that are ours.
    pub fn twostep_groups(&self, user: &str) -> Vec<String> {
        self.groups_as("root", user).into_iter().filter(|group| group.starts_with("twostep-")).collect()
    }

    /// Runs a command as another user, by setpriv.
    pub fn as_other(&self, who: &str, command: &[&str]) -> Done {
        let change = ["--reuid", who, "--regid", "65534", "--clear-groups"];
        if who == "root" {
            let (program, arguments) = command.split_first().unwrap_or((&"true", &[]));
            return self.command(program, arguments);
        }
        self.command("setpriv", &[&change, command].concat())
    }
}
