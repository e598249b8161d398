//! The names of what `check` finds. They are an interface, as the words of the log are: docs/check.md has a row for each, with what to
//! do about it, and a test holds the two together.

use serde::Serialize;
use std::fmt;

macro_rules! ids {
    ($($id:ident),* $(,)?) => {
        /// One kind of mistake; `kebab-case` where it is shown.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
        #[serde(rename_all = "kebab-case")]
        pub(crate) enum Id {
            $($id),*
        }

        impl Id {
            /// All of them.
            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$id),*];
        }
    };
}

ids! {
    // The configuration, and what follows from its being there.
    ConfigurationMistake,
    ConfigurationUntrusted,
    ConfigurationUnreadable,
    ConfigurationAhead,
    HostNotLookedAt,
    NotRunAsRoot,
    PasswordLineMissing,
    HookUnsafe,
    UnenrolledChangesSoon,
    // The way in for emergencies.
    BreakGlassMissing,
    BreakGlassMistake,
    BreakGlassUntrusted,
    BreakGlassUntried,
    BreakGlassNetwork,
    BreakGlassStackMissing,
    BreakGlassNotNeeded,
    // Key, store and clock.
    KeyUnusable,
    StoreUnusable,
    StoreDamaged,
    StoreNewer,
    StoreFolderOpen,
    StoreFileOpen,
    StoreRestored,
    KeyOfAnotherHost,
    HostNotRecorded,
    MachineIdMissing,
    BootKeyMissing,
    AppPasswordsExpired,
    AppPasswordServiceUnknown,
    ClockUnset,
    ClockNotSynchronised,
    ClockBehindLatestCode,
    CodesAheadOfClock,
    SecretTwice,
    SecretShared,
    // Accounts.
    NameServiceFails,
    AccountGone,
    AccountRenamed,
    AccountUidChanged,
    VirtualUsersOff,
    VirtualUserOutOfReach,
    VirtualUserHasAccount,
    // The roster, and the name service that reads it.
    RosterLetsIn,
    RosterAsksMore,
    RosterSettings,
    RosterNotLookedAt,
    RosterLeftBehind,
    RosterNotKept,
    RosterElsewhere,
    GroupGidTaken,
    GroupNameTaken,
    GroupUnknown,
    GroupLookUpFails,
    GroupMembersByFile,
    SourceFailureHidden,
    InitgroupsWithoutTwostep,
    InitgroupsEndsEarly,
    NscdRemembersGroups,
    NscdUndoesReaders,
    // Rules.
    Exemption,
    ExemptionEndsSoon,
    ExemptionForEverybody,
    ExemptionFromAnywhere,
    ExemptionConsoleUnproven,
    ServiceMisspelt,
    RuleOver,
    RuleUserUnknown,
    RuleUserMisnamed,
    RuleGroupUnknown,
    RuleRefusesEverybody,
    RuleCodeAloneOpens,
    RuleAppPasswordRefused,
    AddressesTrusted,
    SshKeysEnough,
    // twostepd, and what users change themselves.
    BrokerMissing,
    SelfServiceUnreachable,
    SelfServiceStackMissing,
    SelfServiceIsAppService,
    ProcHidesCallers,
    CallerUnknown,
    HelpDeskUnknown,
    ProtectedGroupUnknown,
    ProtectedGroupLeftOut,
    SudoersGrantUnprotected,
    SudoersNotLookedAt,
    RightsNotLookedAt,
    SudoAsksForAnother,
    // The folder of stacks.
    StacksUnreadable,
    NothingWired,
    LeftToOther,
    // A line of ours by itself.
    LineWithDash,
    LineControlUnreadable,
    LineModuleMissing,
    LineWordUnknown,
    LineModeTwice,
    LineConfigRelative,
    LineConfigMissing,
    LineConfigOther,
    AppServicesUnlisted,
    AppServicesNotListed,
    LineRefusesNobody,
    LineRefusesUnenrolled,
    // A line of ours and those around it.
    CodeAloneOpens,
    CodeBeforePassword,
    PasswordJudgedBefore,
    AppPasswordNotEnough,
    AfterKeyAsksPassword,
    UnenrolledGetIn,
    OnePromptAfterPassword,
    OnePromptWithoutPassword,
    OnePromptAsksAgain,
    OnePromptCodeNotJudged,
    OnePromptRefusesEverybody,
    OnePromptSkipsPassword,
    AccountLineLate,
    AccountLineEnds,
    AccountLineMissing,
    AccountLineMissingForKeys,
    AccountLineMissingToEnroll,
    // A service's stacks, played through.
    StackUnreadable,
    StackTooBig,
    CodePassedOver,
    CodeJumpedOver,
    CodeAskedTwice,
    AppPasswordLeadsNowhere,
    RefusalUndone,
    AccountLinePassedOver,
    // sshd.
    SshdWithoutPam,
    SshdCannotAsk,
    SshdNeverAsksAfterKey,
    SshdRefusesKeyAlone,
    SshdKeySettingUnused,
    SshdSecurityKeysUnverified,
    SshdMatchByAbsence,
    // Programs beside it.
    DovecotRemembersPasswords,
    DovecotServiceNotWired,
    SaslauthdRemembersPasswords,
    FaillockReset,
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Finding, Severity};
    use serde_json::json;

    const DOCUMENT: &str = include_str!("../../../docs/check.md");

    impl Finding {
        /// Its id, whose row in docs/check.md has this severity.
        pub(crate) fn documented(&self) -> Id {
            let row = format!("| `{}` | ", self.id);
            let row = DOCUMENT.lines().find_map(|line| line.strip_prefix(&row)).unwrap_or_default();
            let severities = row.split(" |").next().unwrap_or_default();
            let shown = |severity: &str| json!(self.severity) == severity;
            assert!(severities.split(", ").any(shown), "docs/check.md has another severity for {self:?}");
            self.id
        }
    }

    #[test]
    #[should_panic(expected = "another severity")]
    fn a_severity_that_is_not_documented_is_seen() {
        Finding::new(Id::SshdWithoutPam, Severity::Note, "", "", "").documented();
    }
    use std::collections::HashSet;

    #[test]
    fn every_id_is_documented_once_and_nothing_else_is() {
        let rows = DOCUMENT.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        let mut documented: Vec<String> = rows.map(str::to_owned).collect();
        for id in Id::ALL {
            let row = documented.iter().position(|row| *row == id.to_string());
            documented.remove(row.unwrap_or_else(|| panic!("docs/check.md has no row for {id}")));
        }
        assert!(documented.is_empty(), "docs/check.md tells of what there is not, or twice: {documented:#?}");
    }

    #[test]
    fn an_id_is_shown_as_it_stands_in_json() {
        let shown: HashSet<String> = Id::ALL.iter().map(Id::to_string).collect();
        assert_eq!(shown.len(), Id::ALL.len());
        assert!(shown.contains("sshd-without-pam"));
        for id in Id::ALL {
            assert_eq!(serde_json::to_value(id).expect("a value"), id.to_string());
        }
    }
}
