//! The messages of a login, and the envelope of all others.

use super::own::{Change, Done, HelpDesk, NewSecret, Past, Status};
use super::wire::{choices, fields};
use crate::attempt::ServiceClass;
use crate::login::Ending;
use crate::name::ServiceName;
use crate::secret::Secret;
use zeroize::Zeroizing;

choices! {
    /// What a peer says.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum ToBroker {
        /// Begins a login.
        SignIn {
            /// Who, to what, from where.
            sign_in: SignIn,
        } = 1,
        /// Answers an [`FromBroker::Ask`].
        Answer {
            /// The answer.
            answer: Answer,
        } = 2,
        /// The account phase of the login on this connection: the stack as a whole has said yes so far.
        Commit {
            /// The name as PAM has it now.
            user: String,
        } = 3,
        /// What the broker knows of the peer's own enrollment. It costs no password: it holds no secret.
        Status {
            /// Whose, where the peer's uid has several names.
            user: Option<String>,
        } = 4,
        /// What was changed for the peer, newest first.
        History {
            /// As in `Status`.
            user: Option<String>,
            /// How many entries at most, 1 to 200.
            limit: u32,
        } = 5,
        /// A change of the peer's own enrollment. The broker asks for password and code first.
        Change {
            /// As in `Status`.
            user: Option<String>,
            /// What.
            change: Change,
        } = 6,
        /// A code of the authenticator that [`FromBroker::NewSecret`] has shown.
        Confirm {
            /// The code as typed.
            code: Secret,
        } = 7,
        /// Something a help desk does for somebody else. The broker asks for the peer's password and code first.
        HelpDesk {
            /// What, for whom, why.
            task: HelpDesk,
        } = 8,
    }
}

choices! {
    /// What the broker says.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum FromBroker {
        /// Wants an answer from whoever signs in.
        Ask {
            /// What for.
            ask: Ask,
        } = 1,
        /// Says something to whoever signs in. No answer.
        Tell {
            /// The text, of several lines perhaps.
            text: String,
        } = 2,
        /// The end of a phase. After one that accepts or ignores, the account phase may follow.
        Verdict {
            /// It.
            verdict: Verdict,
        } = 3,
        /// The request is not carried out. The last message on a connection.
        Refused {
            /// For programs.
            refusal: Refusal,
            /// For people: a fact, and what to do.
            text: String,
        } = 4,
        /// Answers `Status`, and a help desk's.
        Status {
            /// It.
            status: Status,
        } = 5,
        /// Answers `History`.
        History {
            /// Entries, newest first.
            entries: Vec<Past>,
        } = 6,
        /// An authenticator that is stored once a code of it has come back.
        NewSecret {
            /// What goes into the phone.
            new: NewSecret,
        } = 7,
        /// The code to confirm with was wrong.
        WrongCode {
            /// How many more tries there are.
            left: u8,
        } = 8,
        /// The change is made.
        Done {
            /// What came of it.
            done: Done,
        } = 9,
        /// What was given for a password is taken apart. No answer.
        HandOn {
            /// How much of it is the password, in bytes.
            password: u32,
            /// Where in it the code begins, in bytes.
            code: u32,
        } = 10,
        /// PAM is to go on by this name. No answer.
        Rename {
            /// It.
            user: String,
        } = 11,
    }
}

fields! {
    /// A login as the service describes it.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct SignIn {
        /// Which phase of PAM begins the conversation.
        pub phase: Phase,
        /// The name, raw as PAM has it, at most [`super::TEXT_MAX`] bytes.
        pub user: String,
        /// The service.
        pub service: ServiceName,
        /// PAM_RHOST.
        pub rhost: Option<String>,
        /// PAM_TTY.
        pub tty: Option<String>,
        /// What the module's line says.
        pub mode: Mode,
        /// `prompt=` of the module's line.
        pub prompt: Option<String>,
        /// `echo` of the module's line.
        pub echo: Echo,
        /// `config=` of the module's line: it must be the broker's own.
        pub config: Option<String>,
    }
}

choices! {
    /// A phase of PAM that can begin a conversation.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Phase {
        /// `pam_authenticate`
        Auth = 1,
        /// `pam_acct_mgmt` of a login that the service accepted for a key alone.
        AccountAfterKey = 2,
        /// `pam_chauthtok`, before anything is changed. The peer must be root.
        BeforePasswordChange = 3,
        /// `pam_chauthtok`, after the modules before ours have changed the password. The peer must be root.
        AfterPasswordChange = 4,
    }
}

choices! {
    /// How the module's line works.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub enum Mode {
        /// No word: by the configuration's list of app services; everything else is interactive.
        #[default]
        ByService = 1,
        /// `app`
        App = 2,
        /// `after-key`
        AfterKey = 3,
        /// `one-prompt`
        OnePrompt = 4,
    }
}

impl Mode {
    /// The class of every service on a line that works so. None where that is left to the configuration.
    #[must_use]
    pub fn class(self) -> Option<ServiceClass> {
        match self {
            Self::App => Some(ServiceClass::App),
            Self::AfterKey | Self::OnePrompt => Some(ServiceClass::Interactive),
            Self::ByService => None,
        }
    }
}

choices! {
    /// Whether an answer is shown while it is typed.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub enum Echo {
        /// It is not.
        #[default]
        Hidden = 1,
        /// It is.
        Shown = 2,
    }
}

choices! {
    /// What is asked for.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Ask {
        /// The password: the one already given, or the answer to this prompt, which becomes the password of the modules after us.
        Password {
            /// The prompt.
            prompt: Zeroizing<String>,
        } = 1,
        /// An answer that is not shown.
        Hidden {
            /// The prompt.
            prompt: Zeroizing<String>,
        } = 2,
        /// An answer that is shown; from other modules of the stack only.
        Shown {
            /// The prompt.
            prompt: Zeroizing<String>,
        } = 3,
        /// Whether the account phase would let the login in: an empty text if so, [`Answer::Failed`] if not. Nobody is asked anything.
        Account = 4,
    }
}

choices! {
    /// An answer.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Answer {
        /// What was typed, at most [`super::TEXT_MAX`] bytes.
        Text {
            /// It.
            text: Secret,
        } = 1,
        /// The account password once more. It is not sent: the module has both and compares.
        PasswordAgain = 2,
        /// The service could not ask.
        Failed = 3,
    }
}

choices! {
    /// How a phase ends.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Verdict {
        /// Let in.
        Accepted = 1,
        /// None of our business.
        Ignored = 2,
        /// Refused.
        Refused = 3,
        /// Refused: NSS does not know the user.
        UserUnknown = 4,
        /// Refused: the service could not ask.
        TalkFailed = 5,
        /// No verdict: refused.
        Unavailable = 6,
        /// Refused: the account has expired.
        AccountExpired = 7,
    }
}

impl From<&Ending> for Verdict {
    fn from(ending: &Ending) -> Self {
        match ending {
            Ending::Accept(_) => Self::Accepted,
            Ending::Ignore(_) => Self::Ignored,
            Ending::Refuse => Self::Refused,
            Ending::UserUnknown => Self::UserUnknown,
            Ending::TalkFailed => Self::TalkFailed,
            Ending::Unavailable => Self::Unavailable,
        }
    }
}

choices! {
    /// Why a request is not carried out.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Refusal {
        /// The peer may not ask this.
        NotAllowed = 1,
        /// Too many connections or requests; again later.
        Busy = 2,
        /// The message was none, or came out of turn.
        Protocol = 3,
        /// The peer speaks another version.
        Version = 4,
        /// Store, key, configuration or NSS cannot be used; the log has the cause.
        Unavailable = 5,
        /// The password or the code was wrong, or none was given.
        NotProven = 6,
        /// The configuration does not let users do this themselves.
        Policy = 7,
        /// What was asked does not fit what there is: not enrolled, name taken, no such app password.
        Conflict = 8,
    }
}
