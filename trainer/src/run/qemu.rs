//! Running on an emulated board: builds the runner firmware for it, puts the model into its flash, and lets it read inputs
//! and write outputs as files by semihosting.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use wait_timeout::ChildExt;

use super::target::Board;
use super::{MinMax, Report, StepReport};

const QEMU: &str = "qemu-system-arm";

/// A run that takes longer hangs: QEMU executes some hundred million instructions per second.
const TIMEOUT: Duration = Duration::from_secs(1800);

/// What the runner prints: one line of JSON, times in SysTick ticks.
#[derive(Deserialize)]
struct Answer {
    inferences: u64,
    ticks: [u64; 2],
    load_ticks: u64,
    peak_ram: u64,
    state: u64,
    stack: u64,
    /// Digest and ticks of every step.
    steps: Vec<(u32, u64)>,
}

pub(super) fn run(model: &[u8], inputs: &[u8], board: Board) -> Result<(Vec<u8>, Report)> {
    ensure!(
        model.len() <= board.model_len,
        "the model has {} bytes, {} ({}) has room for {}",
        model.len(),
        board.name,
        board.machine,
        board.model_len
    );
    let elf = build(board.name)?;
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let file = |name: &str| folder.path().join(name);
    fs::write(file("model.tnet"), model)?;
    fs::write(file("in"), inputs)?;
    let mut qemu = Command::new(QEMU);
    qemu.current_dir(folder.path())
        .args(["-M", board.machine, "-nographic", "-monitor", "none", "-serial", "none", "-icount", "shift=6"])
        .arg("-device")
        .arg(format!("loader,file=model.tnet,addr={:#x},force-raw=on", board.model_at))
        .arg("-semihosting-config")
        .arg(format!("enable=on,target=native,arg=runner,arg={}", model.len()))
        .arg("-kernel")
        .arg(&elf);
    let text = output(qemu, board)?;
    let answer: Answer = serde_json::from_str(&text).with_context(|| format!("the runner answered {text:?}"))?;
    let outputs = fs::read(file("out")).context("the runner wrote no outputs")?;
    let instructions = |ticks: u64| ticks * 1000 / board.milliticks;
    let [min, max] = answer.ticks.map(instructions);
    let step = |&(digest, ticks): &(u32, u64)| StepReport { digest, instructions: Some(instructions(ticks)) };
    let report = Report {
        inferences: answer.inferences,
        instructions: Some(MinMax { min, max }),
        peak_ram: answer.peak_ram,
        state: answer.state,
        stack: Some(answer.stack),
        load_instructions: Some(instructions(answer.load_ticks)),
        steps: answer.steps.iter().map(step).collect(),
    };
    Ok((outputs, report))
}

/// Runs QEMU to its end and gives what it printed.
fn output(mut qemu: Command, board: Board) -> Result<String> {
    let spawned = qemu.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = spawned.with_context(|| {
        format!("cannot start {QEMU}: install it (Debian: apt-get install {QEMU}; Fedora: dnf install {QEMU}; macOS: brew install qemu)")
    })?;
    let mut child = KillOnDrop(child);
    let status =
        child.0.wait_timeout(TIMEOUT)?.with_context(|| format!("{} did not end in {TIMEOUT:?}", board.machine))?;
    let read = |stream: Option<&mut dyn Read>| {
        let mut text = String::new();
        stream.map(|stream| stream.read_to_string(&mut text)).transpose().map(|_| text)
    };
    let stdout = read(child.0.stdout.as_mut().map(|stream| stream as _))?;
    let stderr = read(child.0.stderr.as_mut().map(|stream| stream as _))?;
    if !status.success() {
        bail!("on {} ({}): {}", board.name, board.machine, stderr.trim().trim_start_matches("error: "));
    }
    Ok(stdout)
}

struct KillOnDrop(Child);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        // Fails where it has ended already, which is as well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The folder of the firmware: beside this crate, or where `THUMBNET_FIRMWARE` says.
///
/// # Errors
/// It is not there.
pub fn firmware() -> Result<PathBuf> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../firmware");
    let folder = std::env::var_os("THUMBNET_FIRMWARE").map_or_else(default, PathBuf::from);
    ensure!(
        folder.join("boards").is_dir(),
        "there is no firmware in {}: set THUMBNET_FIRMWARE to the firmware folder of thumbnet's source",
        folder.display()
    );
    Ok(folder.canonicalize()?)
}

/// Builds the runner for a board, which takes no time where it is built already.
pub(super) fn build(board: &str) -> Result<PathBuf> {
    let folder = firmware()?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Flags and toolchain of an outer cargo are for the host.
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTUP_TOOLCHAIN"] {
        cargo.env_remove(name);
    }
    let config = format!("boards/{board}.toml");
    cargo.current_dir(&folder).args(["--config", &config, "build", "--release", "--locked", "--quiet"]);
    cargo.args(["--bin", "qemu_runner", "--features", "qemu"]);
    // Said here, because a CARGO_TARGET_DIR of the caller would replace the one in the board's file.
    let target = folder.join(format!("../target/firmware/{board}"));
    cargo.arg("--target-dir").arg(&target);
    let output = cargo.output().context("cannot start cargo, which builds the firmware")?;
    ensure!(
        output.status.success(),
        "the firmware for {board} does not build; is the target installed (cargo xtask setup)?\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut elfs = fs::read_dir(&target)?.filter_map(|entry| Some(entry.ok()?.path().join("release/qemu_runner")));
    elfs.find(|elf| elf.is_file()).with_context(|| format!("cargo built no runner below {}", target.display()))
}
