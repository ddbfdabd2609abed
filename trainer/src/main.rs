//! The command line of thumbnet. Errors go to stderr with exit code 1, wrong usage with 2, Ctrl-C with 130.

mod cli;

use std::process::ExitCode;

use thumbnet_trainer::train::Interrupted;

fn main() -> ExitCode {
    // As other programs do in front of a closed pipe (`thumbnet inspect … | head`): end, instead of a panic.
    sigpipe::reset();
    match cli::main() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Interrupted>() => {
            eprintln!("{error}");
            ExitCode::from(cli::INTERRUPTED)
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
