//! Estimated clock cycles of a Cortex-M4: a plugin for QEMU, written in C because that is its interface, is built where a C compiler is
//! there and sums what every instruction takes by the core's reference manual (`cycles.c` says what it leaves out).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use object::{Object, ObjectSymbol};

use super::qemu::{QEMU, built, machine, output};
use super::target::Board;

const SOURCE: &str = include_str!("cycles.c");
/// The function that the runner calls at each edge of what it measures.
const EDGE: &str = "thumbnet_edge";

/// Estimated cycles of every step of the first inference.
pub(super) fn cycles(model: &[u8], inputs: &[u8], steps: usize, board: Board) -> Result<Vec<u64>> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    fs::write(folder.path().join("in"), inputs)?;
    plugin(folder.path())?;
    let edge = edge(&built(board.name, RUNNER)?)?;
    let mut qemu = machine(RUNNER, model, folder.path(), &[], board)?;
    qemu.arg("-plugin").arg(format!("file=./plugin.so,mark={edge:#x},out=cycles"));
    output(qemu, board)?;
    let text = fs::read_to_string(folder.path().join("cycles")).context("the plugin wrote nothing")?;
    of_steps(&text, steps)
}

const RUNNER: &str = "qemu_runner";

/// Builds the plugin into a folder.
fn plugin(folder: &Path) -> Result<()> {
    fs::write(folder.join("plugin.c"), SOURCE)?;
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut cc = Command::new(&compiler);
    cc.current_dir(folder).args(["-O2", "-fPIC", "-shared", "-o", "plugin.so", "plugin.c"]);
    cc.arg(format!("-DAPI={}", interface()?));
    let built = cc.output().with_context(|| {
        format!(
            "cannot start the C compiler {}, which builds the plugin that estimates cycles: install one (Debian: apt-get install gcc) or \
             set CC; instructions are counted without it",
            compiler.display()
        )
    })?;
    ensure!(built.status.success(), "the plugin does not build:\n{}", String::from_utf8_lossy(&built.stderr));
    Ok(())
}

/// Version of QEMU's interface for plugins.
fn interface() -> Result<u32> {
    let text =
        Command::new(QEMU).arg("--version").output().with_context(|| format!("cannot start {QEMU}: install it"))?;
    let text = String::from_utf8_lossy(&text.stdout);
    Ok(interface_of(&text).unwrap_or(1))
}

/// From the first line of `--version`, `QEMU emulator version 7.2.22 (…)`.
fn interface_of(text: &str) -> Option<u32> {
    let mut numbers = text.split_whitespace().nth(3)?.split('.').map(str::parse::<u32>);
    Some(match (numbers.next()?.ok()?, numbers.next()?.ok()?) {
        (0..=8, _) => 1,
        (9, 0) => 2,
        (9, 1) => 3,
        _ => 4,
    })
}

/// Address of [`EDGE`] in the runner.
fn edge(elf: &PathBuf) -> Result<u64> {
    let bytes = fs::read(elf)?;
    let file = object::File::parse(bytes.as_slice())?;
    let mut symbols = file.symbols();
    let symbol = symbols.find(|symbol| symbol.name() == Ok(EDGE));
    // The lowest bit of a function's address says that its code is Thumb.
    Ok(symbol.with_context(|| format!("{} has no symbol {EDGE}", elf.display()))?.address() & !1)
}

/// What lies between the edges: two that have nothing in between, then for each inference one in front of it, and two behind every step,
/// between which it is recorded.
fn of_steps(text: &str, steps: usize) -> Result<Vec<u64>> {
    let total = |line: &str| line.split_whitespace().nth(1).and_then(|cycles| cycles.parse::<u64>().ok());
    let edges: Vec<u64> = text.lines().map_while(total).collect();
    let expected = 3 + 2 * steps;
    ensure!(edges.len() >= expected, "the plugin saw {} edges, {expected} are in one inference", edges.len());
    let overhead = edges[1] - edges[0];
    let steps = edges[2..expected].as_chunks::<2>().0.iter();
    Ok(steps.map(|[from, to]| (to - from).saturating_sub(overhead)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_become_cycles_of_steps() {
        // 7 of overhead; steps of 100 and 20 with 50 of recording in between; the second inference does not count.
        let text = "0 10\n0 17\n0 100\n0 207\n0 257\n0 284\n0 300\n0 1000\n";
        assert_eq!(of_steps(text, 2).unwrap(), [100, 20]);
        assert!(of_steps("0 10\n0 17\n0 100\n", 2).unwrap_err().to_string().contains("saw 3 edges, 7 are in"));
    }

    #[test]
    fn versions_of_qemu_have_versions_of_the_interface() {
        let of = |version: &str| interface_of(&format!("QEMU emulator version {version} (Debian)\nCopyright"));
        assert_eq!(["7.2.22", "8.2.0", "9.0.1", "9.1.0", "10.0.2"].map(of), [1, 1, 2, 3, 4].map(Some));
        assert_eq!(interface_of("something else"), None);
    }
}
