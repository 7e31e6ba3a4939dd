//! What every store must do, whatever it is built on: each promise of the [`Store`] trait as a check.
//!
//! A check gets a store with nothing in it, and fails by panicking. `random` compares a store with plain maps over thousands of operations; `races` has
//! many tasks want the same thing. A new kind of store calls [`run`] and, for what survives a restart, [`random::Rehearsal`] between its own restarts.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a check fails by panicking")]

mod access;
mod arrivals;
pub(crate) mod audit;
pub(crate) mod counted;
mod keeping;
mod modules;
mod policies;
mod proposals;
mod quotas;
mod races;
pub(crate) mod random;
mod requests;
mod runs;
pub(crate) mod samples;
mod windows;

use std::pin::Pin;
use std::sync::Arc;

use crate::Store;

type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A check's name and what it does.
pub(crate) type Check = (&'static str, fn(Arc<dyn Store>) -> Running);

/// Names a check after its function.
macro_rules! checks {
    ($($room:ident :: $check:ident),* $(,)?) => {
        &[$((concat!(stringify!($room), "::", stringify!($check)), |store| Box::pin($room::$check(store)))),*]
    };
}

/// All of them.
pub(crate) const CHECKS: &[Check] = checks![
    access::tenants_by_name,
    access::a_removed_tenant_is_none,
    access::tokens_by_tenant_and_hash,
    access::secrets_by_name,
    access::links_once,
    access::sessions_by_hash,
    arrivals::tenants_keep_their_first_keys,
    arrivals::sources_and_users,
    arrivals::captures_that_go_on_are_one,
    arrivals::pull_cursors_by_what_they_are_of,
    arrivals::an_arrival_is_found_again,
    arrivals::a_commit_is_all_or_nothing,
    arrivals::segments_by_position,
    arrivals::a_segment_gets_a_file_of_its_own_once,
    arrivals::members_are_merged,
    arrivals::wanted_files,
    arrivals::identities_by_newest_content,
    arrivals::chats_by_newest_arrival,
    arrivals::tenants_and_chats_are_apart,
    audit::each_change_has_its_entry,
    audit::each_tenant_has_its_own_log,
    audit::keys_lead_to_the_next,
    keeping::rules_and_holds_by_version,
    keeping::segments_lose_events_once,
    policies::versions_follow_each_other,
    proposals::decided_once,
    quotas::quotas_by_version,
    modules::modules_by_digest,
    modules::keys_by_name,
    modules::the_newest_probe,
    modules::quarantines_by_policy,
    requests::requests_by_key,
    runs::one_run_at_a_time,
    runs::due_times_have_one_run,
    runs::ending_twice_changes_nothing,
    runs::lists_and_ids,
    runs::days,
    windows::a_window_begins_where_the_last_ended,
    windows::lists_of_windows,
    windows::settling,
    windows::facts_by_digest,
    windows::facts_come_with_their_windows,
    windows::the_ledger,
    races::one_of_many_begins_a_run,
    races::one_of_many_freezes_a_window,
    races::one_of_many_commits_to_a_chat,
    races::one_of_many_saves_a_version,
    races::one_of_many_quarantines,
    races::nothing_is_half_seen,
    races::many_write_one_log,
    random::against_plain_maps,
];

/// Runs every check on a store of its own.
pub(crate) async fn run(mut make: impl AsyncFnMut() -> Arc<dyn Store>) {
    for (name, check) in CHECKS {
        println!("{name}");
        let store = make().await;
        if let Err(error) = tokio::spawn(check(store)).await {
            panic!("{name}: {error}");
        }
    }
}
