//! The suite of data: every behaviour on SQLite and on PostgreSQL. Run it with `cargo xtask test -p data`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod hostile;
mod lifecycle;
mod places;
mod queries;
mod sealed;
mod support;
mod verbs;
mod walls;

/// Each of these on both engines.
macro_rules! on_both {
    ($($module:ident: $($test:ident),* $(,)?;)*) => { $($(
        mod $test {
            use crate::support::{House, Kind};

            #[tokio::test]
            async fn sqlite() {
                crate::$module::$test(House::new(Kind::Sqlite).await).await;
            }

            #[tokio::test]
            async fn postgres() {
                crate::$module::$test(House::new(Kind::Postgres).await).await;
            }
        }
    )*)* };
}

on_both! {
    verbs: every_verb_answers, an_export_is_for_a_group_with_a_second_factor, two_updates_and_one_wins, limits_are_held, templates_work, what_is_done_is_recorded;
    hostile: hostile_bodies_are_refused, odd_values_come_back_as_they_went, odd_calls_are_refused;
    queries: equality_and_ranges, orders, pages_are_stable, large_pages_end_early, cursors_cannot_be_forged, encrypted_fields_have_no_order;
    sealed: nothing_readable_is_stored, indexes_differ_between_apps, classes_may_change;
    walls: nothing_crosses;
    lifecycle: a_surface, a_cut_stops_answers, retention_ends_records, retention_is_shortened_never_stretched, storage_is_limited, what_a_record_is_found_by_counts_too;
    places: eight_answers_may_wait_to_be_read, many_at_once_are_answered_in_turn, an_instance_that_is_refused_again_and_again_is_counted;
}
