//! Where what happens comes from: by which way, and from which address. The edges and the command line set it around all that they
//! do for somebody; the stores write it into the audit log, beside who it was. It goes along unseen, as a log's span does, so that no
//! rule can be tempted to decide by it.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::ids::UserId;

/// By which way something came.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// A request.
    Http,
    /// A frame.
    Socket,
    /// The operator's command line.
    Command,
    /// The server itself.
    #[default]
    Server,
}

impl Way {
    /// Every way there is.
    pub const ALL: [Self; 4] = [Self::Http, Self::Socket, Self::Command, Self::Server];

    /// As stored and sent.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Socket => "socket",
            Self::Command => "command",
            Self::Server => "server",
        }
    }

    /// The way of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.as_str() == name)
    }
}

/// Where something comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
pub struct Origin {
    /// By which way.
    pub way: Way,
    /// From which address, where there is one.
    pub address: Option<IpAddr>,
    /// The administrator who does it to another; whoever does it to itself needs no name here.
    pub acting: Option<UserId>,
}

/// Whom a request turned out to be of, for what is noted once it is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Parties {
    /// Who asks.
    pub who: Option<UserId>,
    /// Who is meant: of a sign-in that failed, whose account it was.
    pub whom: Option<UserId>,
}

tokio::task_local! {
    static CURRENT: Origin;
    static PARTIES: Arc<Mutex<Parties>>;
}

impl Origin {
    /// That of what runs now; the server itself where nobody said otherwise.
    #[must_use]
    pub fn current() -> Self {
        CURRENT.try_with(|origin| *origin).unwrap_or_default()
    }

    /// That of what runs now, done by this administrator.
    #[must_use]
    pub fn acting(user: UserId) -> Self {
        Self {
            acting: Some(user),
            ..Self::current()
        }
    }

    /// Runs something that comes from here.
    pub fn of<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, work)
    }

    /// The same for what does not wait.
    pub fn of_sync<T>(self, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self, work)
    }
}

impl Parties {
    /// Runs something and tells whom it named.
    pub async fn told_by<F: Future>(work: F) -> (F::Output, Self) {
        let parties: Arc<Mutex<Self>> = Arc::default();
        let output = PARTIES.scope(Arc::clone(&parties), work).await;
        let told = *parties.lock().unwrap_or_else(PoisonError::into_inner);
        (output, told)
    }

    /// Names who asks.
    pub fn name_who(user: UserId) {
        update(|parties| parties.who = Some(user));
    }

    /// Names who is meant.
    pub fn name_whom(user: UserId) {
        update(|parties| parties.whom = Some(user));
    }
}

fn update(change: impl FnOnce(&mut Parties)) {
    // Nobody asks in a test, at a command or in a job.
    let _ = PARTIES.try_with(|parties| {
        change(&mut parties.lock().unwrap_or_else(PoisonError::into_inner));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_holds_within_and_only_there() {
        let origin = Origin {
            way: Way::Http,
            address: Some(IpAddr::from([192, 0, 2, 1])),
            acting: None,
        };
        assert_eq!(origin.of(async { Origin::current() }).await, origin);
        assert_eq!(Origin::current(), Origin::default());
        let user = UserId::new();
        let ((), told) = Parties::told_by(async { Parties::name_who(user) }).await;
        assert_eq!((told.who, told.whom), (Some(user), None));
    }
}
