//! Running on an emulated board: builds the runner firmware for it, puts the model into its flash, and lets it read inputs
//! and write outputs as files by semihosting.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use object::{Object, ObjectSection};
use serde::Deserialize;
use wait_timeout::ChildExt;

use super::target::Board;
use super::{Compiled, MinMax, Report, StepReport};

pub(super) const QEMU: &str = "qemu-system-arm";

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
    /// Digest of every step, ticks of its cheapest and of its dearest run.
    steps: Vec<(u32, u64, u64)>,
}

pub(super) fn run(model: &[u8], inputs: &[u8], board: Board) -> Result<(Vec<u8>, Report)> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let file = |name: &str| folder.path().join(name);
    fs::write(file("in"), inputs)?;
    let qemu = machine("qemu_runner", model, folder.path(), &[], board)?;
    let text = output(qemu, board)?;
    let answer: Answer = serde_json::from_str(&text).with_context(|| format!("the runner answered {text:?}"))?;
    let outputs = fs::read(file("out")).context("the runner wrote no outputs")?;
    let instructions = |ticks: u64| ticks * 1000 / board.milliticks;
    let [min, max] = answer.ticks.map(instructions);
    let step = |&(digest, least, most): &(u32, u64, u64)| StepReport {
        digest,
        instructions: Some(instructions(most)),
        least: Some(instructions(least)),
    };
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

/// QEMU in a folder with a firmware and a model, whose length is the first of the firmware's arguments.
pub(super) fn machine(bin: &str, model: &[u8], folder: &Path, arguments: &[i32], board: Board) -> Result<Command> {
    ensure!(
        model.len() <= board.model_len,
        "the model has {} bytes, {} ({}) has room for {}",
        model.len(),
        board.name,
        board.machine,
        board.model_len
    );
    fs::write(folder.join("model.tnet"), model)?;
    let arguments: String = arguments.iter().map(|argument| format!(",arg={argument}")).collect();
    let mut qemu = Command::new(QEMU);
    qemu.current_dir(folder)
        .args(["-M", board.machine, "-nographic", "-monitor", "none", "-serial", "none", "-icount", "shift=6"])
        .arg("-device")
        .arg(format!("loader,file=model.tnet,addr={:#x},force-raw=on", board.model_at))
        .arg("-semihosting-config")
        .arg(format!("enable=on,target=native,arg=runner,arg={}{arguments}", model.len()))
        .arg("-kernel")
        .arg(built(board.name, bin)?);
    Ok(qemu)
}

/// Runs QEMU to its end and gives what it printed.
pub(super) fn output(mut qemu: Command, board: Board) -> Result<String> {
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

/// Bytes of code and constants that the runtime with these features takes in flash: what the firmware `no_panic`, which does
/// nothing but check and run a model, places there beside its model and its vector table.
pub(super) fn code_len(board: &str, features: &[&str]) -> Result<u64> {
    let elf = build_bin(board, "no_panic", &["--no-default-features", "--features", &features.join(",")])?;
    let model = fs::metadata(firmware()?.join("models/digits.tnet"))?.len();
    Ok(flash_len(&elf)?.saturating_sub(model))
}

/// Bytes of code and constants of a firmware.
fn flash_len(elf: &Path) -> Result<u64> {
    let bytes = fs::read(elf)?;
    let file = object::File::parse(bytes.as_slice())?;
    let sections = file.sections().filter(|section| matches!(section.name(), Ok(".text" | ".rodata" | ".data")));
    Ok(sections.map(|section| section.size()).sum())
}

/// Builds a generated module into a firmware, lets it test itself on the board, and gives what an inference takes.
pub(super) fn run_compiled(module: &Path, board: Board) -> Result<Compiled> {
    #[derive(Deserialize)]
    struct Answer {
        ticks: u64,
        memory: u64,
        stack: u64,
    }
    let elf = build_with(board.name, "compiled", &["--features", "qemu"], Some(module))?;
    let mut qemu = Command::new(QEMU);
    qemu.args(["-M", board.machine, "-nographic", "-monitor", "none", "-serial", "none", "-icount", "shift=6"])
        .args(["-semihosting-config", "enable=on,target=native", "-kernel"])
        .arg(elf);
    let text = output(qemu, board)?;
    let answer: Answer = serde_json::from_str(&text).with_context(|| format!("the firmware answered {text:?}"))?;
    let Answer { ticks, memory, stack } = answer;
    Ok(Compiled { instructions: ticks * 1000 / board.milliticks, memory, stack })
}

/// Bytes of code and constants beside its tables that a generated module takes in flash. That it links at all is the proof
/// that nothing in it panics.
pub(super) fn compiled_code_len(module: &Path, tables_len: usize, board: &str) -> Result<u64> {
    let elf = build_with(board, "no_panic_compiled", &[], Some(module))?;
    Ok(flash_len(&elf)?.saturating_sub(tables_len as u64))
}

/// The firmware for an emulated board, built once in the life of this process: asking cargo takes longer than most runs.
pub(super) fn built(board: &'static str, bin: &str) -> Result<PathBuf> {
    static BUILT: Mutex<BTreeMap<(&'static str, String), PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(elf) = built.get(&(board, bin.to_owned())) {
        return Ok(elf.clone());
    }
    let elf = build_bin(board, bin, &["--features", "qemu"])?;
    built.insert((board, bin.to_owned()), elf.clone());
    Ok(elf)
}

/// Builds a firmware for a board, which takes no time where it is built already.
fn build_bin(board: &str, bin: &str, features: &[&str]) -> Result<PathBuf> {
    build_with(board, bin, features, None)
}

fn build_with(board: &str, bin: &str, features: &[&str], module: Option<&Path>) -> Result<PathBuf> {
    let folder = firmware()?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Flags and toolchain of an outer cargo are for the host, its model for another firmware.
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTUP_TOOLCHAIN", "THUMBNET_MODEL", "THUMBNET_COMPILED"] {
        cargo.env_remove(name);
    }
    if let Some(module) = module {
        cargo.env("THUMBNET_COMPILED", module.canonicalize().with_context(|| module.display().to_string())?);
    }
    let config = format!("boards/{board}.toml");
    cargo.current_dir(&folder).args(["--config", &config]);
    if board == "m0" && !bin.starts_with("no_panic") {
        // With every operator it fits the flash only so. What only has to link is measured as a user builds it.
        cargo.args(["--config", "profile.release.opt-level=\"s\""]);
    }
    cargo.args(["build", "--release", "--locked", "--quiet"]);
    // Said here, because a CARGO_TARGET_DIR of the caller would replace the one in the board's file.
    let target = folder.join(format!("../target/firmware/{board}"));
    cargo.arg("--target-dir").arg(&target).args(["--bin", bin]).args(features);
    let output = cargo.output().context("cannot start cargo, which builds the firmware")?;
    ensure!(
        output.status.success(),
        "the firmware for {board} does not build; is the target installed (cargo xtask setup)?\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut elfs = fs::read_dir(&target)?.filter_map(|entry| Some(entry.ok()?.path().join("release").join(bin)));
    elfs.find(|elf| elf.is_file()).with_context(|| format!("cargo built no {bin} below {}", target.display()))
}
