//! The command line as a process: started, waited for, and ended by signals.
// Each file of tests has this module of its own and needs a part of it.
#![allow(dead_code)]

use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// `thumbnet` with its first words; says nothing to the terminal of the tests.
pub fn thumbnet(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thumbnet"));
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Runs a command that must succeed; gives what it wrote to stdout.
pub fn succeed(command: &mut Command) -> String {
    let output = command.stdout(Stdio::piped()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until something has happened, while the process runs; a minute is far more than anything here takes.
pub fn wait_until(child: &mut Child, what: &str, mut has_happened: impl FnMut() -> bool) {
    let started = Instant::now();
    while !has_happened() {
        assert!(child.try_wait().unwrap().is_none(), "the process ended before: {what}");
        assert!(started.elapsed() < Duration::from_secs(60), "never happened: {what}");
        sleep(Duration::from_millis(2));
    }
}

/// Sends a signal, such as `INT`.
pub fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status().unwrap();
    assert!(status.success(), "kill -{name}");
}
