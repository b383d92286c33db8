//! How each method of a contract on Postgres runs: as one unit of work that its caller cannot cancel. Used by every file that
//! implements a contract; knows no statement.

/// Runs a noun's function on a task that its caller cannot cancel. Its values are moved there.
macro_rules! run {
    ($store:ident, |$pools:ident| $call:expr) => {{
        let pools = std::sync::Arc::clone(&$store.pools);
        $crate::db::uncancelled(async move {
            let $pools = &*pools;
            $call.await
        })
        .await
    }};
}
pub(super) use run;
