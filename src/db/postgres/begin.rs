//! How a transaction begins: its limits, and how it is planned. Called by [`super::pool`] alone; never sets what outlives one.

/// The limits of a transaction. They go with BEGIN, in one round trip; `SET LOCAL` ends with the transaction, so nothing
/// leaks through a transaction pooler. Equal to the numbers in `limits.rs`, as a test holds. A plan
/// made while a table was tiny would scan it and stay when it has grown: what writes takes its indexes, which it always
/// has, and is planned once for each connection: left to itself Postgres plans a small batch again each time, which is a tenth of all
/// it does for a message. What reads is planned each time.
macro_rules! begin {
    ($begin:literal, $planner:literal) => {
        concat!(
            $begin,
            "; SET LOCAL statement_timeout = 4000; SET LOCAL lock_timeout = 2000; \
             SET LOCAL idle_in_transaction_session_timeout = 5000; SET LOCAL ",
            $planner
        )
    };
}
/// For what writes.
pub(super) const BEGIN: &str = begin!(
    "BEGIN",
    "enable_seqscan = off; SET LOCAL plan_cache_mode = force_generic_plan"
);
/// For what reads.
pub(super) const BEGIN_READING: &str =
    begin!("BEGIN READ ONLY", "plan_cache_mode = force_custom_plan");
/// For what reads a bounded number of rows that no statistics foretell: by indexes, whatever the planner expects, and as it is, since
/// compiling takes longer than any of it.
pub(super) const BEGIN_READING_BY_INDEX: &str = begin!(
    "BEGIN READ ONLY",
    "plan_cache_mode = force_custom_plan; SET LOCAL enable_seqscan = off; SET LOCAL jit = off"
);
/// The same for what there is another way for, should it take long.
pub(super) const BEGIN_READING_BRIEFLY: &str = begin!(
    "BEGIN READ ONLY",
    "plan_cache_mode = force_custom_plan; SET LOCAL enable_seqscan = off; SET LOCAL jit = off; \
     SET LOCAL statement_timeout = 1000"
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;

    #[test]
    fn a_transaction_begins_with_the_documented_limits() {
        let brief = format!("SET LOCAL statement_timeout = {}", limits::SEARCH_INDEX_MS);
        assert!(BEGIN_READING_BRIEFLY.ends_with(&brief), "{brief}");
        for begin in [
            BEGIN,
            BEGIN_READING,
            BEGIN_READING_BY_INDEX,
            BEGIN_READING_BRIEFLY,
        ] {
            for (name, limit) in [
                ("statement_timeout", limits::STATEMENT_MS),
                ("lock_timeout", limits::LOCK_WAIT_MS),
                (
                    "idle_in_transaction_session_timeout",
                    limits::TRANSACTION_MS,
                ),
            ] {
                assert!(
                    begin.contains(&format!("SET LOCAL {name} = {limit}")),
                    "{begin}"
                );
            }
        }
    }
}
