//! Whole logins, played over plain values. The conversation is a queue that must be used up.

use super::*;
use crate::account::EnrollmentId;
use crate::account::{Enrollment, State};
use crate::app_password::AppPassword;
use crate::app_password::{self, AppPasswordId, BootKey, Label};
use crate::attempt::Source;
use crate::backup_code::BackupCode;
use crate::crypto::{MasterKey, Purpose};
use crate::device::Device;
use crate::memory_hard::{Cost, Hash};
use crate::policy::{Origin, Setting};
use crate::ports::{
    Confirmed, DirectoryFailed, Draft, Entered, Person, Store, TalkFailed, Trusted, Trusting, Untold, Use,
};
use crate::random::fake::Counting;
use crate::rule::Match;
use crate::schedule::{Schedule, Unenrolled};
use crate::scope::Scope;
use crate::secret::Secret;
use crate::spelling::Readings;
use crate::throttle::{self, Kind, Standing, Tally};
use crate::time::UnixTime;
use crate::totp::{Authenticator, AuthenticatorId, Parameters};
use crate::verify::{Changes, CodeCredentials, CodeOutcome, Counts};
use crate::verify_app::AppCandidates;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

const NOW: UnixTime = UnixTime(1_800_000_000);
const CHEAP: Cost = Cost { memory: 32, passes: 1, lanes: 1 };

/// With what shadow(5) has as the password of each of them.
struct People(Vec<(&'static str, u32)>, Result<Option<&'static str>, DirectoryFailed>);

impl Directory for People {
    fn find(&self, name: &str) -> Result<Option<Person>, DirectoryFailed> {
        if name == "nss-is-down" {
            return Err(DirectoryFailed("ENOENT".into()));
        }
        // A case-folding directory, as sssd can be: ALIAS is alice.
        let name = if name == "ALIAS" { "alice" } else { name };
        // A directory that goes down while somebody signs in: what it has said before, it does not know any more.
        if name == "LOST" {
            return Ok(Some(Person { name: UserName::parse("lost").unwrap(), uid: 1600 }));
        }
        let found = self.0.iter().find(|(known, _)| *known == name);
        Ok(found.map(|(name, uid)| Person { name: UserName::parse(name).unwrap(), uid: *uid }))
    }

    /// Everybody is of a group of her own name. There is no group `mispelt`.
    fn is_member(&self, user: &UserName, groups: &[String]) -> Result<Match, DirectoryFailed> {
        let asked = |name: &str| groups.iter().any(|group| group == name);
        Ok(match () {
            () if asked("nss-is-down") => return Err(DirectoryFailed("ENOENT".into())),
            () if asked(user.as_str()) => Match::Yes,
            () if asked("mispelt") => Match::Doubted,
            () => Match::No,
        })
    }

    fn account_password(&self, _: &UserName) -> Result<Option<Secret>, DirectoryFailed> {
        Ok(self.1.clone()?.map(|hash| Secret::new(hash.as_bytes().to_vec())))
    }
}

struct Shelf {
    enrollments: Vec<Enrollment>,
    last_step: Option<u64>,
    failures: u32,
    completed: Vec<Completion>,
    trusted: Vec<(ServiceName, Device, Option<Secret>)>,
    pretended: usize,
    /// Whether too much has failed already.
    unheard: bool,
    drafted: Vec<i64>,
    lost_name: bool,
    opened: usize,
    broken: bool,
    read_only: bool,
    /// Trusted devices cannot be forgotten, and all else is well.
    keeps_devices: bool,
    /// Of alice: the app password `abcdefghijklmnop`.
    app_password: Option<app_password::Stored>,
    /// What hashes are to cost.
    cost: Cost,
    /// Runs of Argon2id.
    hashed: usize,
    /// Uses that were written down.
    used: usize,
}

impl Default for Shelf {
    fn default() -> Self {
        Self {
            enrollments: Vec::new(),
            last_step: None,
            failures: 0,
            completed: Vec::new(),
            trusted: Vec::new(),
            pretended: 0,
            unheard: false,
            drafted: Vec::new(),
            lost_name: false,
            opened: 0,
            broken: false,
            read_only: false,
            keeps_devices: false,
            app_password: None,
            cost: CHEAP,
            hashed: 0,
            used: 0,
        }
    }
}

impl Vault for Shelf {
    fn open(&mut self) -> Result<Box<dyn Store + '_>, Unavailable> {
        self.opened += 1;
        if self.broken { Err(unavailable()) } else { Ok(Box::new(Open(self))) }
    }

    fn in_turn(&mut self, work: &mut dyn FnMut()) -> Result<(), Unavailable> {
        self.hashed += 1;
        work();
        Ok(())
    }

    fn hash_anew(&mut self, password: &AppPassword) -> Option<Hash> {
        self.hashed += 1;
        Hash::make(password.expose(), self.cost, &mut Counting(9)).ok()
    }
}

fn unavailable() -> Unavailable {
    Unavailable { cause: "broken".into(), remedy: "mend it".into() }
}

struct Open<'a>(&'a mut Shelf);

impl Store for Open<'_> {
    fn by_name(&mut self, name: &UserName) -> Result<Option<Enrollment>, Unavailable> {
        Ok(self.0.enrollments.iter().find(|e| e.user == *name && !self.0.lost_name).cloned())
    }

    fn alike(&mut self, readings: &Readings) -> Result<Option<Enrollment>, Unavailable> {
        Ok(self.0.enrollments.iter().find(|e| readings.may_be(&e.user)).cloned())
    }

    fn by_uid(&mut self, uid: u32) -> Result<Vec<Enrollment>, Unavailable> {
        Ok(self.0.enrollments.iter().filter(|e| e.uid == uid).cloned().collect())
    }

    fn judge(
        &mut self,
        enrollment: EnrollmentId,
        _: &Source,
        _: Kind,
        _: &Now,
        judge: &mut dyn FnMut(Option<&CodeCredentials>) -> CodeOutcome,
    ) -> Result<CodeOutcome, Unavailable> {
        if self.0.read_only {
            return Err(unavailable());
        }
        let credentials = CodeCredentials {
            enrollment,
            authenticators: vec![Authenticator { last_step: self.0.last_step, ..phone() }],
            backup_codes: Vec::new(),
            backup_key: MasterKey::new([1; 32]).subkey(Purpose::BackupCodeTags),
            tally: Tally {
                here: throttle::Record::default(),
                standing: Standing::Own,
                all_codes: if self.0.unheard { throttle::CAP } else { 0 },
            },
            untold: self.0.failures,
            latest_time: UnixTime(0),
        };
        let outcome = judge(Some(&credentials));
        let Changes { step, counts, .. } = &outcome.changes;
        self.0.last_step = step.map(|(_, consumed)| consumed.step).or(self.0.last_step);
        self.0.failures += u32::from(matches!(counts, Counts::Failure(_)));
        Ok(outcome)
    }

    fn app_candidates(&mut self, _: EnrollmentId, _: &AppPassword) -> Result<AppCandidates, Unavailable> {
        let live = self.0.app_password.get_or_insert_with(app_password).clone();
        let boot_key = Some(BootKey::of(&MasterKey::new([8; 32])));
        Ok(AppCandidates { live: vec![live], boot_key, ..AppCandidates::default() })
    }

    fn record_use(&mut self, _: AppPasswordId, used: &Use<'_>) -> Result<(), Unavailable> {
        if self.0.read_only {
            return Err(unavailable());
        }
        self.0.used += 1;
        let stored = self.0.app_password.as_mut().unwrap();
        stored.last_used = Some(used.at);
        stored.boot_tag = used.boot_tag.or(stored.boot_tag);
        stored.hash = used.hash.clone().unwrap_or_else(|| stored.hash.clone());
        Ok(())
    }

    fn revoke_app_passwords(&mut self, of: EnrollmentId, _: UnixTime) -> Result<Vec<Label>, Unavailable> {
        assert_eq!(of, EnrollmentId(7));
        if self.0.read_only {
            return Err(unavailable());
        }
        Ok(self.0.app_password.take().into_iter().map(|one| one.label).collect())
    }

    fn forget_trusted(&mut self, of: EnrollmentId, _: UnixTime) -> Result<Vec<String>, Unavailable> {
        assert_eq!(of, EnrollmentId(7));
        if self.0.read_only || self.0.keeps_devices {
            return Err(unavailable());
        }
        Ok(self.0.trusted.drain(..).map(|(_, device, _)| device.to_string()).collect())
    }

    fn trusted(
        &mut self,
        _: EnrollmentId,
        at: &Trusting<'_>,
        _: &Now,
    ) -> Result<Option<Trusted>, Unavailable> {
        let known = self.0.trusted.iter().any(|(service, device, password)| {
            (service, device, password.as_ref()) == (at.service, at.device, at.password)
        });
        Ok(known.then_some(Trusted { untold: self.0.failures }))
    }

    fn pretend(&mut self, _: &Source, _: Kind, _: &Now) -> Result<(), Unavailable> {
        if self.0.read_only {
            return Err(unavailable());
        }
        self.0.pretended += 1;
        Ok(())
    }

    fn draft(&mut self, _: &Person, day: i64, place: Option<&str>) -> Result<Draft, Unavailable> {
        assert_eq!(place, Some("203.0.113.9 "));
        self.0.drafted.push(day);
        let backup_codes = vec![BackupCode::generate(&mut Counting(0)).unwrap()];
        Ok(Draft { secret: phone().secret, backup_codes, newest: EnrollmentId(7) })
    }

    fn code_digits(&mut self, _: EnrollmentId) -> Result<Vec<u8>, Unavailable> {
        Ok(vec![6])
    }

    fn enroll(&mut self, person: &Person, confirmed: &Confirmed<'_>) -> Result<bool, Unavailable> {
        if self.0.enrollments.iter().any(|one| one.user == person.name) {
            return Ok(false);
        }
        let (user, uid) = (person.name.clone(), person.uid);
        self.0.enrollments.push(Enrollment { id: EnrollmentId(8), user, uid, ..enrolled(State::Active) });
        self.0.last_step = Some(confirmed.code.step);
        Ok(true)
    }

    fn untold(&mut self, of: EnrollmentId) -> Result<u32, Unavailable> {
        assert_eq!(of, EnrollmentId(7));
        Ok(self.0.failures)
    }

    fn complete(&mut self, completion: &Completion, _: &Now) -> Result<Vec<Untold>, Unavailable> {
        self.0.completed.push(completion.clone());
        if let Some(new) = &completion.trusts {
            self.0.trusted.push((new.service.clone(), new.device.clone(), new.password.clone()));
        }
        let untold =
            Untold { source: "198.51.100.7".to_owned(), count: std::mem::take(&mut self.0.failures) };
        Ok(Some(untold).filter(|untold| untold.count > 0).into_iter().collect())
    }
}

#[derive(Default)]
struct Script {
    steps: VecDeque<Step>,
    password: Option<Secret>,
    handed_on: Option<(usize, usize)>,
    renamed: Option<String>,
    /// Whether a module after us refuses the account.
    refused_behind: bool,
}

#[derive(Debug)]
enum Step {
    /// The prompt as a whole, or its beginning where it ends in `…`.
    Ask(&'static str, Result<String, TalkFailed>),
    Tell(&'static str),
}

impl Conversation for Script {
    fn password(&mut self, prompt: &str) -> Result<Secret, TalkFailed> {
        match self.password.clone() {
            Some(password) => Ok(password),
            None => self.answer(prompt),
        }
    }

    fn ask(&mut self, prompt: &str, _: Echo) -> Result<Entered, TalkFailed> {
        let text = self.answer(prompt)?;
        Ok(Entered::of(text, self.password.as_ref()))
    }

    fn hand_on(&mut self, password: usize, code: usize) -> Result<(), TalkFailed> {
        self.handed_on = Some((password, code));
        Ok(())
    }

    fn rename(&mut self, user: &UserName) -> Result<(), TalkFailed> {
        self.renamed = Some(user.to_string());
        Ok(())
    }

    fn account_accepts(&mut self) -> bool {
        !self.refused_behind
    }

    fn tell(&mut self, text: &str) {
        match self.steps.pop_front() {
            Some(Step::Tell(expected)) if text.contains(expected) => {}
            other => panic!("told {text:?}, expected {other:?}"),
        }
    }
}

impl Script {
    fn answer(&mut self, prompt: &str) -> Result<Secret, TalkFailed> {
        match self.steps.pop_front() {
            Some(Step::Ask(expected, answer))
                if prompt == expected
                    || expected.strip_suffix('…').is_some_and(|part| prompt.contains(part)) =>
            {
                answer.map(|a| Secret::new(a.into_bytes()))
            }
            other => panic!("asked {prompt:?}, expected {other:?}"),
        }
    }
}

#[derive(Default)]
struct Lines(RefCell<Vec<String>>);

impl Audit for Lines {
    fn record(&self, event: &Event) {
        self.0.borrow_mut().push(event.line());
    }
}

fn phone() -> Authenticator {
    Authenticator {
        id: AuthenticatorId(3),
        parameters: Parameters::COMMON,
        secret: Secret::new(b"12345678901234567890".to_vec()),
        last_step: None,
    }
}

fn code() -> String {
    code_at(0)
}

/// What the phone shows so many seconds later.
fn code_at(seconds: i64) -> String {
    phone().code(Parameters::COMMON.step_at(UnixTime(NOW.0 + seconds)).unwrap()).to_string()
}

fn app_password() -> app_password::Stored {
    app_password::Stored {
        id: AppPasswordId(4),
        label: Label::parse("mail").unwrap(),
        hash: Hash::make(b"abcdefghijklmnop", CHEAP, &mut Counting(0)).unwrap(),
        boot_tag: None,
        last_used: None,
        scope: Scope::default(),
    }
}

fn enrolled(state: State) -> Enrollment {
    Enrollment {
        id: EnrollmentId(7),
        user: UserName::parse("alice").unwrap(),
        uid: 1000,
        state,
        authenticators: 1,
    }
}

/// A host with alice (1000), her alias al (1000), bob (1001), and alice's enrollment as given.
struct Host {
    people: People,
    shelf: Shelf,
    policy: Policy,
    lines: Lines,
    /// How much of the password the last login has left to the modules after us, and where the code begins.
    handed_on: Option<(usize, usize)>,
    /// What PAM calls the user after the last login, where that is something else than before.
    renamed: Option<String>,
    /// Whether a module after us refuses the account.
    refused_behind: bool,
}

impl Host {
    fn with(state: State) -> Self {
        let shelf = Shelf { enrollments: vec![enrolled(state)], ..Shelf::default() };
        let people = People(vec![("alice", 1000), ("al", 1000), ("bob", 1001)], Ok(None));
        let mut policy = Policy::defaults();
        policy.argon2id.cost = shelf.cost;
        let lines = Lines::default();
        Self { people, shelf, policy, lines, handed_on: None, renamed: None, refused_behind: false }
    }

    fn request(user: &str, class: ServiceClass) -> Request<'_> {
        let (service, mode) = match class {
            ServiceClass::App => ("imap", Mode::App),
            ServiceClass::Interactive => ("sshd", Mode::ByService),
        };
        Request {
            user,
            service: ServiceName::parse(service).unwrap(),
            mode,
            source: Source::of_host("203.0.113.9", &[]),
            tty: Tty::Named("ssh"),
            prompt: None,
            echo: Echo::Hidden,
            key: None,
            word: Word::Counts,
        }
    }

    /// Sets what the configuration says.
    fn configure(&mut self, text: &str) {
        self.policy = crate::config::parse(text).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    }

    fn play<R>(
        &mut self,
        steps: Vec<Step>,
        password: Option<&str>,
        act: impl FnOnce(&mut Ports<'_>, &Policy) -> R,
    ) -> R {
        let mut talk = Script {
            steps: steps.into(),
            password: password.map(|text| Secret::new(text.as_bytes().to_vec())),
            refused_behind: self.refused_behind,
            ..Script::default()
        };
        let clock = || Now { wall: NOW, since_boot: Duration::from_secs(9), ..Now::default() };
        let mut ports = Ports {
            directory: &self.people,
            vault: &mut self.shelf,
            talk: &mut talk,
            audit: &self.lines,
            clock: &clock,
            issuer: &|| "host".to_owned(),
        };
        let result = act(&mut ports, &self.policy);
        assert!(talk.steps.is_empty(), "not used up: {:?}", talk.steps);
        self.handed_on = talk.handed_on;
        self.renamed = talk.renamed;
        result
    }

    fn at_prompt(&mut self, user: &str, steps: Vec<Step>) -> Ending {
        self.play(steps, Some("hunter2"), |ports, policy| {
            authenticate(ports, policy, &Self::request(user, ServiceClass::Interactive))
        })
    }

    fn by_imap(&mut self, user: &str, password: &str) -> Ending {
        let steps = vec![Step::Ask(PASSWORD_PROMPT, Ok(password.into()))];
        self.play(steps, None, |ports, policy| {
            authenticate(ports, policy, &Self::request(user, ServiceClass::App))
        })
    }

    fn account(&mut self, user: &str, record: &Record, steps: Vec<Step>) -> Ending {
        let request = Self::request(user, ServiceClass::Interactive);
        self.play(steps, None, |ports, policy| account_with_record(ports, policy, &request, record))
    }

    fn last_line(&self) -> String {
        self.lines.0.borrow().last().cloned().unwrap_or_default()
    }
}

fn ask(answer: &str) -> Step {
    Step::Ask(CODE_PROMPT, Ok(answer.to_owned()))
}

fn accepted(ending: &Ending) -> bool {
    matches!(ending, Ending::Accept(Record { proof: Proof::Code, .. }))
}

#[test]
fn a_right_code_lets_in_once() {
    let mut host = Host::with(State::Active);
    assert!(accepted(&host.at_prompt("alice", vec![ask(&code())])));
    assert_eq!(
        host.last_line(),
        "result=accepted reason=code user=alice service=sshd from=203.0.113.9 authenticator=3"
    );
    let again = host.at_prompt("alice", vec![ask(&code()), Step::Tell("not accepted")]);
    assert_eq!(again, Ending::Refuse);
    assert_eq!(
        host.last_line(),
        "result=refused reason=code-replayed user=alice service=sshd from=203.0.113.9"
    );
}

#[test]
fn the_owner_is_told_of_wrong_codes_when_she_is_in() {
    let mut host = Host::with(State::Active);
    assert_eq!(host.at_prompt("alice", vec![ask("000000"), Step::Tell("not accepted")]), Ending::Refuse);
    let ending = host.at_prompt("alice", vec![ask(&code())]);
    let Ending::Accept(record) = ending else { panic!("{ending:?}") };
    assert!(host.shelf.completed.is_empty(), "a code without the password has told or settled something");
    assert!(accepted(&host.account(
        "alice",
        &record,
        vec![Step::Tell("1 wrong code was entered since your last sign-in, from 198.51.100.7.")]
    )));
    assert_eq!(host.shelf.completed[0].makes_known, Some(Source::of_host("203.0.113.9", &[])));
}

/// A screen locker of hers, or what pretends to be one: it says itself that the password was right.
#[test]
fn a_program_of_the_users_own_is_told_nothing_in_her_place() {
    let mut host = Host::with(State::Active);
    host.shelf.failures = 3;
    let request = Request { word: Word::Doubted, ..Host::request("alice", ServiceClass::Interactive) };
    let ending = host.play(vec![ask(&code())], None, |ports, policy| authenticate(ports, policy, &request));
    let Ending::Accept(record) = ending else { panic!("{ending:?}") };
    let ending =
        host.play(vec![], None, |ports, policy| account_with_record(ports, policy, &request, &record));
    assert!(accepted(&ending));
    assert!(host.shelf.completed.is_empty());
    assert_eq!(host.shelf.failures, 3);
}

#[test]
fn a_damaged_index_is_not_a_clean_read() {
    let mut host = Host::with(State::Active);
    host.shelf.lost_name = true;
    assert_eq!(host.at_prompt("alice", vec![Step::Tell("not available")]), Ending::Unavailable);
    assert!(host.last_line().contains("indexes disagree"), "{}", host.last_line());
    assert_eq!(host.by_imap("alice", "hunter2"), Ending::Unavailable);
}

#[test]
fn who_is_not_enrolled_is_left_to_the_other_modules() {
    let mut host = Host::with(State::Active);
    assert!(matches!(host.at_prompt("bob", vec![]), Ending::Ignore(Some(_))));
    assert_eq!(host.last_line(), "result=ignored reason=not-enrolled user=bob service=sshd from=203.0.113.9");
    host.policy.interactive.unenrolled =
        Setting { value: Schedule::always(Unenrolled::Deny), origin: Origin::Line(1) };
    assert_eq!(host.at_prompt("bob", vec![Step::Tell("not set up")]), Ending::Refuse);
}

#[test]
fn names_cannot_be_dodged_at_a_prompt() {
    let mut host = Host::with(State::Active);
    for spelling in ["ALICE", "alice ", "alice@host", "mallory", "\u{8}\n\r\u{7f}INCORRECT", ""] {
        assert_eq!(host.at_prompt(spelling, vec![]), Ending::UserUnknown, "{spelling:?}");
        assert!(!host.last_line().contains("user="), "{}", host.last_line());
    }
    assert_eq!(host.shelf.opened, 0, "the store was opened for a name that NSS does not know");
    assert!(accepted(&host.at_prompt("ALIAS", vec![ask(&code())])));
    assert_eq!(host.at_prompt("al", vec![ask("000000"), Step::Tell("not accepted")]), Ending::Refuse);
}

#[test]
fn nss_failing_is_not_knowing_no_such_user() {
    let mut host = Host::with(State::Active);
    assert_eq!(host.at_prompt("nss-is-down", vec![Step::Tell("not available")]), Ending::Unavailable);
    assert!(host.last_line().starts_with("result=unavailable reason=nss"));
    assert_eq!(host.by_imap("nss-is-down", "x"), Ending::Unavailable);
}

#[test]
fn a_deleted_and_remade_account_does_not_inherit() {
    let mut host = Host::with(State::Active);
    host.people.0[0].1 = 2000;
    assert_eq!(host.at_prompt("alice", vec![Step::Tell("administrator")]), Ending::Refuse);
    assert!(host.last_line().contains("reason=uid-changed user=alice"), "{}", host.last_line());
    // al still has the old uid: alice's enrollment is an orphan there.
    assert_eq!(host.at_prompt("al", vec![ask(""), Step::Tell("under another name")]), Ending::Refuse);
    assert!(host.last_line().contains("reason=orphan user=al"), "{}", host.last_line());
}

#[test]
fn a_broken_store_lets_nobody_in() {
    let mut host = Host::with(State::Active);
    host.shelf.broken = true;
    assert_eq!(host.at_prompt("alice", vec![Step::Tell("not available")]), Ending::Unavailable);
    assert_eq!(host.at_prompt("bob", vec![Step::Tell("not available")]), Ending::Unavailable);
    assert_eq!(host.by_imap("bob", "x"), Ending::Unavailable);
    assert_eq!(
        host.last_line(),
        "result=unavailable reason=store user=bob service=imap from=203.0.113.9 cause=broken remedy=\"mend it\""
    );
}

#[test]
fn right_and_wrong_look_alike_where_nothing_can_be_written() {
    let mut host = Host::with(State::Active);
    host.shelf.read_only = true;
    assert_eq!(
        host.at_prompt("alice", vec![ask(&code()), Step::Tell(UNAVAILABLE_TEXT)]),
        Ending::Unavailable
    );
    let right = host.last_line();
    assert_eq!(
        host.at_prompt("alice", vec![ask("000000"), Step::Tell(UNAVAILABLE_TEXT)]),
        Ending::Unavailable
    );
    assert_eq!(host.last_line(), right);
    assert_eq!(
        host.at_prompt("alice", vec![ask(&code_at(600)), Step::Tell(UNAVAILABLE_TEXT)]),
        Ending::Unavailable
    );
    assert_eq!(host.last_line(), right);
}

#[test]
fn only_the_log_says_that_a_code_is_of_another_time() {
    let mut host = Host::with(State::Active);
    let mut refused = |code: &str| {
        let answers = vec![ask(code), Step::Tell("That code was not accepted.")];
        assert_eq!(host.at_prompt("alice", answers), Ending::Refuse);
        host.last_line()
    };
    let wrong = refused("000000");
    for (seconds, told) in [(600, "+600s"), (-600, "-600s")] {
        assert_eq!(refused(&code_at(seconds)), format!("{wrong} clock-off={told}"));
    }
}

#[test]
fn what_is_not_counted_does_not_open_the_store_again() {
    let mut host = Host::with(State::Active);
    for (entered, told) in
        [("", "not accepted"), ("hunter2", "not accepted"), ("abcd efgh ijkl mnop", "app password")]
    {
        host.shelf.opened = 0;
        assert_eq!(host.at_prompt("alice", vec![ask(entered), Step::Tell(told)]), Ending::Refuse);
        assert_eq!((host.shelf.opened, host.shelf.failures), (1, 0), "{entered:?}");
    }
}

#[test]
fn a_conversation_that_fails_is_a_refusal() {
    let mut host = Host::with(State::Active);
    assert_eq!(host.at_prompt("alice", vec![Step::Ask(CODE_PROMPT, Err(TalkFailed))]), Ending::TalkFailed);
    assert!(host.last_line().contains("reason=conversation"));
}

#[test]
fn a_pending_user_activates_by_a_right_code_in_the_account_phase() {
    let mut host = Host::with(State::Pending);
    let ending = host.at_prompt("alice", vec![Step::Tell("being set up"), ask(&code())]);
    let Ending::Accept(record) = ending else { panic!("{ending:?}") };
    assert!(host.shelf.completed.is_empty(), "activated before the login as a whole succeeded");
    assert!(accepted(&host.account("alice", &record, vec![])));
    assert!(host.shelf.completed[0].activates);
    assert!(host.last_line().contains("result=changed reason=activated"), "{}", host.last_line());
}

#[test]
fn a_pending_user_stays_pending_where_the_modules_behind_refuse_the_account() {
    let mut host = Host::with(State::Pending);
    let ending = host.at_prompt("alice", vec![Step::Tell("being set up"), ask(&code())]);
    let Ending::Accept(record) = ending else { panic!("{ending:?}") };
    host.refused_behind = true;
    assert!(accepted(&host.account("alice", &record, vec![])));
    assert!(host.shelf.completed.is_empty());
}

#[test]
fn a_pending_user_who_enters_nothing_is_as_if_unenrolled() {
    let mut host = Host::with(State::Pending);
    let steps = || vec![Step::Tell("being set up"), ask("")];
    assert!(matches!(host.at_prompt("alice", steps()), Ending::Ignore(Some(_))));
    host.policy.interactive.unenrolled =
        Setting { value: Schedule::always(Unenrolled::Deny), origin: Origin::Line(1) };
    let mut denied = steps();
    denied.push(Step::Tell("not set up"));
    assert_eq!(host.at_prompt("alice", denied), Ending::Refuse);
}

#[test]
fn a_pending_user_who_enters_a_wrong_code_is_refused_and_counted() {
    let mut host = Host::with(State::Pending);
    let steps = vec![Step::Tell("being set up"), ask("000000"), Step::Tell("not accepted")];
    assert_eq!(host.at_prompt("alice", steps), Ending::Refuse);
    assert_eq!(host.shelf.failures, 1);
}

#[test]
fn a_key_alone_is_refused_to_the_enrolled_only() {
    let mut host = Host::with(State::Active);
    let by_key = |host: &mut Host, user: &str, steps| {
        let request = Host::request(user, ServiceClass::Interactive);
        host.play(steps, None, |ports, policy| {
            account_without_record(ports, policy, &request, Unrecorded::ByKey)
        })
    };
    assert_eq!(by_key(&mut host, "alice", vec![Step::Tell("-o PubkeyAuthentication=no")]), Ending::Refuse);
    assert_eq!(by_key(&mut host, "bob", vec![]), Ending::Ignore(None));
    host.shelf.broken = true;
    assert_eq!(by_key(&mut host, "bob", vec![Step::Tell("not available")]), Ending::Unavailable);
}

#[test]
fn after_a_key_the_unenrolled_need_no_password() {
    let mut host = Host::with(State::Active);
    let request = Request { mode: Mode::AfterKey, ..Host::request("bob", ServiceClass::Interactive) };
    let ending = host.play(vec![], None, |ports, policy| authenticate(ports, policy, &request));
    assert!(matches!(ending, Ending::Accept(Record { proof: Proof::Key, .. })));
    let request = Request { mode: Mode::AfterKey, ..Host::request("alice", ServiceClass::Interactive) };
    let ending = host.play(vec![ask(&code())], None, |ports, policy| authenticate(ports, policy, &request));
    assert!(accepted(&ending));
}

#[test]
fn a_record_is_good_for_its_user_only() {
    let mut host = Host::with(State::Active);
    let record = Record {
        user: UserName::parse("alice").ok(),
        raw: "alice".into(),
        class: ServiceClass::Interactive,
        proof: Proof::Code,
        todo: None,
    };
    assert_eq!(record.settles("bob"), None);
    assert!(accepted(&record.settles("alice").unwrap()));
    let request = Host::request("bob", ServiceClass::Interactive);
    let ending =
        host.play(vec![], None, |ports, policy| account_with_record(ports, policy, &request, &record));
    assert_eq!(ending, Ending::Refuse);
    assert!(host.last_line().contains("reason=user-switched"));
}

mod app;
mod devices;
mod enrolling;
mod keys;
mod one_prompt;
mod orphans;
mod rules;
mod spellings;
mod veiled;
