//! What it costs to have a login judged by the broker, beside the same login in process; how many a second it judges; what memory it
//! takes.

use crate::contest::What;
use crate::login::Login;
use crate::median::microseconds;
use crate::site;
use crate::users::Users;
use std::process::Command;
use std::time::{Duration, Instant};
use twostep_tests::broker::TWOSTEPD;
use twostep_tests::{Broker, Host, OrDie, RawLink, child, eventually};

/// Where a login is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// In a process that is wholly root.
    Here,
    /// By the broker, for one whose real uid is another.
    Broker,
}

const ROUNDS: u32 = 40;
/// Logins of one way in one round, in a process that has signed people in before.
const TURNS: usize = 20;
/// Logins of all clients together.
const LOGINS: usize = 3_200;
const CLIENTS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];

/// Runs and prints all of it.
pub(crate) fn run(host: &Host) {
    let users = site::ours_alone(host);
    let start = || {
        let mut command = Command::new(TWOSTEPD);
        command.arg("--config").arg(&users.config);
        host.start_broker_with(&mut command)
    };
    let broker = start();
    let begun = broker.memory();
    round_trips(&users);
    let busiest = throughput(&users, &broker);
    memory(&broker, begun, busiest);
    drop(broker);
    site::clear();
}

fn round_trips(users: &Users) {
    println!(
        "\nOne login through the real libpam: judged in process, and by the broker for a caller as su is. Medians of one run; \
         every round measures both.\n"
    );
    println!("{:32}  {:>12}  {:>12}  {:>8}", "", "in process", "broker", "ratio");
    for what in [What::NotEnrolled, What::AppWarm, What::AppWrong, What::Right] {
        let [here, broker] = [Way::Here, Way::Broker].map(|way| (way, Vec::new()));
        let mut both = [here, broker];
        // A right code is put back before each login.
        let turns = if what == What::Right { 1 } else { TURNS };
        for _ in 0..ROUNDS {
            for (way, runs) in &mut both {
                let login = what.login(users);
                runs.extend(measured(*way, &login, turns));
            }
        }
        let [here, broker] = both.map(|(_, runs)| microseconds(&runs).expect("everybody had a turn"));
        println!("{:32}  {here:>9.0} µs  {broker:>9.0} µs  {:>8.2}", what.title(), broker / here);
    }
}

/// Logins in a process of its own, after one that is not measured.
fn measured(way: Way, login: &Login, turns: usize) -> Vec<Duration> {
    let told = child::run(|| {
        become_caller(way);
        if turns > 1 {
            login.here();
        }
        (0..turns).map(|_| format!("{} ", login.here().took.as_nanos())).collect()
    });
    let nanoseconds = told.split_whitespace().map(|word| word.parse().or_die("read a figure"));
    nanoseconds.map(Duration::from_nanos).collect()
}

fn become_caller(way: Way) {
    if way == Way::Broker {
        child::become_ids(0, 1234, 0, 0);
    }
}

/// Prints logins a second, and returns the broker's memory under the most clients.
fn throughput(users: &Users, broker: &Broker) -> u64 {
    println!(
        "\nLogins a second with an app password, each client a process of its own; {LOGINS} logins in all.\n"
    );
    println!("{:>8}  {:>12}  {:>12}  {:>8}", "clients", "in process", "broker", "ratio");
    let login = What::AppWarm.login(users);
    let mut busiest = 0;
    for clients in CLIENTS {
        let [here, through] = [Way::Here, Way::Broker].map(|way| {
            let each = LOGINS / clients;
            let begun = Instant::now();
            let told = child::race(
                clients,
                |_| become_caller(way),
                |()| {
                    let done = (0..each).filter(|_| login.here().code.0 == 0).count();
                    if way == Way::Broker {
                        format!("{done} {}", broker.memory())
                    } else {
                        format!("{done} 0")
                    }
                },
            );
            let took = begun.elapsed().as_secs_f64();
            for one in &told {
                let (done, memory) = one.split_once(' ').expect("two figures");
                assert!(
                    done == each.to_string(),
                    "{way:?}, {clients} clients: {done} of {each} logins succeeded"
                );
                busiest = busiest.max(memory.parse().or_die("read a figure"));
            }
            (each * clients) as f64 / took
        });
        println!("{clients:>8}  {here:>10.0}/s  {through:>10.0}/s  {:>8.2}", through / here);
    }
    busiest
}

fn memory(broker: &Broker, begun: u64, busiest: u64) {
    let after = broker.memory();
    let links: Vec<RawLink> = (0..500).filter_map(|_| RawLink::connect().ok()).collect();
    eventually("the connections to be there", || (broker.threads() > 500).then_some(()));
    let waiting = broker.memory();
    drop(links);
    println!("\nMemory of the broker that is its own alone, in KiB.\n");
    println!("{:44} {begun:>8}", "idle, just started");
    println!("{:44} {busiest:>8}", "while 64 clients sign in");
    println!("{:44} {after:>8}", "idle, after all of these logins");
    println!("{:44} {waiting:>8}", "500 connections waiting for their turn");
}
