//! The load generator: puts a known load on a running Salon and prints what it cost, for docs/performance.md. Run it
//! against a release build; it speaks the documented wire only. It talks to the address given and nowhere else, and
//! every run is bounded by `--seconds`.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement that cannot go on has nothing better to do than to say so and stop"
)]

mod acks;
mod client;
mod fanout;
mod fill;
mod idle;
mod open;
mod search;

use std::time::Duration;

use clap::{Args, Parser, Subcommand};

#[derive(Parser)]
#[command(name = "load")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// The server under load.
#[derive(Args, Clone)]
struct Target {
    /// Where it listens
    #[arg(long, default_value = "127.0.0.1:8000")]
    server: String,
    /// Its process, for CPU time and memory
    #[arg(long)]
    pid: u32,
    /// How long to measure
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

impl Target {
    const fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

#[derive(Subcommand)]
enum Command {
    /// Acked messages per second
    Acks {
        #[command(flatten)]
        target: Target,
        /// Sockets that send
        #[arg(long, default_value_t = 64)]
        senders: usize,
        /// Rooms they send to, in turn
        #[arg(long, default_value_t = 64)]
        rooms: usize,
        /// Sends each may have unanswered
        #[arg(long, default_value_t = 1)]
        in_flight: usize,
        /// Whether senders also read their room
        #[arg(long)]
        joined: bool,
    },
    /// Server CPU per delivery
    Fanout {
        #[command(flatten)]
        target: Target,
        /// Sockets that read one room
        #[arg(long, default_value_t = 100)]
        width: usize,
        /// Messages per second; 0 for as fast as acks come
        #[arg(long, default_value_t = 10)]
        rate: u64,
    },
    /// Memory per idle joined socket
    Idle {
        #[command(flatten)]
        target: Target,
        /// Sockets
        #[arg(long, default_value_t = 5_000)]
        sockets: usize,
    },
    /// Fill a migrated Postgres database with rooms `fill-1`, `fill-2` … of made-up messages
    Fill {
        /// Where it is
        #[arg(long)]
        database: String,
        /// Messages in all
        #[arg(long, default_value_t = 1_000_000)]
        messages: i64,
        /// Rooms they are in
        #[arg(long, default_value_t = 10)]
        rooms: i64,
    },
    /// How long searches of a filled database take
    Search {
        #[command(flatten)]
        target: Target,
        /// Filled rooms to be searched
        #[arg(long, default_value_t = 10)]
        rooms: usize,
        /// Searches of each kind
        #[arg(long, default_value_t = 200)]
        count: usize,
    },
    /// How long a room of a filled database takes to open, and how often the database is asked
    Open {
        #[command(flatten)]
        target: Target,
        /// The database
        #[arg(long)]
        database: String,
        /// Filled rooms to be opened, in turn
        #[arg(long, default_value_t = 10)]
        rooms: usize,
        /// Openings
        #[arg(long, default_value_t = 400)]
        count: usize,
    },
    /// How long the export of `fill-1` takes, and what the server keeps of it
    Export {
        #[command(flatten)]
        target: Target,
    },
}

fn main() {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        match arguments.command {
            Command::Acks {
                target,
                senders,
                rooms,
                in_flight,
                joined,
            } => {
                acks::run(&target, senders, rooms, in_flight, joined).await;
            }
            Command::Fanout {
                target,
                width,
                rate,
            } => fanout::run(&target, width, rate).await,
            Command::Idle { target, sockets } => idle::run(&target, sockets).await,
            Command::Fill {
                database,
                messages,
                rooms,
            } => fill::run(&database, messages, rooms).await,
            Command::Search {
                target,
                rooms,
                count,
            } => search::search(&target, rooms, count).await,
            Command::Open {
                target,
                database,
                rooms,
                count,
            } => open::run(&target, &database, rooms, count).await,
            Command::Export { target } => search::export(&target).await,
        }
    });
}
