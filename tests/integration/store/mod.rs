//! The contract of `Store`, as one suite that runs for every implementation. Each test takes a fresh store from
//! its back end's factory and owns it; nothing is shared, so all run at once.
//!
//! To add a back end: a module here with `async fn fresh() -> TestStore`, and one line `for_store!` below.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod account_ends;
mod accounts;
mod administered;
mod administration;
mod asked_again;
mod assistants;
mod disabled;
pub(crate) mod fixtures;
mod guest_upgrades;
mod history;
mod identities;
mod integrations;
mod invites;
mod marks;
mod members;
mod message_changes;
pub(crate) mod model;
mod odd_input;
mod pages;
mod people_gone;
pub(crate) mod postgres;
mod postgres_faults;
mod postgres_index;
mod postgres_replies;
mod postgres_setup;
mod posts;
mod prompts;
mod purge;
mod queue;
mod reading;
mod replies;
mod retention;
mod room_life;
mod rooms;
mod runners;
mod search;
mod search_bounds;
mod search_words;
mod sqlite;
mod usage;
mod usage_reports;
mod variants;
mod webhooks;

/// One test function for each test of the table, on a fresh store.
macro_rules! cases {
    ($fresh:path; $($noun:ident: $($test:ident)*;)*) => {
        $(mod $noun {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let store = $fresh().await;
                crate::store::$noun::$test(&store).await;
                store.end().await;
            })*
        })*
    };
}

/// The table of tests, for one back end.
macro_rules! for_store {
    ($name:ident, $fresh:path) => {
        mod $name {
            cases! { $fresh;
                accounts:
                    an_account_comes_with_a_session_and_the_lobby
                    names_are_compared_without_case
                    names_that_look_alike_are_one
                    guests_may_share_a_name_but_not_take_one
                    only_accounts_with_a_password_have_credentials
                    a_session_ends_once
                    sessions_run_out
                    a_session_needs_a_user
                    a_ticket_stands_for_its_session_once
                    tickets_end_with_their_time_and_their_session
                    the_sweep_removes_what_has_run_out
                    the_assistant_is_there;
                identities:
                    an_identity_is_one_user_in_the_lobby
                    racing_first_sign_ins_make_one_user
                    an_identity_takes_nobodys_name
                    identities_are_compared_byte_for_byte
                    a_claim_has_one_session_until_it_ends
                    racing_claims_make_one_session
                    claims_of_one_user_are_bounded
                    a_claims_ticket_ends_with_it
                    who_deleted_an_account_comes_as_somebody_new;
                administration:
                    what_changes_a_room_is_noted_with_it_and_messages_are_not
                    accounts_sessions_and_tokens_are_noted
                    the_audit_log_is_read_in_pages_and_swept
                    there_is_always_an_administrator
                    users_and_rooms_are_listed_in_pages_without_direct_ones
                    an_administrator_takes_over_only_what_nobody_owns
                    an_administrator_archives_and_deletes_any_room
                    rooms_get_another_epoch;
                account_ends:
                    sessions_are_listed_with_where_they_come_from
                    one_session_or_all_others_are_ended_by_their_owner_only
                    a_session_that_is_not_used_ends_and_use_moves_only_that_end
                    a_password_is_changed_by_who_knows_it_and_ends_other_sessions
                    nobody_signs_in_with_a_password_that_was_changed_meanwhile
                    every_end_is_logged_under_the_next_number
                    the_log_is_read_in_parts_and_forgotten_with_time
                    numbers_of_racing_ends_have_no_hole
                    who_administers_no_more_signs_in_again;
                guest_upgrades:
                    a_guest_becomes_an_account_with_all_it_has
                    an_account_does_not_end_by_what_its_guest_asked
                    a_guest_takes_nobodys_name_with_it
                    racing_guests_take_one_name_once
                    only_a_guest_that_is_there_becomes_an_account;
                people_gone:
                    who_is_disabled_can_do_nothing_until_enabled
                    a_deleted_account_leaves_its_words_and_nothing_else
                    nobody_gets_a_deleted_accounts_name_or_meets_it
                    a_deleted_guest_leaves_its_words_too
                    a_room_whose_owner_is_deleted_goes_to_another
                    a_room_with_nobody_left_goes_with_its_owner
                    what_somebody_gone_asked_is_stopped_or_fails
                    only_who_is_deleted_departs;
                disabled:
                    what_somebody_disabled_made_rests;
                rooms:
                    own_rooms_come_in_pages
                    a_new_room_has_its_owner_and_no_history
                    an_address_is_never_used_twice
                    a_private_room_does_not_exist_for_others
                    joining_a_public_room_takes_no_version
                    racing_joins_make_one_member
                    a_direct_room_is_made_once
                    who_shares_a_room_is_a_fellow
                    own_rooms_are_listed_before_public_ones
                    members_are_listed_by_name_in_pages
                    proofs_come_in_the_order_asked
                    heads_leave_out_what_never_was
                    an_owner_has_a_bounded_number_of_rooms;
                room_life:
                    topic_and_archive_are_versioned_settings
                    an_archived_room_takes_nothing_new
                    an_archived_room_is_read_and_tidied
                    own_rooms_are_listed_by_their_last_message
                    public_rooms_are_found_in_pages
                    muting_is_ones_own
                    each_set_of_people_has_one_direct_room
                    two_stay_and_others_may_leave_and_come_back;
                posts:
                    numbers_have_no_hole_whoever_writes
                    a_batch_is_numbered_in_its_order
                    one_batch_writes_several_rooms
                    a_repeat_is_answered_with_the_first
                    racing_repeats_store_one_message
                    a_repeat_is_answered_before_rights_and_rate
                    a_refused_post_takes_no_number
                    a_post_answers_a_message_that_exists
                    nobody_answers_a_tombstone
                    times_never_go_back
                    a_room_that_never_was_refuses_everything
                    a_rerun_answers_as_the_first_run
                    a_rerun_of_what_was_lost_writes_it;
                prompts:
                    a_mention_queues_a_reply
                    without_a_mention_only_a_direct_room_prompts
                    a_repeated_prompt_names_its_reply
                    a_room_has_a_bounded_number_of_replies
                    a_prompt_needs_an_assistant;
                message_changes:
                    an_edit_keeps_the_text_before_it
                    an_edit_is_of_the_text_that_was_seen
                    only_its_author_edits_a_message
                    former_texts_are_read_by_some
                    edits_of_one_message_are_bounded
                    a_deletion_leaves_nothing_of_the_text
                    ones_own_and_those_who_keep_order_delete
                    what_a_reply_is_written_for_is_not_deleted
                    nobody_answers_what_its_batch_deleted
                    a_rerun_tells_the_same_conflict
                    a_snapshot_and_its_tail_are_a_fresh_snapshot;
                marks:
                    reactions_are_counted_and_the_first_are_named
                    what_is_so_already_takes_no_version
                    kinds_of_reactions_are_bounded
                    readers_and_strangers_put_no_marks
                    what_is_not_settled_or_gone_takes_no_marks
                    pins_are_listed_the_latest_first
                    pins_of_a_room_are_bounded
                    marks_stay_when_a_reply_starts_again;
                members:
                    a_role_is_given_and_taken_at_a_version
                    roles_bound_what_a_member_may_manage
                    a_room_keeps_an_owner
                    a_removal_holds_within_its_own_batch
                    anyone_may_leave_and_come_back
                    what_changes_nothing_takes_no_version
                    settings_are_edited_by_owners
                    a_direct_room_takes_no_third
                    a_deleted_room_is_gone_but_tells_so;
                purge:
                    all_that_a_deleted_room_held_goes_part_by_part
                    a_direct_room_that_was_deleted_names_nobody;
                invites:
                    an_invite_lets_in_so_many
                    an_invite_ends_with_its_time_and_when_withdrawn
                    an_invite_works_while_its_maker_may_invite
                    who_keeps_order_invites_and_bans
                    a_banned_user_comes_by_no_way
                    a_room_is_given_away_at_once
                    invites_of_a_room_are_bounded
                    a_rerun_counts_no_second_use
                    racing_bans_and_joins_end_in_one_outcome
                    racing_owners_leave_one;
                reading:
                    a_new_member_has_read_what_was_there
                    marks_move_forward_and_never_past_the_end
                    marks_of_strangers_and_of_gone_rooms_move_nothing
                    many_marks_are_written_together
                    racing_marks_end_at_the_highest
                    mentions_are_found_among_the_members
                    the_longest_name_is_meant
                    mentions_are_counted_above_what_was_read
                    a_deleted_message_mentions_nobody;
                replies:
                    a_reply_settles_once
                    every_way_to_end_is_stored
                    a_queued_reply_stops_at_once
                    a_running_reply_is_asked_to_stop
                    one_that_ends_otherwise_was_stopped_by_nobody
                    who_asked_may_steer_and_who_keeps_order
                    a_retry_starts_again_from_nothing
                    only_what_ended_early_is_retried
                    a_dead_runners_text_is_kept
                    only_a_dead_runners_shown_reply_is_interrupted
                    deleting_a_room_ends_its_replies;
                assistants:
                    owners_set_up_a_rooms_assistants
                    a_name_is_one_assistants_and_nobody_elses
                    each_assistant_that_is_named_answers_once
                    a_room_says_who_may_ask
                    a_room_says_who_may_steer;
                variants:
                    a_regenerated_reply_keeps_its_text
                    a_selected_variant_is_the_message
                    variants_of_one_reply_are_bounded
                    who_steers_a_reply_writes_it_another_way
                    an_edit_that_asks_again_makes_a_variant
                    asking_again_needs_a_reply_of_ones_own_message
                    a_deleted_reply_has_no_variants
                    variants_are_read_by_members_in_pages;
                usage:
                    what_an_attempt_may_use_is_held_back_and_what_it_used_counts
                    a_cap_holds_for_whom_it_is_until_its_period_ends
                    racing_attempts_go_beyond_a_cap_by_no_more_than_one
                    an_attempt_whose_runner_died_counts_the_most_until_more_is_known
                    a_lost_attempt_counts_its_prompt_as_read_and_what_was_saved_as_written
                    who_asks_when_what_may_be_spent_is_is_told_until_when;
                usage_reports:
                    usage_is_read_in_pages_by_those_who_may_and_summed_up;
                administered:
                    who_administers_no_more_does_nothing_to_accounts
                    the_audit_log_has_no_address_of_a_direct_room;
                asked_again:
                    who_may_not_ask_may_not_ask_again
                    what_may_be_spent_is_asked_of_who_asked_at_first
                    an_assistant_that_was_taken_away_writes_nothing_again
                    a_reply_whose_asker_is_gone_keeps_its_text
                    asking_again_counts_with_what_the_asker_has_waiting
                    a_bot_has_nothing_written_again
                    texts_that_an_older_release_left_are_swept;
                runners:
                    a_reply_is_claimed_by_one
                    claims_take_the_oldest_first
                    a_claim_tells_whether_the_asker_may_still_prompt
                    a_lost_lease_fences_its_runner
                    an_expired_lease_nobody_took_is_renewed
                    what_was_shown_is_not_claimed_again
                    chunks_are_saved_under_their_attempt
                    a_repeated_append_saves_once
                    a_released_reply_waits_again
                    a_reply_that_is_to_be_stopped_is_not_given_back
                    running_replies_tell_their_text;
                queue:
                    a_hundred_prompts_of_one_delay_anothers_first_by_one
                    a_newcomer_waits_for_one_though_each_reply_ends_before_the_next_is_taken
                    an_asker_has_a_bounded_number_of_replies
                    what_is_left_out_of_a_claim_keeps_its_turn
                    no_more_run_at_once_than_may
                    rooms_are_told_what_waits_and_where;
                history:
                    pages_go_down_and_up
                    a_page_lies_around_a_message
                    a_page_around_a_message_is_bounded_on_both_sides
                    history_is_for_members
                    a_message_is_read_by_its_place
                    the_latest_page_is_the_room_at_its_head
                    a_page_is_bounded_by_its_text
                    a_prompt_is_built_from_settled_text
                    a_context_is_bounded;
                pages:
                    changes_are_what_was_applied
                    changes_come_in_pages
                    a_superseded_version_is_left_out
                    a_page_of_changes_is_bounded_by_its_text
                    changes_of_a_room_that_never_was_are_refused
                    readers_see_whole_batches;
                search:
                    words_phrases_and_exclusions_find
                    only_rooms_one_is_in_are_searched
                    a_search_is_filtered
                    what_is_found_comes_in_pages
                    the_index_follows_what_is_written;
                search_words:
                    whole_words_are_the_same_everywhere
                    words_are_found_by_their_beginnings
                    no_query_is_anything_but_words;
                retention:
                    owners_say_how_long_a_room_keeps
                    only_a_prefix_goes_and_history_tells_where_it_begins
                    a_reply_that_runs_is_not_removed_nor_what_follows_it
                    what_was_kept_beside_a_message_goes_with_it
                    a_room_keeps_its_latest_messages;
                integrations:
                    a_token_stands_for_its_user_until_it_is_revoked
                    a_token_runs_out
                    a_use_is_noted_once_a_minute
                    tokens_are_made_for_oneself_and_ones_own_bots
                    tokens_of_one_user_are_bounded
                    a_bot_has_a_name_and_no_password
                    bots_of_one_user_are_bounded
                    a_removed_bot_has_no_tokens_and_is_not_found
                    a_bots_message_asks_nobody
                    a_webhook_belongs_to_its_room
                    webhooks_are_managed_by_those_who_keep_order
                    a_webhook_posts_as_its_own_bot
                    a_rotated_secret_is_unknown
                    webhooks_of_one_room_are_bounded;
                webhooks:
                    those_who_manage_a_room_make_its_webhooks
                    a_webhook_is_changed_switched_off_and_removed
                    webhooks_of_a_room_are_bounded
                    a_new_secret_signs_beside_the_former_for_a_day
                    a_webhook_with_something_to_deliver_is_claimed_by_one
                    a_lost_claim_changes_nothing
                    a_delivery_that_was_begun_is_remembered
                    what_failed_waits_and_is_switched_off_after_days
                    who_is_gone_is_left_alone
                    attempts_are_kept_up_to_a_bound
                    webhooks_end_with_their_room;
                odd_input:
                    a_nul_is_refused_and_its_neighbours_live
                    odd_names_are_only_not_found
                    odd_numbers_are_only_empty;
            }
        }
    };
}

for_store!(on_the_model, crate::store::model::fresh);
for_store!(on_sqlite, crate::store::sqlite::fresh);
for_store!(on_postgres, crate::store::postgres::direct);
for_store!(through_pgbouncer, crate::store::postgres::pooled);
