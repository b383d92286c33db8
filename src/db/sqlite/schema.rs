//! The tables of `migrations/sqlite/` as diesel sees them. Kept by hand beside the migrations; called by the
//! nouns of this folder. Columns that nothing
//! reads or writes yet (`html_version`, `thread_root`) are left out. It holds no query.

diesel::table! {
    users (id) {
        id -> Binary,
        kind -> Text,
        name -> Text,
        name_key -> Text,
        unique_name -> Nullable<Text>,
        password_hash -> Nullable<Text>,
        admin -> Bool,
        created_at -> BigInt,
        owner_id -> Nullable<Binary>,
        disabled_at -> Nullable<BigInt>,
        deleted_at -> Nullable<BigInt>,
        leaving -> Bool,
        look -> Nullable<Text>,
    }
}

diesel::table! {
    audit_log (id) {
        id -> Binary,
        at -> BigInt,
        act -> Text,
        outcome -> Nullable<Text>,
        way -> Text,
        address -> Nullable<Text>,
        who -> Nullable<Binary>,
        whom -> Nullable<Binary>,
        room -> Nullable<Text>,
        detail -> Text,
        times -> Integer,
    }
}

diesel::table! {
    api_tokens (id) {
        id -> Binary,
        user_id -> Binary,
        name -> Text,
        scope -> Text,
        token_hash -> Binary,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        last_used_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    incoming_hooks (id) {
        id -> Binary,
        room_id -> Binary,
        user_id -> Binary,
        created_by -> Binary,
        secret_hash -> Binary,
        created_at -> BigInt,
        last_used_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    sessions (id) {
        id -> Binary,
        user_id -> Binary,
        token_hash -> Binary,
        created_at -> BigInt,
        expires_at -> BigInt,
        claimed -> Bool,
        ends_at -> Nullable<BigInt>,
        last_seen_at -> Nullable<BigInt>,
        address -> Nullable<Text>,
        user_agent -> Nullable<Text>,
    }
}

diesel::table! {
    identities (issuer, subject) {
        issuer -> Text,
        subject -> Text,
        user_id -> Binary,
        created_at -> BigInt,
    }
}

diesel::table! {
    revocation_head (is_only) {
        is_only -> Bool,
        number -> BigInt,
    }
}

diesel::table! {
    revocations (number) {
        number -> BigInt,
        kind -> Text,
        user_id -> Binary,
        session_id -> Nullable<Binary>,
        at -> BigInt,
    }
}

diesel::table! {
    tickets (ticket_hash) {
        ticket_hash -> Binary,
        session_id -> Binary,
        expires_at -> BigInt,
    }
}

diesel::table! {
    rooms (id) {
        id -> Binary,
        slug -> Text,
        name -> Text,
        visibility -> Text,
        direct_key -> Nullable<Binary>,
        created_at -> BigInt,
        deleted_at -> Nullable<BigInt>,
        topic -> Text,
        archived -> Bool,
        direct_people -> Integer,
        purged_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    memberships (room_id, user_id) {
        room_id -> Binary,
        user_id -> Binary,
        role -> Text,
        last_read_seq -> BigInt,
        joined_at -> BigInt,
        muted -> Bool,
    }
}

diesel::table! {
    room_heads (room_id) {
        room_id -> Binary,
        epoch -> BigInt,
        version -> BigInt,
        last_seq -> BigInt,
        first_seq -> BigInt,
        floor -> BigInt,
        last_at -> BigInt,
    }
}

diesel::table! {
    messages (room_id, seq) {
        room_id -> Binary,
        seq -> BigInt,
        version -> BigInt,
        created_version -> BigInt,
        author_id -> Binary,
        client_id -> Nullable<Binary>,
        kind -> Text,
        state -> Text,
        body -> Text,
        html -> Nullable<Text>,
        reply_to -> Nullable<BigInt>,
        meta -> Text,
        created_at -> BigInt,
        edited_at -> Nullable<BigInt>,
        deleted_at -> Nullable<BigInt>,
        marks -> Nullable<Text>,
    }
}

diesel::table! {
    message_edits (room_id, seq, version) {
        room_id -> Binary,
        seq -> BigInt,
        version -> BigInt,
        body -> Text,
        written_at -> BigInt,
        replaced_at -> BigInt,
    }
}

diesel::table! {
    message_reactions (room_id, seq, emoji, user_id) {
        room_id -> Binary,
        seq -> BigInt,
        emoji -> Text,
        user_id -> Binary,
        version -> BigInt,
    }
}

diesel::table! {
    message_pins (room_id, seq) {
        room_id -> Binary,
        seq -> BigInt,
        version -> BigInt,
    }
}

diesel::table! {
    room_log (room_id, version) {
        room_id -> Binary,
        version -> BigInt,
        kind -> Text,
        user_id -> Nullable<Binary>,
        role -> Nullable<Text>,
        data -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    room_assistants (room_id, user_id) {
        room_id -> Binary,
        user_id -> Binary,
        added_at -> BigInt,
        enabled -> Bool,
        provider -> Nullable<Text>,
        model -> Nullable<Text>,
        system -> Text,
        temperature -> Nullable<Integer>,
        max_tokens -> Nullable<Integer>,
        history_tokens -> Nullable<Integer>,
        may_prompt -> Text,
        may_stop -> Text,
        may_regenerate -> Text,
    }
}

diesel::table! {
    reply_variants (room_id, seq, variant) {
        room_id -> Binary,
        seq -> BigInt,
        variant -> Integer,
        state -> Text,
        body -> Text,
        html -> Nullable<Text>,
        meta -> Text,
    }
}

diesel::table! {
    replies (room_id, seq) {
        room_id -> Binary,
        seq -> BigInt,
        prompt_seq -> BigInt,
        asker_id -> Binary,
        state -> Text,
        attempt -> Integer,
        shown -> Bool,
        stop_requested -> Bool,
        lease_owner -> Nullable<Binary>,
        lease_until -> Nullable<BigInt>,
        queued_at -> BigInt,
        settled_at -> Nullable<BigInt>,
        model -> Nullable<Text>,
        input_tokens -> Nullable<BigInt>,
        output_tokens -> Nullable<BigInt>,
        selected -> Integer,
    }
}

// A table may have sixteen columns here; these are of the same.
diesel::table! {
    #[sql_name = "replies"]
    reply_contexts (room_id, seq) {
        room_id -> Binary,
        seq -> BigInt,
        context_from -> Nullable<BigInt>,
    }
}

diesel::table! {
    reply_chunks (room_id, seq, attempt, first) {
        room_id -> Binary,
        seq -> BigInt,
        attempt -> Integer,
        first -> Integer,
        count -> Integer,
        text -> Text,
    }
}

diesel::table! {
    room_retention (room_id) {
        room_id -> Binary,
        days -> Integer,
    }
}

diesel::table! {
    room_retention_counts (room_id) {
        room_id -> Binary,
        messages -> BigInt,
    }
}

diesel::table! {
    batches (id) {
        id -> Binary,
        answer -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    outgoing_webhooks (id) {
        id -> Binary,
        room_id -> Binary,
        created_by -> Binary,
        created_at -> BigInt,
        url -> Text,
        events -> Integer,
        secret -> Text,
        former_secret -> Nullable<Text>,
        former_until -> Nullable<BigInt>,
        enabled -> Bool,
        disabled_reason -> Nullable<Text>,
        epoch -> BigInt,
        version -> BigInt,
        seen_seq -> BigInt,
        next_at -> BigInt,
        failures -> Integer,
    }
}

// The same table, as the deliveries see it: diesel counts to sixteen columns.
diesel::table! {
    #[sql_name = "outgoing_webhooks"]
    outgoing_webhook_places (id) {
        id -> Binary,
        enabled -> Bool,
        disabled_reason -> Nullable<Text>,
        epoch -> BigInt,
        version -> BigInt,
        seen_seq -> BigInt,
        awaited -> Text,
        sending_to -> Nullable<BigInt>,
        next_at -> BigInt,
        lease_owner -> Nullable<Binary>,
        lease_until -> Nullable<BigInt>,
        attempt -> BigInt,
        failures -> Integer,
        failing_since -> Nullable<BigInt>,
    }
}

diesel::table! {
    outgoing_webhook_attempts (webhook_id, attempt) {
        webhook_id -> Binary,
        attempt -> BigInt,
        at -> BigInt,
        from_version -> BigInt,
        to_version -> BigInt,
        events -> Integer,
        outcome -> Text,
        status -> Nullable<Integer>,
        detail -> Text,
        took_ms -> Integer,
    }
}

diesel::table! {
    mentions (user_id, room_id, seq) {
        user_id -> Binary,
        room_id -> Binary,
        seq -> BigInt,
    }
}

diesel::table! {
    invites (id) {
        id -> Binary,
        room_id -> Binary,
        token_hash -> Binary,
        role -> Text,
        made_by -> Binary,
        created_at -> BigInt,
        expires_at -> BigInt,
        max_uses -> Integer,
        uses -> Integer,
        revoked_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    bans (room_id, user_id) {
        room_id -> Binary,
        user_id -> Binary,
        banned_by -> Binary,
        reason -> Text,
        created_at -> BigInt,
    }
}

// What is written when an attempt ends is named in the statement that does it.
diesel::table! {
    reply_attempts (id) {
        id -> Binary,
        room_id -> Binary,
        seq -> BigInt,
        attempt -> Integer,
        asker_id -> Binary,
        assistant_id -> Binary,
        provider -> Text,
        model -> Text,
        state -> Text,
        most_tokens -> BigInt,
        most_cost_micros -> BigInt,
        asked_at -> BigInt,
        prompt_tokens -> BigInt,
        prompt_cost_micros -> BigInt,
        answer_tokens -> BigInt,
        answer_cost_micros -> BigInt,
    }
}

// What is counted of it: see `reply_contexts`.
diesel::table! {
    #[sql_name = "reply_attempts"]
    attempt_counts (room_id, seq, attempt) {
        room_id -> Binary,
        seq -> BigInt,
        attempt -> Integer,
        input_tokens -> BigInt,
        output_tokens -> BigInt,
        cost_micros -> Nullable<BigInt>,
    }
}

diesel::table! {
    spending (subject, period) {
        subject -> Binary,
        period -> Text,
        spent_cost_micros -> BigInt,
        spent_tokens -> BigInt,
        held_cost_micros -> BigInt,
        held_tokens -> BigInt,
        running -> BigInt,
    }
}

diesel::joinable!(sessions -> users (user_id));
diesel::joinable!(identities -> users (user_id));
diesel::joinable!(api_tokens -> users (user_id));
diesel::joinable!(incoming_hooks -> users (user_id));
diesel::joinable!(incoming_hooks -> rooms (room_id));
diesel::joinable!(tickets -> sessions (session_id));
diesel::joinable!(memberships -> rooms (room_id));
diesel::joinable!(memberships -> users (user_id));
diesel::joinable!(room_heads -> rooms (room_id));
diesel::joinable!(messages -> users (author_id));
diesel::joinable!(room_assistants -> users (user_id));
diesel::joinable!(room_log -> users (user_id));
diesel::joinable!(outgoing_webhooks -> rooms (room_id));
diesel::allow_tables_to_appear_in_same_query!(
    users,
    sessions,
    identities,
    revocations,
    revocation_head,
    api_tokens,
    incoming_hooks,
    tickets,
    rooms,
    memberships,
    room_heads,
    messages,
    message_edits,
    message_reactions,
    message_pins,
    room_log,
    replies,
    reply_chunks,
    reply_variants,
    room_assistants,
    room_retention,
    room_retention_counts,
    batches,
    invites,
    bans,
    mentions,
    outgoing_webhooks,
    outgoing_webhook_attempts,
);
