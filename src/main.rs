//! The command line. Reads the settings, starts the log and calls the library; no logic of its own. A wrong setting or a
//! taken port is a sentence on standard error and exit code 2, before anything starts; what fails later is 1.

mod commands;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use salon::config::Config;

use commands::Failure;
use commands::audit::AuditCommand;
use commands::room::RoomCommand;
use commands::usage::UsageCommand;
use commands::user::UserCommand;

/// A realtime chat server: rooms where people and a language model talk, and no word is lost
#[derive(Parser)]
#[command(name = "salon", version, max_term_width = 110)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server (this is what `salon` alone does)
    Serve(Box<Config>),
    /// Bring the database up to date and exit
    Migrate(Box<Config>),
    /// Say what the server would connect to and whether each answers; shows no secret
    Check(Box<Config>),
    /// Accounts
    #[command(subcommand)]
    User(UserCommand),
    /// Rooms
    #[command(subcommand)]
    Room(RoomCommand),
    /// What was done to accounts, rights and rooms, and what was refused
    Audit(AuditCommand),
    /// What replies used and cost
    Usage(UsageCommand),
}

fn main() -> ExitCode {
    // Before anything can open a TLS connection; the only failure is that it was done before.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let arguments = match Arguments::try_parse_from(with_default_command(std::env::args_os())) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no errors. A closed output leaves nobody to tell.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return commands::fail(&Failure::Running(error.to_string())),
    };
    let result = runtime.block_on(run(arguments.command));
    // Whatever still runs after a cut shutdown must not keep the process.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => commands::fail(&failure),
    }
}

async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve(config) => commands::serve::serve(*config).await,
        Command::Migrate(config) => commands::migrate::migrate(*config).await,
        Command::Check(config) => commands::check::check(*config).await,
        Command::User(command) => commands::user::run(command).await,
        Command::Room(command) => commands::room::run(command).await,
        Command::Audit(command) => commands::audit::run(command).await,
        Command::Usage(command) => commands::usage::run(command).await,
    }
}

/// `salon` alone and `salon --some-setting` mean `salon serve`.
fn with_default_command(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.collect();
    let is_setting = match arguments.get(1).map(|first| first.to_string_lossy()) {
        None => true,
        Some(first) => {
            first.starts_with('-')
                && !matches!(first.as_ref(), "-h" | "--help" | "-V" | "--version")
        }
    };
    if is_setting {
        arguments.insert(arguments.len().min(1), "serve".into());
    }
    arguments
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Command, clap::Error> {
        let arguments = arguments.iter().map(OsString::from);
        Arguments::try_parse_from(with_default_command(arguments)).map(|all| all.command)
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn serve_is_the_default() {
        assert!(matches!(parsed(&["salon"]), Ok(Command::Serve(_))));
        let Ok(Command::Serve(config)) = parsed(&["salon", "--listen", "127.0.0.1:9"]) else {
            panic!("settings alone mean serve");
        };
        assert_eq!(config.listen.port(), 9);
        assert!(matches!(parsed(&["salon", "check"]), Ok(Command::Check(_))));
        assert_eq!(parsed(&["salon", "nonsense"]).err().unwrap().exit_code(), 2);
        assert_eq!(
            parsed(&["salon", "--listen", "nowhere"])
                .err()
                .unwrap()
                .exit_code(),
            2
        );
        assert_eq!(parsed(&["salon", "--help"]).err().unwrap().exit_code(), 0);
    }
}
