//! Logins a second through a real Dovecot, of ours and of its rivals: what a mail server pays for a PAM module, all else included.
//!
//! Its auth process is asked over the socket on which imap-login asks it, so that IMAP itself costs nothing here.

use crate::auth_client::{Answer, AuthClient, Credentials};
use crate::site::{self, ALICE, PASSWORD, YES};
use crate::users::Users;
use twostep_tests::Host;

const AT_ONCE: u32 = 8;
/// Many short rounds: what disturbs the machine for a second disturbs all who take part in it.
const ROUNDS: usize = 41;
/// Logins of one contestant in one round.
const LOGINS: u32 = 120;
/// The same where one takes tens of milliseconds.
const SLOW_LOGINS: u32 = 8;
/// What is aimed at, of the rival's logins a second.
const TARGET: f64 = 0.8;

/// Those with one app password and with as many as one may have.
const ONE: &str = "oona";
const FIFTY: &str = "fiona";

/// One who takes part.
struct Contestant {
    title: String,
    login: Credentials,
    expected: Answer,
    kind: Kind,
    /// Logins a second, by rounds.
    rates: Vec<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Permit,
    Deny,
    Slow,
    Ours,
}

/// Runs and prints all of it.
pub(crate) fn run(host: &Host) {
    let stores = site::for_mail(host, &[ONE, FIFTY]);
    let mut contestants = rivals(host);
    for (users, count) in stores.iter().zip(["1,000", "1,000,000"]) {
        contestants.extend(ours(host, users, count));
    }
    host.command("sync", &[]).expect_success();
    host.start_dovecot_that_refuses_at_once();
    let mut client = AuthClient::connect();
    for one in &contestants {
        // Once unmeasured: files come into the page cache, and the boot learns the app passwords.
        one.turn(&mut client);
    }
    for round in 0..ROUNDS {
        for place in 0..contestants.len() {
            // Another begins each time.
            let at = (place + round) % contestants.len();
            let rate = contestants[at].turn(&mut client);
            contestants[at].rates.push(rate);
        }
    }
    print(&contestants);
    site::clear();
}

fn rivals(host: &Host) -> Vec<Contestant> {
    let alone = |module: &str| format!("auth required {module}\naccount required {module}");
    let new = |title: &str, service: &str, stack: &str, user, expected, kind| {
        wire(host, service, stack);
        let login = Credentials { service: service.to_owned(), user, password: PASSWORD.to_owned() };
        Contestant { title: title.to_owned(), login, expected, kind, rates: Vec::new() }
    };
    let yescrypt = alone("pam_unix.so");
    vec![
        new("pam_permit", "permit", &alone("pam_permit.so"), ALICE, Answer::Accepted, Kind::Permit),
        new("pam_deny", "deny", &alone("pam_deny.so"), ALICE, Answer::Refused, Kind::Deny),
        new("pam_unix, yescrypt", "yescrypt", &yescrypt, YES, Answer::Accepted, Kind::Slow),
    ]
}

fn ours(host: &Host, users: &Users, count: &str) -> Vec<Contestant> {
    let config = users.config.display();
    let control = "[success=done ignore=ignore default=die]";
    let service = format!("twostep-{}", count.replace(',', ""));
    wire(
        host,
        &service,
        &format!(
            "auth {control} pam_twostep.so app config={config}\n\
             account {control} pam_twostep.so app config={config}\naccount required pam_permit.so"
        ),
    );
    let new = |what: &str, user, password: &str, expected| Contestant {
        title: format!("twostep, {count} users, {what}"),
        login: Credentials { service: service.clone(), user, password: password.to_owned() },
        expected,
        kind: Kind::Ours,
        rates: Vec::new(),
    };
    let (one, fifty) = (users.enroll(ONE, 1), users.enroll(FIFTY, 50));
    vec![
        new("the one app password", ONE, &one, Answer::Accepted),
        new("one of 50 app passwords", FIFTY, &fifty, Answer::Accepted),
        new("wrong app password, user with 1", ONE, &users.stranger, Answer::Refused),
        new("wrong app password, user with 50", FIFTY, &users.stranger, Answer::Refused),
        new("account password", FIFTY, PASSWORD, Answer::Refused),
    ]
}

/// A stack that ends where its modules end: without lines of each kind libpam would take those of `other`.
fn wire(host: &Host, service: &str, stack: &str) {
    host.write(format!("/etc/pam.d/{service}"), &format!("{stack}\nsession required pam_permit.so\n"));
}

impl Contestant {
    fn turn(&self, client: &mut AuthClient) -> f64 {
        let count = if self.kind == Kind::Slow { SLOW_LOGINS } else { LOGINS };
        f64::from(count) / client.logins(&self.login, self.expected, count, AT_ONCE).as_secs_f64()
    }

    /// The middle of this one's rates over a rival's in the same rounds.
    fn ratio(&self, rival: &Self) -> f64 {
        middle(self.rates.iter().zip(&rival.rates).map(|(own, rivals)| own / rivals))
    }
}

fn middle(of: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = of.collect();
    sorted.sort_unstable_by(f64::total_cmp);
    *sorted.get(sorted.len() / 2).expect("there were rounds")
}

fn print(contestants: &[Contestant]) {
    let of = |kind| contestants.iter().find(|one| one.kind == kind).expect("every rival takes part");
    let (permit, deny) = (of(Kind::Permit), of(Kind::Deny));
    println!(
        "\nLogins a second through Dovecot's auth process and its workers, {AT_ONCE} at a time. Medians of {ROUNDS} rounds; the ratios are \
         those of\nrounds too. Dovecot tells refusals at once (the passdb's field nodelay), whoever refuses: otherwise it keeps them back for\n\
         up to half a second, and that is what would be measured.\n"
    );
    println!("{:58}  {:>10}  {:>8}  {:>8}  target {TARGET}", "", "", "/permit", "/deny");
    let mut sorted: Vec<&Contestant> = contestants.iter().collect();
    sorted.sort_by_key(|one| (one.kind == Kind::Ours, one.expected == Answer::Refused));
    for one in sorted {
        let to_permit = one.ratio(permit);
        let refused = one.expected == Answer::Refused;
        let to_deny = if refused { format!("{:.2}", one.ratio(deny)) } else { "-".to_owned() };
        let word = match one.kind {
            Kind::Ours if to_permit >= TARGET && (!refused || one.ratio(deny) >= TARGET) => "met",
            Kind::Ours => "not met",
            _ => "",
        };
        let rate = middle(one.rates.iter().copied());
        println!("{:58}  {rate:>8.0}/s  {to_permit:>8.2}  {to_deny:>8}  {word}", one.title);
    }
}
