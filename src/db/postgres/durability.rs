//! Whether what the server confirms is on its disk: without `fsync`, `full_page_writes` and `synchronous_commit` an
//! acknowledged message may be gone after a crash (P1). Asked by `/readyz` on a reserved connection, since the
//! settings may be changed while the server runs, and by `salon check`. It changes nothing.

use super::pool::Pools;
use super::statement::statement;
use crate::db::{StoreError, StoreResult};

statement!(
    /// What the server says of itself: its version, what this session has, and what the next session of this user in
    /// this database gets. A role or a database may have a `synchronous_commit` of its own, which sessions that
    /// are open do not see; of several the narrowest holds.
    About {} -> (String, String, String, String, String),
    "SELECT current_setting('server_version'), current_setting('fsync'), current_setting('full_page_writes'), \
            current_setting('synchronous_commit'), \
            coalesce((SELECT lower(split_part(entry, '=', 2)) FROM pg_db_role_setting s, unnest(s.setconfig) entry \
                      WHERE s.setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = session_user)) \
                        AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) \
                        AND entry LIKE 'synchronous\\_commit=%' \
                      ORDER BY s.setrole <> 0 AND s.setdatabase <> 0 DESC, s.setrole <> 0 DESC, s.setdatabase <> 0 DESC \
                      LIMIT 1), '')"
);

/// How Postgres lets somebody say that a switch is off; a role's own setting is kept as it was written.
const OFF: &[&str] = &["off", "false", "no", "0"];

/// What a Postgres server says of itself, for the operator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerDescription {
    /// As the server names it, such as `15.18 (Debian 15.18-0+deb12u1)`.
    pub version: String,
    not_durable: Vec<&'static str>,
}

impl ServerDescription {
    /// The settings that break the promise that an acked message survives (P1). `synchronous_commit` may be anything
    /// but off: every other value waits for this server's own disk.
    pub fn not_durable(&self) -> impl Iterator<Item = &'static str> {
        self.not_durable.iter().copied()
    }
}

/// Reads the answer.
pub(super) fn described(
    rows: Vec<(String, String, String, String, String)>,
) -> StoreResult<ServerDescription> {
    let Some((version, fsync, full_page_writes, present, next)) = rows.into_iter().next() else {
        return Err(StoreError::Broken(
            "the server says nothing of itself".into(),
        ));
    };
    let values = [
        ("fsync", fsync),
        ("full_page_writes", full_page_writes),
        ("synchronous_commit", present),
        ("synchronous_commit", next),
    ];
    let mut not_durable: Vec<&'static str> = values
        .iter()
        .filter(|(_, value)| OFF.contains(&value.as_str()))
        .map(|(name, _)| *name)
        .collect();
    not_durable.dedup();
    Ok(ServerDescription {
        version,
        not_durable,
    })
}

/// The settings that are off, by the way that a busy pool cannot block.
pub(super) async fn not_durable(pools: &Pools) -> StoreResult<Vec<&'static str>> {
    let rows = pools.reserved().await?.read(About {}).await?;
    Ok(described(rows)?.not_durable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn off(fsync: &str, pages: &str, present: &str, next: &str) -> Vec<&'static str> {
        let row = ("15.1", fsync, pages, present, next);
        let row = (
            row.0.to_owned(),
            row.1.to_owned(),
            row.2.to_owned(),
            row.3.to_owned(),
            row.4.to_owned(),
        );
        described(vec![row]).unwrap().not_durable
    }

    #[test]
    fn only_off_is_not_durable() {
        for value in ["on", "local", "remote_write", "remote_apply"] {
            assert_eq!(off("on", "on", value, ""), Vec::<&str>::new());
            assert_eq!(off("on", "on", "on", value), Vec::<&str>::new());
        }
        assert_eq!(off("off", "on", "on", ""), ["fsync"]);
        assert_eq!(off("on", "off", "local", ""), ["full_page_writes"]);
        assert_eq!(off("on", "on", "off", "off"), ["synchronous_commit"]);
        assert_eq!(off("on", "on", "on", "false"), ["synchronous_commit"]);
        assert!(described(Vec::new()).is_err());
    }
}
