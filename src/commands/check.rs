//! `salon check`: what the server would connect to, and whether each answers. Shows no secret: of a URL only scheme,
//! host, port and path.

use std::time::Duration;

use salon::config::{Config, Switch};
use salon::db::StoreError;
use salon::db::postgres;
use salon::ids::InstanceId;
use salon::llm::registry::{DEFAULT_NAME, Provider, Providers};
use salon::server;
use secrecy::ExposeSecret;
use tokio::net::TcpListener;

use super::{Failure, say};

/// What each part has to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Looks at every part; fails when one of them does.
pub(crate) async fn check(config: Config) -> Result<(), Failure> {
    config.check().map_err(Failure::Starting)?;
    let mut all_well = true;
    let mut report = |what: &str, target: &str, result: Result<String, String>| match result {
        Ok(word) => say(&format!("{what:<10} {target}: {word}")),
        Err(cause) => {
            all_well = false;
            say(&format!("{what:<10} {target}: NO, {cause}"));
        }
    };
    let listen = config.listen;
    // Looking changes nothing: no migration, no folder, and the port is given back.
    let free = TcpListener::bind(listen).await;
    report(
        "listen",
        &listen.to_string(),
        free.map(|_listener| "free".to_owned())
            .map_err(|error| error.to_string()),
    );
    match &config.database_url {
        Some(url) => {
            let target = without_secrets(url.expose_secret());
            let answer = postgres(url.expose_secret(), config.allow_data_loss).await;
            report("database", &target, answer);
        }
        None => report(
            "database",
            &format!("embedded, in {}", config.data.display()),
            embedded(&config),
        ),
    }
    match &config.redis_url {
        Some(url) => {
            let target = without_secrets(url.expose_secret());
            report("redis", &target, redis(&config).await);
        }
        None => report("redis", "none", Ok("one instance only".to_owned())),
    }
    match Providers::from_config(&config) {
        Ok(providers) => {
            for provider in providers.all() {
                let (what, target) = (label(provider), target(provider));
                report(&what, &target, ask(provider).await);
            }
        }
        Err(said) => report("assistant", "its settings", Err(said)),
    }
    if all_well {
        Ok(())
    } else {
        Err(Failure::Running("not everything answers".to_owned()))
    }
}

async fn postgres(url: &str, allow_data_loss: Switch) -> Result<String, String> {
    let ask = async {
        let about = postgres::describe(url).await?;
        let pending = postgres::pending(url).await?;
        Ok::<_, StoreError>((about, pending))
    };
    let (about, pending) = match tokio::time::timeout(ANSWER_WITHIN, ask).await {
        Ok(answer) => answer.map_err(|error| error.to_string())?,
        Err(_) => return Err("no answer in time".to_owned()),
    };
    let mut said = format!("answers, version {}", about.version);
    if !pending.is_empty() {
        said.push_str(&format!("; {} migrations to run", pending.len()));
    }
    let not_durable: Vec<&str> = about.not_durable().collect();
    if not_durable.is_empty() {
        return Ok(said);
    }
    let settings = not_durable.join(" and ");
    if allow_data_loss.is_on() {
        // Allowed, not hidden.
        return Ok(format!(
            "{said}; WARNING: {settings} off, so what it confirms may be lost; SALON_ALLOW_DATA_LOSS allows it"
        ));
    }
    Err(format!(
        "{settings} off: what it confirms may be lost (SALON_ALLOW_DATA_LOSS=on would allow it)"
    ))
}

/// Only looks: opening it would make it, lock it and bring it up to date.
fn embedded(config: &Config) -> Result<String, String> {
    match std::fs::metadata(&config.data) {
        Ok(data) if data.is_dir() => Ok("there".to_owned()),
        Ok(_) => Err("not a folder".to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Ok("not there yet; the first start makes it".to_owned())
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Connects as the server would: address, TLS, password and all.
async fn redis(config: &Config) -> Result<String, String> {
    let layer = server::open_layer(config, InstanceId::new())
        .await
        .map_err(|error| error.to_string())?;
    let is_up = layer.is_up();
    layer.close().await;
    if is_up && config.redis_has_no_password() {
        Ok("answers; WARNING: without a password".to_owned())
    } else if is_up {
        Ok("answers".to_owned())
    } else {
        Err("no answer, or a wrong password".to_owned())
    }
}

/// The default provider is the assistant's.
fn label(provider: &Provider) -> String {
    if provider.name == DEFAULT_NAME {
        return "assistant".to_owned();
    }
    format!("provider {}", provider.name)
}

fn target(provider: &Provider) -> String {
    let url = provider.base_url.as_deref();
    url.map_or_else(|| "scripted".to_owned(), without_secrets)
}

/// Asks for its list of models with its key, as the server would: address, TLS and all.
async fn ask(provider: &Provider) -> Result<String, String> {
    let Some(model) = provider.models.first() else {
        return Err("no model".to_owned());
    };
    model.llm.probe().await.map_err(|error| error.to_string())
}

/// `scheme://host:port/path`, without user, password and query; of what is no URL nothing at all.
fn without_secrets(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return "(not a URL)".to_owned();
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    // A password may hold a slash or an at sign: everything up to the last at sign goes.
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}://{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_secrets() {
        for (url, shown) in [
            (
                "postgres://ada:pw@db.example:5432/salon?password=pw",
                "postgres://db.example:5432/salon",
            ),
            ("redis://:p@ss/pw@cache:6379/0", "redis://cache:6379/0"),
            ("https://api.example/v1", "https://api.example/v1"),
            ("host=db password=pw", "(not a URL)"),
        ] {
            assert_eq!(without_secrets(url), shown);
            assert!(!without_secrets(url).contains("pw"));
        }
    }
}
