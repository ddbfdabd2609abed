//! The command line of thumbnet. Errors go to stderr with exit code 1, wrong usage with 2.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    // As other programs do in front of a closed pipe (`thumbnet inspect … | head`): end, instead of a panic.
    sigpipe::reset();
    match cli::main() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
