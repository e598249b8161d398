//! Becomes the command it is given, which finds a kernel without SO_PASSRIGHTS, as Linux before 6.16.

use std::os::unix::process::CommandExt;
use std::process::Command;

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let mut command = Command::new(arguments.next().unwrap_or_default());
    twostep_tests::broker::on_an_old_kernel(command.args(arguments));
    let error = command.exec();
    panic!("cannot be started: {error}");
}
