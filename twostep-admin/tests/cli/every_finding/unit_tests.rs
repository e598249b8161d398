//! Findings that hang on the host itself: unit tests beside the code are given what would be found there.

use super::{Kind, UnitTest};

const HEALTH: &str = include_str!("../../../src/health_tests.rs");
const NAME_SERVICE: &str = include_str!("../../../src/name_service_tests.rs");
const RULES: &str = include_str!("../../../src/rules_tests.rs");
const STACK: &str = include_str!("../../../src/stack_tests.rs");
const BREAK_GLASS: &str = include_str!("../../../src/break_glass/check.rs");
const SUDOERS: &str = include_str!("../../../src/sudoers_tests.rs");
const BROKER: &str = include_str!("../../../src/broker.rs");

const fn by(source: &'static str, name: &'static str, kind: Kind) -> UnitTest {
    UnitTest { kind, source, name }
}

pub(super) const ALL: &[UnitTest] = &[
    by(
        STACK,
        "a_line_for_app_services_wants_a_configuration_that_lists_them",
        ("app-services-unlisted", "error"),
    ),
    by(
        BREAK_GLASS,
        "what_has_changed_since_it_was_tried_was_never_tried",
        ("break-glass-untried", "warning"),
    ),
    by(HEALTH, "who_is_not_root_is_told_that_he_sees_less", ("not-run-as-root", "note")),
    by(HEALTH, "a_clock_that_was_never_set_is_an_error", ("clock-unset", "error")),
    by(
        HEALTH,
        "a_clock_that_nothing_keeps_is_told_and_one_that_is_kept_is_not",
        ("clock-not-synchronised", "warning"),
    ),
    by(HEALTH, "without_a_key_of_this_boot_the_price_is_told", ("boot-key-missing", "warning")),
    by(HEALTH, "a_name_service_that_fails_is_told_once", ("name-service-fails", "error")),
    by(RULES, "a_name_service_that_fails_is_told_once", ("name-service-fails", "error")),
    by(BROKER, "a_name_service_that_fails_is_told_of_callers_too", ("name-service-fails", "error")),
    by(BROKER, "a_broker_that_is_not_there_is_told_by_whom_it_costs_what", ("broker-missing", "error")),
    by(
        BROKER,
        "a_broker_that_is_not_there_is_told_by_whom_it_costs_what",
        ("self-service-unreachable", "note"),
    ),
    by(BROKER, "a_proc_that_hides_processes_from_root_is_seen", ("proc-hides-callers", "warning")),
    by(
        SUDOERS,
        "a_grant_outside_of_the_protected_groups_is_told_with_the_line_to_write",
        ("sudoers-grant-unprotected", "warning"),
    ),
    by(SUDOERS, "whose_code_sudo_asks_for_is_told", ("sudo-asks-for-another", "warning")),
    by(
        NAME_SERVICE,
        "what_is_wrong_with_the_roster_is_told_by_what_it_does",
        ("roster-not-looked-at", "error"),
    ),
    by(
        NAME_SERVICE,
        "a_roster_that_nobody_keeps_must_not_lie_where_it_is_read",
        ("roster-left-behind", "error"),
    ),
    by(NAME_SERVICE, "groups_that_are_asked_for_want_a_roster", ("roster-not-kept", "warning")),
    by(NAME_SERVICE, "a_roster_that_is_kept_elsewhere_is_not_read", ("roster-elsewhere", "warning")),
    by(NAME_SERVICE, "a_gid_of_ours_is_nobody_elses", ("group-gid-taken", "error")),
    by(NAME_SERVICE, "a_name_of_ours_means_our_group", ("group-name-taken", "error")),
    by(NAME_SERVICE, "a_name_of_ours_means_our_group", ("group-unknown", "warning")),
    by(NAME_SERVICE, "a_name_of_ours_means_our_group", ("group-look-up-fails", "warning")),
    by(NAME_SERVICE, "members_by_the_hosts_own_file_are_told", ("group-members-by-file", "error")),
    by(
        NAME_SERVICE,
        "a_source_whose_failure_is_hidden_by_the_next_one_is_told",
        ("source-failure-hidden", "warning"),
    ),
    by(NAME_SERVICE, "an_initgroups_line_must_name_it_too", ("initgroups-without-twostep", "warning")),
    by(NAME_SERVICE, "an_initgroups_line_must_not_end_before_it", ("initgroups-ends-early", "warning")),
    by(NAME_SERVICE, "nscd_undoes_that_only_some_may_read", ("nscd-remembers-groups", "warning")),
    by(NAME_SERVICE, "nscd_undoes_that_only_some_may_read", ("nscd-undoes-readers", "warning")),
];
