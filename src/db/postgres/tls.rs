//! Connecting to Postgres as the URL asks: `sslmode` and `sslrootcert` are read here, since the driver knows only
//! three modes and no roots. Called by the pools and by `migrate`. Never prints a URL: it may hold a password.
//!
//! | `sslmode` | TLS |
//! | --- | --- |
//! | `disable` | none |
//! | `prefer` | if the server offers it; encrypted, not verified |
//! | `require`, `verify-full` | always; certificate and host name verified (stricter than libpq's `require`) |
//! | `verify-ca` | always; certificate verified, whatever its host name |
//!
//! Where none is named, it is `prefer` for servers near by (a socket, a private address, a name of one word or of a private
//! domain) and `verify-full` for others: libpq's `prefer` everywhere would hand the password to whoever is in between.
//!
//! Verified against the roots in the file `sslrootcert`, or else the public ones.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::AsyncPgConnection;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::addresses::is_public;

/// How far a server's certificate is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verify {
    Nothing,
    Chain,
    Full,
}

/// A URL that was understood: where to connect and how.
#[derive(Clone)]
pub(super) struct Target {
    config: tokio_postgres::Config,
    tls: Option<MakeRustlsConnect>,
    /// That TLS is verified although the URL does not say so: worth a word when it fails.
    by_default: bool,
}

impl Target {
    /// Reads a URL.
    ///
    /// # Errors
    /// A sentence for the operator, without the URL.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let (plain, mode, roots) = take_tls_parameters(url)?;
        let mut config = tokio_postgres::Config::from_str(&plain)
            .map_err(|error| format!("the database URL is not understood: {error}"))?;
        if config.get_application_name().is_none() {
            config.application_name("salon");
        }
        let local = config
            .get_hosts()
            .iter()
            .all(|host| matches!(host, Host::Unix(_)));
        let (driver_mode, verify) = match mode.as_deref() {
            Some("disable") => (SslMode::Disable, Verify::Nothing),
            None if !config.get_hosts().iter().all(is_near) => (SslMode::Require, Verify::Full),
            None | Some("prefer" | "allow") => (SslMode::Prefer, Verify::Nothing),
            Some("verify-ca") => (SslMode::Require, Verify::Chain),
            Some("require" | "verify-full") => (SslMode::Require, Verify::Full),
            Some(_) => return Err(
                "sslmode of the database URL: disable, prefer, require, verify-ca or verify-full"
                    .into(),
            ),
        };
        if driver_mode == SslMode::Disable || (local && driver_mode == SslMode::Prefer) {
            config.ssl_mode(SslMode::Disable);
            return Ok(Self {
                config,
                tls: None,
                by_default: false,
            });
        }
        config.ssl_mode(driver_mode);
        let tls = MakeRustlsConnect::new(client_config(verify, roots.as_deref())?);
        Ok(Self {
            config,
            tls: Some(tls),
            by_default: mode.is_none() && verify == Verify::Full,
        })
    }

    fn bad_tls(&self, error: &tokio_postgres::Error) -> ConnectionError {
        match bad_connection(error) {
            ConnectionError::BadConnection(text) if self.by_default => {
                ConnectionError::BadConnection(format!(
                    "{text} (the URL names no sslmode, so a server elsewhere must prove its name by TLS: sslrootcert names a private authority)"
                ))
            }
            error => error,
        }
    }

    /// A new connection.
    ///
    /// # Errors
    /// The driver's, as diesel's.
    pub(super) async fn connect(&self) -> ConnectionResult<AsyncPgConnection> {
        match &self.tls {
            None => {
                let (client, connection) = self
                    .config
                    .connect(tokio_postgres::NoTls)
                    .await
                    .map_err(|error| bad_connection(&error))?;
                AsyncPgConnection::try_from_client_and_connection(client, connection).await
            }
            Some(tls) => {
                let (client, connection) = self
                    .config
                    .connect(tls.clone())
                    .await
                    .map_err(|error| self.bad_tls(&error))?;
                AsyncPgConnection::try_from_client_and_connection(client, connection).await
            }
        }
    }
}

/// Whether a server is one's own network's, as far as its name tells.
fn is_near(host: &Host) -> bool {
    let Host::Tcp(name) = host else { return true };
    if let Ok(address) = name.trim_matches(['[', ']']).parse::<IpAddr>() {
        return !is_public(address);
    }
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    !name.contains('.') || PRIVATE_DOMAINS.iter().any(|domain| name.ends_with(domain))
}

/// Where names end that mean nothing outside of their own network.
const PRIVATE_DOMAINS: [&str; 6] = [
    ".localhost",
    ".local",
    ".internal",
    ".svc",
    ".home.arpa",
    ".lan",
];

/// The error with its causes: the driver's own sentence alone is only "error connecting to server".
fn bad_connection(error: &tokio_postgres::Error) -> ConnectionError {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    ConnectionError::BadConnection(text)
}

/// The URL without `sslmode` and `sslrootcert`, and those two.
fn take_tls_parameters(url: &str) -> Result<(String, Option<String>, Option<String>), String> {
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err("the database URL begins with postgres://".into());
    }
    let Some((address, query)) = url.split_once('?') else {
        return Ok((url.to_owned(), None, None));
    };
    let (mut mode, mut roots, mut rest) = (None, None, Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("sslmode", value)) => mode = Some(percent_decoded(value)?),
            Some(("sslrootcert", value)) => roots = Some(percent_decoded(value)?),
            _ => rest.push(pair),
        }
    }
    let plain = if rest.is_empty() {
        address.to_owned()
    } else {
        format!("{address}?{}", rest.join("&"))
    };
    Ok((plain, mode, roots))
}

fn percent_decoded(text: &str) -> Result<String, String> {
    let bad = || "a parameter of the database URL is not percent-encoded text".to_owned();
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next().ok_or_else(bad)?, rest.next().ok_or_else(bad)?];
            let digits = str::from_utf8(&digits).map_err(|_error| bad())?;
            bytes.push(u8::from_str_radix(digits, 16).map_err(|_error| bad())?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).map_err(|_error| bad())
}

fn client_config(verify: Verify, roots: Option<&str>) -> Result<ClientConfig, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    if verify == Verify::Full {
        let roots = root_store(roots)?;
        return Ok(builder.with_root_certificates(roots).with_no_client_auth());
    }
    let chain = match verify {
        Verify::Chain => Some(
            WebPkiServerVerifier::builder_with_provider(
                Arc::new(root_store(roots)?),
                Arc::clone(&provider),
            )
            .build()
            .map_err(|error| error.to_string())?,
        ),
        Verify::Nothing | Verify::Full => None,
    };
    Ok(builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Lenient { chain, provider }))
        .with_no_client_auth())
}

fn root_store(file: Option<&str>) -> Result<RootCertStore, String> {
    let Some(file) = file else {
        return Ok(RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        });
    };
    let mut store = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(file)
        .map_err(|error| format!("sslrootcert {file}: {error}"))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| format!("sslrootcert {file}: {error}"))?;
        store
            .add(certificate)
            .map_err(|error| format!("sslrootcert {file}: {error}"))?;
    }
    if store.is_empty() {
        return Err(format!("sslrootcert {file} holds no certificate"));
    }
    Ok(store)
}

/// Verifies less than the host name: the chain only (`verify-ca`), or nothing (`prefer`, which anybody in the middle
/// could turn into plain text anyway).
#[derive(Debug)]
struct Lenient {
    chain: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        // The chain is judged before the name, so a wrong name means that the chain is good.
        match chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameters_of_tls_are_taken_out_of_the_url() {
        let (url, mode, roots) = take_tls_parameters(
            "postgres://a:b@h/d?sslmode=verify-full&connect_timeout=3&sslrootcert=%2Fetc%2Froot.pem",
        )
        .unwrap();
        assert_eq!(url, "postgres://a:b@h/d?connect_timeout=3");
        assert_eq!(mode.as_deref(), Some("verify-full"));
        assert_eq!(roots.as_deref(), Some("/etc/root.pem"));
    }

    #[test]
    fn s73_a_server_elsewhere_is_verified_where_the_url_says_nothing() {
        let verified = |url: &str| Target::parse(url).unwrap().by_default;
        for near in [
            "localhost",
            "127.0.0.1",
            "10.1.2.3",
            "[::1]",
            "[fd00::1]",
            "postgres",
            "db.prod.svc",
            "db.internal",
            "%2Frun%2Fpostgresql",
        ] {
            assert!(!verified(&format!("postgres://u:p@{near}/d")), "{near}");
        }
        for far in [
            "8.8.8.8",
            "[2a00::1]",
            "db.example.org",
            "127.0.0.1,db.example.org",
        ] {
            assert!(verified(&format!("postgres://u:p@{far}/d")), "{far}");
            let named = format!("postgres://u:p@{far}/d?sslmode=prefer");
            assert!(!verified(&named), "{far}");
        }
    }

    #[test]
    fn a_wrong_url_is_a_sentence_without_the_password() {
        for url in [
            "mysql://u:hunter2@h/d",
            "postgres://u:hunter2@h/d?sslmode=maybe",
            "postgres://u:hunter2@h/d?sslrootcert=/nowhere.pem&sslmode=require",
            "postgres://u:hunter2@h:port/d",
        ] {
            let error = Target::parse(url).err().expect("refused");
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!(Target::parse("postgres://u:p@h/d?sslmode=verify-ca").is_ok());
        assert!(Target::parse("postgres://u@h/d").is_ok());
    }
}
