//! The stack of each firmware: its deepest path, computed from static frames, against a budget.

mod graph;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use thumbnet_build::{Core, stack_len};

use crate::shell::{command, finish, root};
use graph::Graph;

/// A firmware on a board, and the most stack that it may take.
struct Budget {
    board: &'static str,
    bin: &'static str,
    features: &'static str,
    bytes: u64,
}

const fn budget(board: &'static str, bin: &'static str, features: &'static str, bytes: u64) -> Budget {
    Budget { board, bin, features, bytes }
}

/// `no_panic` is nothing but the runtime: loading, self-test and running, with all operators. The others write text, whose calls
/// through pointers are not followed; nor is what panics.
const BUDGETS: [Budget; 8] = [
    budget("m0", "no_panic", "", stack_len(Core::M0)),
    budget("m3", "no_panic", "", stack_len(Core::M3)),
    budget("m4", "no_panic", "", stack_len(Core::M4)),
    budget("m33", "no_panic", "", stack_len(Core::M33)),
    budget("m55", "no_panic", "", stack_len(Core::M55)),
    budget("m4", "qemu_runner", "qemu", 4608),
    budget("m4", "listen", "qemu", 4608),
    budget("nrf52840", "nrf52840", "nrf52840", 4608),
];

/// Prints the deepest path of every firmware, or of those on some boards, and fails where one is deeper than its budget.
pub fn check(boards: &[String]) -> Result<()> {
    let mut failures = Vec::new();
    for budget in BUDGETS.iter().filter(|budget| boards.is_empty() || boards.iter().any(|b| b == budget.board)) {
        let Budget { board, bin, bytes, .. } = budget;
        let graph = Graph::read(&fs::read(build(budget)?)?).with_context(|| format!("{bin} on {board}"))?;
        let path = graph.deepest("main")?;
        println!("{bin} on {board}: {} bytes of stack at most, of {bytes}\n{path}", path.bytes);
        let pointers = graph.pointed_to();
        if !pointers.is_empty() {
            println!("    beside calls through pointers, of {} functions", pointers.len());
        }
        if *bin == "no_panic" && !pointers.is_empty() {
            failures.push(format!("the runtime on {board} calls through pointers: {}", pointers.join(", ")));
        }
        if path.bytes > *bytes {
            let excess = path.bytes - bytes;
            failures.push(format!("{bin} on {board} takes {excess} bytes of stack more than its {bytes}:\n{path}"));
        }
    }
    if failures.is_empty() {
        return Ok(());
    }
    bail!("{}", failures.join("\n"))
}

/// Builds a firmware with the sizes of its frames and the relocations of its calls.
///
/// Both flags are for nightly only; the pinned compiler is told to take them all the same, because the frames of another one
/// would not be those of the firmware that is shipped.
fn build(budget: &Budget) -> Result<PathBuf> {
    let Budget { board, bin, features, .. } = budget;
    let target = match *board {
        "m0" => "thumbv6m-none-eabi",
        "m3" => "thumbv7m-none-eabi",
        "m33" | "m55" => "thumbv8m.main-none-eabihf",
        _ => "thumbv7em-none-eabihf",
    };
    let folder = root().join("target/stack").join(board);
    // The name of the target is split at its dot, here as in the board's own file.
    let flags =
        format!("target.{target}.rustflags = [\"-Z\", \"emit-stack-sizes\", \"-C\", \"link-arg=--emit-relocs\"]");
    let board = format!("boards/{board}.toml");
    let mut cargo = command("cargo", &["--config", &board, "--config", &flags, "build", "--release", "--locked"]);
    cargo.args(["--quiet", "--features", features, "--bin", bin]).arg("--target-dir").arg(&folder);
    cargo.env("RUSTC_BOOTSTRAP", "1").env_remove("RUSTFLAGS").current_dir(root().join("firmware"));
    finish(cargo)?;
    Ok(folder.join(target).join("release").join(bin))
}
