//! What the user's own command asks, and what it is told.

use super::wire::{choices, fields};
use crate::secret::Secret;
use crate::time::UnixTime;

choices! {
    /// A change of one's own enrollment.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Change {
        /// Turns two-step on, with a first authenticator.
        Enroll {
            /// What the authenticator is called.
            label: String,
        } = 1,
        /// One more authenticator.
        AddAuthenticator {
            /// What it is called.
            label: String,
        } = 2,
        /// One authenticator fewer; never the last one.
        RemoveAuthenticator {
            /// Its name or id.
            which: String,
        } = 3,
        /// A new app password.
        AddAppPassword {
            /// What it is called.
            name: String,
            /// The PAM services it is limited to, `*` and `?` standing for others; none for all.
            services: Vec<String>,
            /// The networks it is limited to; none for everywhere.
            networks: Vec<String>,
            /// When it ends to be good; none for never.
            expires: Option<UnixTime>,
        } = 4,
        /// Ends an app password.
        RevokeAppPassword {
            /// Its name or id.
            which: String,
        } = 5,
        /// Ends all app passwords.
        RevokeAllAppPasswords = 6,
        /// Another name for an app password.
        RenameAppPassword {
            /// Its name or id.
            which: String,
            /// The new name.
            name: String,
        } = 7,
        /// A new set of backup codes.
        BackupCodes = 8,
        /// Has a code asked for again from a trusted device.
        ForgetTrustedDevice {
            /// Its id; or a fingerprint or an address, at every service.
            which: String,
        } = 9,
        /// Has a code asked for again from all of them.
        ForgetAllTrustedDevices = 10,
        /// Another authenticator in the place of one.
        ReplaceAuthenticator {
            /// The name or id of the one that goes; none for the only one there is.
            which: Option<String>,
        } = 11,
        /// Turns two-step off.
        Unenroll = 12,
    }
}

fields! {
    /// Something a help desk does.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct HelpDesk {
        /// For whom.
        pub user: String,
        /// Why: a sentence, or the number of a ticket. It goes into the history.
        pub reason: String,
        /// What.
        pub aid: Aid,
    }
}

choices! {
    /// What a help desk can do.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Aid {
        /// Look.
        Show = 1,
        /// Forget wrong codes.
        Unlock = 2,
        /// Give a bypass code.
        Bypass {
            /// How long it is good for, in seconds.
            lifetime: u32,
            /// How often it can be used.
            uses: u32,
        } = 3,
    }
}

fields! {
    /// An enrollment, without a secret.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Status {
        /// Whose.
        pub user: String,
        /// Whether two-step is on.
        pub state: Enrollment,
        /// Without an authenticator, for programs only.
        pub app_only: bool,
        /// When it was made.
        pub created: Option<UnixTime>,
        /// When the first code came.
        pub activated: Option<UnixTime>,
        /// Unused backup codes.
        pub backup_codes: u32,
        /// Until when a bypass code is good, where one is live.
        pub bypass_until: Option<UnixTime>,
        /// Wrong codes that count towards the cap.
        pub wrong_codes: u32,
        /// Authenticators, oldest first.
        pub authenticators: Vec<Authenticator>,
        /// App passwords, oldest first.
        pub app_passwords: Vec<AppPassword>,
        /// Trusted devices whose time is not over, oldest first.
        pub trusted_devices: Vec<TrustedDevice>,
        /// Whether the configuration lets the user enroll herself.
        pub may_enroll: bool,
        /// Whether the peer is of the help desk.
        pub help_desk: bool,
    }
}

choices! {
    /// Whether two-step is on.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Enrollment {
        /// No.
        None = 1,
        /// Made, first code not yet seen.
        Pending = 2,
        /// Yes.
        Active = 3,
        /// Made for another uid: an administrator must settle it.
        Unsettled = 4,
    }
}

fields! {
    /// An authenticator.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Authenticator {
        /// Its id.
        pub id: i64,
        /// What it is called.
        pub label: String,
        /// `totp`, `hotp`
        pub kind: String,
        /// `sha1`, `sha256`, `sha512`
        pub algorithm: String,
        /// Digits of a code.
        pub digits: u8,
        /// Seconds of a step; none for one that counts.
        pub period: Option<u32>,
        /// When it was made.
        pub created: UnixTime,
        /// When a code of it was accepted last.
        pub last_used: Option<UnixTime>,
    }
}

fields! {
    /// An app password.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct AppPassword {
        /// Its id.
        pub id: i64,
        /// What it is called.
        pub name: String,
        /// When it was made.
        pub created: UnixTime,
        /// Its last use, written at most once in ten minutes.
        pub last_used: Option<LastUse>,
        /// What it is limited to, for people: services, networks, its last day.
        pub limits: Option<String>,
    }
}

fields! {
    /// A use of an app password.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct LastUse {
        /// When.
        pub at: UnixTime,
        /// The service.
        pub service: String,
        /// From where.
        pub source: String,
    }
}

fields! {
    /// What need not give a code for a while.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct TrustedDevice {
        /// Its id.
        pub id: i64,
        /// The service where it is trusted.
        pub service: String,
        /// `key`, `address`
        pub kind: String,
        /// The fingerprint of the key, or the address.
        pub device: String,
        /// Since when.
        pub since: UnixTime,
        /// Until when: what was said at the login, or what the configuration says today, whichever is less.
        pub until: UnixTime,
    }
}

fields! {
    /// What was a trusted device.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct ForgottenDevice {
        /// Its id.
        pub id: i64,
        /// The service where it was trusted.
        pub service: String,
        /// `key`, `address`
        pub kind: String,
        /// The fingerprint of the key, or the address.
        pub device: String,
    }
}

fields! {
    /// One change in the history.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Past {
        /// When.
        pub at: UnixTime,
        /// What.
        pub action: String,
        /// What it was done to.
        pub target: Option<String>,
        /// Who did it.
        pub by: String,
        /// Why.
        pub reason: Option<String>,
    }
}

fields! {
    /// A new authenticator's secret, to be typed or scanned.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct NewSecret {
        /// Who is asking for codes: what the authenticator shows beside the name.
        pub issuer: String,
        /// The user's name.
        pub user: String,
        /// The secret in base32.
        pub secret: Secret,
        /// `sha1`, `sha256`, `sha512`
        pub algorithm: String,
        /// Digits of a code.
        pub digits: u8,
        /// Seconds of a step.
        pub period: u32,
    }
}

choices! {
    /// What came of a change.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Done {
        /// Two-step is on. The backup codes are shown this once.
        Enrolled {
            /// Them.
            backup_codes: Vec<Secret>,
        } = 1,
        /// There is one more authenticator.
        AuthenticatorAdded {
            /// Its id.
            id: i64,
        } = 2,
        /// It is gone.
        AuthenticatorRemoved {
            /// What it was called.
            label: String,
        } = 3,
        /// A new app password, shown this once.
        AppPassword {
            /// Its id.
            id: i64,
            /// What it is called.
            name: String,
            /// It, in four groups.
            password: Secret,
        } = 4,
        /// They are good for nothing any more.
        Revoked {
            /// What they were called.
            names: Vec<String>,
        } = 5,
        /// It has another name.
        Renamed {
            /// What it was called.
            from: String,
            /// What it is called.
            to: String,
        } = 6,
        /// A new set, shown this once; the old one is dead.
        BackupCodes {
            /// Them.
            codes: Vec<Secret>,
        } = 7,
        /// Wrong codes are forgotten.
        Unlocked {
            /// How many.
            forgotten: u32,
        } = 8,
        /// A bypass code, shown this once.
        Bypass {
            /// It.
            code: Secret,
            /// Until when it is good.
            until: UnixTime,
            /// How often it can be used.
            uses: u32,
        } = 9,
        /// They give a code again.
        Forgotten {
            /// Them.
            devices: Vec<ForgottenDevice>,
        } = 10,
        /// The new one counts, under the name of the old one, which is gone.
        AuthenticatorReplaced {
            /// What it is called.
            label: String,
        } = 11,
        /// Two-step is off.
        Unenrolled = 12,
    }
}
