//! `cargo xtask`: set-up, demo, tests and bench of thumbnet, each in one command that does everything it needs.

mod chips;
mod fuzz;
mod setup;
mod shell;
mod stack;
mod tasks;
mod train;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Set-up, demo, tests and bench of thumbnet.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Installs what the others need: Rust targets and QEMU.
    Setup,
    /// Trains a network on generated digits, exports it and runs it on emulated Cortex-M chips.
    Demo,
    /// Checks the format, lints, runs all tests and builds every firmware.
    Test {
        /// Also what takes long.
        #[arg(long)]
        full: bool,
    },
    /// Fuzzes each target for some seconds, from a fixed seed; needs nightly Rust and cargo-fuzz.
    Fuzz {
        /// Seconds for each target.
        #[arg(long, default_value_t = 180)]
        seconds: u32,
    },
    /// Writes the table of chips anew, from probe-rs's target list.
    Chips,
    /// Computes the deepest path through each firmware's calls, and fails where it takes more stack than its budget.
    Stack {
        /// Boards, all by default.
        #[arg(long, value_delimiter = ',')]
        on: Vec<String>,
    },
    /// Counts instructions on every emulated core: of every kernel, of the recipes' networks and of shared models, beside what others
    /// need; or of given model files alone.
    Bench {
        /// Model files.
        models: Vec<std::path::PathBuf>,
        /// The demo's network, which is trained first where it is not there yet.
        #[arg(long, conflicts_with = "models")]
        demo: bool,
        /// Also estimate clock cycles of a Cortex-M4 for whole networks; needs a C compiler.
        #[arg(long)]
        cycles: bool,
        /// How long training takes instead, beside PyTorch where there is one.
        #[arg(long, conflicts_with_all = ["models", "demo", "cycles"])]
        train: bool,
    },
}

fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::Setup => setup::all(),
        Task::Demo => tasks::demo(),
        Task::Test { full } => tasks::test(full),
        Task::Fuzz { seconds } => fuzz::all(seconds),
        Task::Chips => chips::write(),
        Task::Stack { on } => stack::check(&on),
        Task::Bench { train: true, .. } => train::bench(),
        Task::Bench { models, demo, cycles, .. } => tasks::bench(&models, demo, cycles),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
