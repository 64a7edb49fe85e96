//! The exporter's rules, each broken once: natively, for the shipped exporter holds no mutants. The simulation catches more of them
//! (docs/reliability.md).

use crate::rules;
use crate::runner::Core;

/// Of the exporter and the janitor, each with a case that must notice it.
macro_rules! noticed {
    ($($test:ident, $mutant:literal: $case:path,)+) => {
        pub const MUTANTS: &[&str] = &[$($mutant),+];

        $(
            #[test]
            fn $test() {
                assert!(rules::fails(rules::mutant(Core::Native, $mutant), $case), "the mutant {} survived", $mutant);
            }
        )+
    };
}

noticed! {
    export_01, "export-01": crate::fenced::export_01_a_stale_session_is_not_believed_by_a_new_leader,
    export_02, "export-02": crate::export::export_02_what_the_operators_schema_refuses_is_not_exported,
    export_03, "export-03": crate::fenced::export_03_a_shrink_a_loss_and_emptiness_are_held,
    export_03_authentication, "export-03-authentication": crate::fenced::export_03_a_shrink_a_loss_and_emptiness_are_held,
    export_03_approval, "export-03-approval": crate::fenced::export_03_an_approval_releases_that_one_only_and_once,
    export_03_base, "export-03-base": crate::fenced::export_03_an_approval_is_void_once_the_head_moved,
    export_03_freeze, "export-03-freeze": crate::fenced::export_03_a_freeze_holds_every_export_until_it_is_lifted,
    export_04, "export-04": crate::export::export_04_the_first_at_once_then_the_newest_after_the_delay,
    export_05, "export-05": crate::export::export_05_the_same_configuration_makes_no_snapshot,
    export_05_confirmation, "export-05-confirmation": crate::export::export_05_an_unchanged_head_is_confirmed_once_an_hour,
    export_06, "export-06": crate::export::export_06_an_exporter_that_was_succeeded_stands_by,
    export_06_lease, "export-06-lease": crate::fenced::export_06_a_dead_leaders_lease_is_taken_after_the_expiry_and_no_earlier,
    export_06_epoch, "export-06-epoch": crate::fenced::export_06_a_new_leader_raises_the_epoch_before_it_publishes,
    export_06_renewal, "export-06-renewal": crate::fenced::export_06_a_publication_that_took_long_renews_before_the_head_moves,
    export_08, "export-08": crate::export::export_08_the_body_goes_up_and_is_read_back_before_the_head_moves,
    export_08_outcome, "export-08-outcome": crate::export::export_08_a_head_write_whose_answer_was_lost_is_resolved_by_reading,
    export_08_reading, "export-08-reading": crate::export::export_08_a_storage_that_gives_other_bytes_back_gets_no_head,
    export_09, "export-09": crate::fenced::export_09_a_restore_publishes_an_old_body_as_a_new_generation_once,
    export_09_pins, "export-09-pins": crate::fenced::export_09_a_pin_is_set_and_lifted_in_the_head,
    export_09_sweeping, "export-09-sweeping": crate::janitor::export_09_what_the_head_lists_is_never_removed,
    export_09_age, "export-09-age": crate::janitor::export_09_what_fell_out_of_history_is_removed_a_day_after_it_was_superseded,
    export_10, "export-10": crate::lasting::export_10_a_candidate_is_good_after_the_soak,
    export_10_health, "export-10-health": crate::lasting::export_10_a_node_that_is_ill_stops_the_soak_and_a_silent_one_delays_it,
    export_11, "export-11": crate::export::export_11_a_failed_export_is_retried_until_the_storage_is_back,
    export_11_tenure, "export-11-tenure": crate::lasting::export_11_what_is_pending_is_dropped_when_another_holds_the_lease,
    export_12, "export-12": crate::lasting::export_12_a_storage_that_ignores_conditions_elects_nobody,
    export_15_copies, "export-15-copies": crate::lasting::export_15_a_further_storage_that_is_newer_is_never_lowered,
    export_15_order, "export-15-order": crate::lasting::export_15_further_storages_get_bodies_then_the_head,
}
