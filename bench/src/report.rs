//! The table, ratios first, and whether the targets are met.

use crate::contest::{Figure, Size, What, Who};

impl Who {
    fn title(self) -> String {
        let users = |size| if size == Size::Thousand { "1,000" } else { "1,000,000" };
        match self {
            Self::Permit => "pam_permit".to_owned(),
            Self::UnixSha512 => "pam_unix, sha512crypt".to_owned(),
            Self::UnixYescrypt => "pam_unix, yescrypt".to_owned(),
            Self::GoogleRight => "pam_google_authenticator, right code".to_owned(),
            Self::GoogleWrong => "pam_google_authenticator, wrong code".to_owned(),
            Self::GoogleLoose => "pam_google_authenticator, reuse allowed".to_owned(),
            Self::Ours(size, what) => format!("twostep, {} users, {}", users(size), what.title()),
        }
    }

    /// Whom it is compared with: whoever would do the same job.
    fn rival(self) -> Option<Self> {
        let Self::Ours(_, what) = self else { return None };
        match what {
            What::NotEnrolled => None,
            What::Right | What::BackupCode => Some(Self::GoogleRight),
            What::Wrong | What::Replayed => Some(Self::GoogleWrong),
            What::AppCold | What::AppWarm | What::AppWrong | What::AppAccountPassword => {
                Some(Self::UnixSha512)
            }
        }
    }
}

impl What {
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::NotEnrolled => "not enrolled",
            Self::Right => "right code",
            Self::Wrong => "wrong code",
            Self::Replayed => "replayed code",
            Self::BackupCode => "backup code",
            Self::AppCold => "app password, first since boot",
            Self::AppWarm => "app password",
            Self::AppWrong => "wrong app password",
            Self::AppAccountPassword => "account password on app service",
        }
    }
}

/// Prints everything.
pub(crate) fn print(figures: &[Figure]) {
    let figure = |who| figures.iter().find(|figure| figure.who == who).expect("everybody took part");
    let permit = figure(Who::Permit);
    println!(
        "\nOne login: pam_start_confdir, pam_authenticate, pam_acct_mgmt where that succeeded, pam_end. Medians of one run.\n\
         /rival: against pam_google_authenticator's right or wrong code; for app passwords, pam_unix with sha512crypt.\n\
         warm: in a process that has signed people in before. fresh: in a process of its own, as under sshd.\n"
    );
    println!("{:56}  {:>28}  {:>28}  {:>6}", "", "warm", "fresh", "peak");
    println!(
        "{:56}  {:>8} {:>8} {:>10}  {:>8} {:>8} {:>10}  {:>6}",
        "", "/rival", "/permit", "µs", "/rival", "/permit", "µs", "MB"
    );
    for one in figures {
        let rival = one.who.rival().map(figure);
        let ratio = |over: Option<f64>| over.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
        println!(
            "{:56}  {:>8} {:>8.2} {:>10.0}  {:>8} {:>8.2} {:>10.0}  {:>6.1}",
            one.who.title(),
            ratio(rival.map(|rival| one.warm / rival.warm)),
            one.warm / permit.warm,
            one.warm,
            ratio(rival.map(|rival| one.fresh / rival.fresh)),
            one.fresh / permit.fresh,
            one.fresh,
            one.size as f64 / 1024.0,
        );
    }
    println!();
    let ours = |what| figure(Who::Ours(Size::Thousand, what));
    target(
        "a right code, against pam_google_authenticator's",
        1.0,
        ours(What::Right),
        figure(Who::GoogleRight),
    );
    target(
        "a wrong code, against pam_google_authenticator's",
        1.0 / 3.0,
        ours(What::Wrong),
        figure(Who::GoogleWrong),
    );
    target("an app password, against pam_permit", 3.0, ours(What::AppWarm), permit);
    for what in [What::NotEnrolled, What::Right, What::Wrong, What::AppWarm] {
        let title = format!("{}, 1,000,000 users against 1,000", what.title());
        target(&title, 1.1, figure(Who::Ours(Size::Million, what)), ours(what));
    }
}

fn target(what: &str, most: f64, ours: &Figure, theirs: &Figure) {
    let (warm, fresh) = (ours.warm / theirs.warm, ours.fresh / theirs.fresh);
    let word = |ratio| if ratio <= most { "met" } else { "not met" };
    println!(
        "target {most:.2}: {what}: {} with {warm:.2} warm, {} with {fresh:.2} fresh",
        word(warm),
        word(fresh)
    );
}
