//! A network namespace of a test's own, joined to this one by two links: one that the test cuts, one that stays. Needs root
//! and `ip`; whoever has neither gets none and skips.

use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::process::{OwnedProcess, owned_command};

/// The namespace; it and its links go when it is dropped.
pub(crate) struct Namespace {
    name: String,
    /// The third byte of its addresses.
    net: u8,
}

impl Namespace {
    /// A new one, with both links up.
    pub(crate) fn create() -> Option<Self> {
        let (number, net) = (std::process::id() % 100_000, rand::random_range(1..=250));
        let space = Self {
            name: format!("salon{number}n{net}"),
            net,
        };
        if !ip(&format!("netns add {}", space.name)) {
            return None;
        }
        let name = &space.name;
        for (which, host, inside) in [("c", 1, 2), ("s", 5, 6)] {
            let here = space.link(which);
            let there = format!("{here}i");
            let made = ip(&format!(
                "link add {here} type veth peer name {there} netns {name}"
            )) && ip(&format!("addr add 10.231.{net}.{host}/30 dev {here}"))
                && ip(&format!("link set {here} up"))
                && ip(&format!(
                    "-n {name} addr add 10.231.{net}.{inside}/30 dev {there}"
                ))
                && ip(&format!("-n {name} link set {there} up"));
            if !made {
                return None;
            }
        }
        Some(space)
    }

    /// Over the link that [`Self::cut`] takes down.
    pub(crate) fn cut_address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 231, self.net, 2)
    }

    /// Over the link that stays.
    pub(crate) fn control_address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 231, self.net, 6)
    }

    /// Takes the link down: what is sent is lost, and nobody is told.
    pub(crate) fn cut(&self) {
        assert!(ip(&format!("link set {} down", self.link("c"))));
    }

    /// Starts the built program inside.
    pub(crate) fn run_salon(&self, settings: &[(&str, String)]) -> (OwnedProcess, TempDir) {
        let folder = TempDir::new().unwrap();
        let mut command = owned_command("ip");
        command
            .args([
                "netns",
                "exec",
                &self.name,
                env!("CARGO_BIN_EXE_salon"),
                "serve",
            ])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("SALON_DATA", folder.path().join("data"))
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .current_dir(folder.path());
        (OwnedProcess::start("salon", folder.path(), command), folder)
    }

    fn link(&self, which: &str) -> String {
        format!("sa{}{which}", self.name.split_at(5).1.replace('n', ""))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Its ends of the links go with it, and so do the ends here.
        let _ = ip(&format!("netns del {}", self.name));
    }
}

fn ip(arguments: &str) -> bool {
    Command::new("ip")
        .args(arguments.split(' '))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
