//! People whom others vouch for, to users of this server: by a provider's sign-in or an application's claim. The first time makes
//! the user. Called by `http/`, through [`Auth`].

use sha2::{Digest, Sha256};

use super::application::Application;
use super::jwt::{self, Disbelief};
use super::oidc::Oidc;
use super::{Auth, SignedIn, fresh_user, names, signed_in};
use crate::addresses::AllowList;
use crate::config::Config;
use crate::db::StoreError;
use crate::db::changes::SessionOrigin;
use crate::db::identities::{IdentityUser, NewClaim, NewIdentity};
use crate::db::rows::{Identity, UserKind, UserRow};
use crate::error::{ErrorCode, Refusal};
use crate::ids::SessionId;
use crate::limits;
use crate::outbound::{Outbound, is_private_way, named_place, system_lookup};
use std::sync::Arc;

/// Somebody, as an issuer that is believed names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Person {
    /// Who vouches.
    pub(super) issuer: String,
    /// Its name for whom; what an identity is known by.
    pub(super) subject: String,
    /// What a newcomer may be called, the best first.
    pub(super) names: Vec<String>,
}

/// Those who vouch for people here.
#[derive(Default)]
pub struct Organisations {
    pub(super) oidc: Option<Oidc>,
    pub(super) application: Option<Application>,
}

impl Organisations {
    /// Those of the settings.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn new(config: &Config) -> Result<Self, String> {
        let settings = &config.organisations;
        let (oidc, application) = (settings.oidc()?, settings.jwt()?);
        let mut places = Vec::new();
        for (setting, url) in [
            ("SALON_OIDC_ISSUER", oidc.map(|oidc| oidc.issuer)),
            ("SALON_JWKS_URL", settings.jwks_url.as_deref()),
        ] {
            let Some(url) = url.filter(|url| !url.is_empty()) else {
                continue;
            };
            if !is_private_way(url) {
                return Err(format!(
                    "{setting}: an https URL without user and fragment (http only to localhost)."
                ));
            }
            places.extend(named_place(url));
        }
        // The operator named these hosts, so they may lie anywhere; where their answers lead must be public.
        let outbound = Arc::new(Outbound::new(AllowList::new(places), system_lookup()));
        let origin = config.public_origin.first();
        Ok(Self {
            oidc: match (oidc, origin) {
                (Some(oidc), Some(origin)) => {
                    Some(Oidc::new(&oidc, settings, origin, Arc::clone(&outbound)))
                }
                _ => None,
            },
            application: application
                .map(|application| Application::new(&application, outbound))
                .transpose()?,
        })
    }
}

impl Auth {
    /// The provider that people sign in at, if there is one.
    #[must_use]
    pub const fn oidc(&self) -> Option<&Oidc> {
        self.organisations.oidc.as_ref()
    }

    /// A new session of somebody a provider vouches for.
    ///
    /// # Errors
    /// `sign_in_refused` for somebody who may not come in.
    pub async fn sign_in_person(
        &self,
        person: &Person,
        origin: SessionOrigin,
    ) -> Result<SignedIn, Refusal> {
        let known = self.user_of(person).await?;
        if known.disabled {
            tracing::info!(user = %known.user.id, "a sign-in of somebody who is disabled was refused");
            return Err(ErrorCode::SignInRefused.into());
        }
        let (token, session) = self.fresh_session(&known.user, origin);
        let made = self.store.create_session(session).await;
        let made = made.map_err(StoreError::into_refusal)?;
        self.end_surplus_sessions(&made.identity).await;
        Ok(signed_in(token, made.identity))
    }

    /// Whom an application's claim stands for; `None` when it is none that is believed, or of somebody who may not come in.
    ///
    /// A claim has a session of its own from its first use to its end: that is what its sockets and tickets live by, and whoever
    /// disables the user or ends the session closes them. A claim whose session was ended early makes another: to keep somebody
    /// out, disable the user.
    ///
    /// # Errors
    /// `unavailable` when store or keys could not be asked, `busy` when too many ask, `too_many` for too many claims of one user.
    pub async fn authenticate_claim(&self, token: &str) -> Result<Option<Identity>, Refusal> {
        let Some(application) = &self.organisations.application else {
            return Ok(None);
        };
        if !jwt::is_claim(token) {
            return Ok(None);
        }
        let claim = match application.judge(token).await {
            Ok(claim) => claim,
            Err(Disbelief::KeysUnavailable) => {
                return Err(
                    Refusal::from(ErrorCode::Unavailable).retry_after_ms(limits::RETRY_HINT_MS)
                );
            }
            Err(why) => {
                tracing::info!(%why, "an application's claim was not believed");
                return Ok(None);
            }
        };
        let claim_hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let _turn = self.admission.turn().await?;
        let known = self.store.claim_identity(&claim_hash).await;
        if let Some(identity) = known.map_err(StoreError::into_refusal)? {
            return Ok(Some(identity));
        }
        let known = self.user_of(&claim.person).await?;
        if known.disabled {
            return Ok(None);
        }
        let session = NewClaim {
            session: SessionId::new(),
            user: known.user.id,
            claim_hash,
            expires_at: claim.expires_at,
        };
        match self.store.create_claim(session).await {
            Ok(identity) => {
                tracing::info!(user = %identity.user.id, session = %identity.session, "signed in by a claim");
                Ok(Some(identity))
            }
            // Disabled between the two, or the claim has just ended.
            Err(StoreError::Refused(refusal)) if refusal.code == ErrorCode::UserNotFound => {
                Ok(None)
            }
            Err(error) => Err(error.into_refusal()),
        }
    }

    /// The user of a person, made when it comes for the first time. Its name stays as it was then.
    async fn user_of(&self, person: &Person) -> Result<IdentityUser, Refusal> {
        let (issuer, subject) = (&person.issuer, &person.subject);
        let known = self.store.identity_user(issuer, subject).await;
        if let Some(known) = known.map_err(StoreError::into_refusal)? {
            return Ok(known);
        }
        let base = newcomer_name(&person.names);
        for number in 1..=limits::NEWCOMER_NAMES + 1 {
            let name = match number {
                1 => base.clone(),
                number if number <= limits::NEWCOMER_NAMES => format!("{base} {number}"),
                _ => format!("{base} {:08x}", rand::random::<u32>()),
            };
            match self.make_person(person, name).await {
                Err(StoreError::Refused(refusal)) if refusal.code == ErrorCode::NameTaken => {}
                made => return made.map_err(StoreError::into_refusal),
            }
        }
        Err(ErrorCode::NameTaken.into())
    }

    async fn make_person(&self, person: &Person, name: String) -> Result<IdentityUser, StoreError> {
        let user: UserRow = fresh_user(name, UserKind::User);
        let identity = NewIdentity {
            issuer: person.issuer.clone(),
            subject: person.subject.clone(),
            user,
        };
        let made = self.store.create_identity(identity).await?;
        tracing::info!(user = %made.user.id, issuer = person.issuer, "a user was made for somebody others vouch for");
        Ok(made)
    }
}

/// What a newcomer is called: the first of the names that may be one, with what may not be in a name left out, cut so that a number
/// has room behind it. What looks like an address is shown without its host, which is nobody's business here.
fn newcomer_name(names: &[String]) -> String {
    const ROOM: usize = 9;
    let fitting = names.iter().find_map(|name| {
        let name = name.split('@').next().unwrap_or_default();
        let seen: String = name.chars().filter(|c| names::may_be_seen(*c)).collect();
        let short: String = seen
            .trim()
            .chars()
            .take(limits::NAME_CHARS - ROOM)
            .collect();
        names::user_name(&short).ok()
    });
    fitting.unwrap_or_else(|| "Newcomer".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(names: &[&str]) -> String {
        newcomer_name(
            &names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn a_newcomer_gets_a_name_that_follows_the_rules() {
        assert_eq!(called(&["ada", "Ada Lovelace"]), "ada");
        assert_eq!(called(&["ada@corp.example"]), "ada");
        assert_eq!(called(&[" ", "  Ada \u{a0} Lovelace "]), "Ada Lovelace");
        assert_eq!(called(&["\u{202e}a\0d\u{200b}a\n"]), "ada");
        for posing in [
            "assistant",
            "Assis\u{200b}tant",
            "@assistant",
            "",
            "\u{200b}",
        ] {
            assert_eq!(called(&[posing]), "Newcomer", "{posing:?}");
            assert_eq!(called(&[posing, "Bo"]), "Bo", "{posing:?}");
        }
        let long = called(&[&"ä".repeat(500)]);
        assert!(names::user_name(&format!("{long} 12345678")).is_ok());
    }
}
