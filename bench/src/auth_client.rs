//! A client of Dovecot's auth process, as its imap-login is one: many logins over one connection, some of them at the same time.

use base64ct::{Base64, Encoding};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};
use twostep_tests::OrDie;

const SOCKET: &str = "/run/dovecot/auth-client";
/// The same address each time, as in the other comparisons.
const FROM: &str = "192.0.2.7";
/// An answer that takes longer is a broken Dovecot.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection.
pub(crate) struct AuthClient {
    answers: BufReader<UnixStream>,
    requests: UnixStream,
    latest: u32,
}

/// Who signs in, where, and with what.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    /// The PAM service.
    pub(crate) service: String,
    pub(crate) user: &'static str,
    pub(crate) password: String,
}

/// What Dovecot says of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Accepted,
    Refused,
    /// No verdict could be reached.
    Failed,
}

impl AuthClient {
    /// Connects and exchanges versions.
    pub(crate) fn connect() -> Self {
        let requests = UnixStream::connect(SOCKET).or_die("connect to Dovecot's auth process");
        requests.set_read_timeout(Some(PATIENCE)).or_die("set a time limit");
        let answers = BufReader::new(requests.try_clone().or_die("copy a descriptor"));
        let mut client = Self { answers, requests, latest: 0 };
        client.send(&format!("VERSION\t1\t2\nCPID\t{}\n", std::process::id()));
        while client.line() != "DONE" {}
        client
    }

    /// `count` logins, `at_once` of which are under way at any time. Returns how long all took together; panics where one of them is not
    /// answered as `expected`.
    pub(crate) fn logins(
        &mut self,
        login: &Credentials,
        expected: Answer,
        count: u32,
        at_once: u32,
    ) -> Duration {
        let begin = Instant::now();
        for _ in 0..at_once.min(count) {
            self.request(login);
        }
        for answered in 1..=count {
            let answer = self.answer();
            assert!(answer == expected, "{login:?}: {answer:?} instead of {expected:?}");
            if answered + at_once <= count {
                self.request(login);
            }
        }
        begin.elapsed()
    }

    fn request(&mut self, login: &Credentials) {
        self.latest += 1;
        let Credentials { service, user, password } = login;
        let response = Base64::encode_string(format!("\0{user}\0{password}").as_bytes());
        let number = self.latest;
        self.send(&format!(
            "AUTH\t{number}\tPLAIN\tservice={service}\tnologin\tlip=127.0.0.1\trip={FROM}\tresp={response}\n"
        ));
    }

    fn answer(&mut self) -> Answer {
        let line = self.line();
        let mut words = line.split('\t');
        match words.next() {
            Some("OK") => Answer::Accepted,
            Some("FAIL") if words.any(|word| word == "temp") => Answer::Failed,
            Some("FAIL") => Answer::Refused,
            _ => panic!("Dovecot answered {line:?}"),
        }
    }

    fn send(&mut self, text: &str) {
        self.requests.write_all(text.as_bytes()).or_die("write to Dovecot's auth process");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.answers.read_line(&mut line).or_die("read from Dovecot's auth process");
        assert!(read > 0, "Dovecot's auth process has closed the connection");
        line.trim_end_matches('\n').to_owned()
    }
}
