//! Certificates of an authority that only its own test knows. Used by the servers of tests that speak TLS.

use std::path::Path;
use std::process::{Command, Stdio};

/// Leaves an authority in `folder` (`authority.pem`) and a certificate for 127.0.0.1 that it signed (`server.pem`, `server.key`).
pub(crate) fn make_certificate(folder: &Path) {
    let openssl = |arguments: &str| {
        let made = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(folder)
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success(), "openssl {arguments}");
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
    openssl(&format!(
        "req -x509 {key} -subj /CN=authority -keyout authority.key -out authority.pem"
    ));
    openssl(&format!(
        "req -x509 {key} -subj /CN=server -keyout server.key -out server.pem -CA authority.pem -CAkey authority.key -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE"
    ));
}
