//! The tasks.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail, ensure};

use crate::fuzz;
use crate::setup;
use crate::shell::{command, finish, phase, root, run};
use crate::stack;

/// Everything that must hold, cheapest first. All failures are reported, not only the first.
pub fn test(full: bool) -> Result<()> {
    phase("set-up", setup::all)?;
    let mut failures = Vec::new();
    let mut check = |name: &str, work: &dyn Fn() -> Result<()>| {
        if let Err(error) = phase(name, work) {
            failures.push(format!("{name}: {error:#}"));
        }
    };
    check("format", &|| run("cargo", &["fmt", "--all", "--check"]));
    check("format of the firmware", &|| {
        let mut format = command("cargo", &["fmt", "--check"]);
        format.current_dir(root().join("firmware"));
        finish(format)
    });
    check("lints", &|| run("cargo", &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]));
    check("lints of the runtime's features", &|| {
        run(
            "cargo",
            &["clippy", "-p", "thumbnet", "--all-features", "--all-targets", "--locked", "--", "-D", "warnings"],
        )
    });
    // Each family of kernels is code of its own; the last one goes by the core's name.
    for (family, target, flags) in [
        ("v6m", "thumbv6m-none-eabi", ""),
        ("v7m", "thumbv7m-none-eabi", ""),
        ("dsp", "thumbv7em-none-eabihf", ""),
        ("helium", "thumbv8m.main-none-eabihf", "-C target-cpu=cortex-m55"),
    ] {
        check(&format!("lints of the {family} kernels"), &|| {
            let args = ["clippy", "-p", "thumbnet", "--target", target, "--locked", "--", "-D", "warnings"];
            let mut lints = command("cargo", &args);
            lints.env("RUSTFLAGS", flags);
            finish(lints)
        });
    }
    check("tests", &|| {
        let mut tests = command("cargo", &["test", "--workspace", "--locked", "--no-fail-fast"]);
        if full {
            tests.env("THUMBNET_FULL", "1");
        }
        finish(tests)
    });
    for (test, features) in [("edges", "embedded-hal,heapless,libm"), ("approximate", "micromath")] {
        check(&format!("tests of the runtime's features {features}"), &|| {
            run("cargo", &["test", "-p", "thumbnet", "--features", features, "--test", test, "--locked"])
        });
    }
    check("documentation", &|| {
        let mut doc = command("cargo", &["doc", "--workspace", "--no-deps", "--locked"]);
        doc.env("RUSTDOCFLAGS", "-D warnings");
        finish(doc)
    });
    for board in ["m0", "m3", "m4", "m33", "m55"] {
        check(&format!("proof that nothing panics, {board}"), &|| {
            firmware(board, &["build", "--features", "self-test", "--bin", "no_panic", "--bin", "no_panic_compiled"])
        });
    }
    for board in ["m0", "m4", "m33"] {
        check(&format!("proof that a planted panic is found, {board}"), &|| planted_panic(board));
    }
    let boards: &[&str] = if full { &[] } else { &["m0", "m4"] };
    check("stack of the firmware", &|| stack::check(&boards.iter().map(ToString::to_string).collect::<Vec<_>>()));
    check("lints of the firmware", &|| {
        firmware("m4", &["clippy", "--features", "qemu", "--bins", "--lib", "--", "-D", "warnings"])
    });
    check("firmware of the nRF52840", &|| {
        firmware("nrf52840", &["build", "--features", "nrf52840", "--bin", "nrf52840"])?;
        firmware("nrf52840", &["build", "--features", "nrf52840-listen", "--bin", "nrf52840_listen"])
    });
    if full && has_miri() {
        check("safe code under Miri", &miri);
    } else if full {
        eprintln!("== safe code under Miri: skipped, it needs rustup component add miri rust-src --toolchain nightly");
    }
    if full && fuzz::is_possible() {
        check("fuzzing", &|| fuzz::all(180));
    } else if full {
        eprintln!("== fuzzing: skipped, {}", fuzz::MISSING);
    }
    if failures.is_empty() {
        return Ok(());
    }
    bail!("{} of the checks failed:\n  {}", failures.len(), failures.join("\n  "))
}

/// The firmware `no_panic` must not link with a panic in it, and must say why.
fn planted_panic(board: &str) -> Result<()> {
    let output = firmware_command(board, &["build", "--features", "planted-panic", "--bin", "no_panic"]).output()?;
    let messages = String::from_utf8_lossy(&output.stderr);
    ensure!(!output.status.success(), "no_panic links with a panic in it: its proof is worth nothing");
    ensure!(messages.contains("a panic path survived"), "no_panic does not build for another reason:\n{messages}");
    Ok(())
}

/// Whether there is a nightly Rust with Miri.
fn has_miri() -> bool {
    command("cargo", &["+nightly", "miri", "--version"]).output().is_ok_and(|output| output.status.success())
}

/// Every access of checking and running models, and of every kernel, as far as it is Rust: in minutes.
fn miri() -> Result<()> {
    for tests in [&["-p", "thumbnet-mutation"][..], &["-p", "thumbnet", "--test", "kernels"]] {
        let mut miri = command("cargo", &["+nightly", "miri", "test", "--locked"]);
        miri.args(tests);
        // Tests read files.
        miri.env("MIRIFLAGS", "-Zmiri-disable-isolation").env("CARGO_TARGET_DIR", root().join("target/miri"));
        finish(miri)?;
    }
    Ok(())
}

/// Runs cargo for a board, with its own flags and target folder.
fn firmware(board: &str, args: &[&str]) -> Result<()> {
    finish(firmware_command(board, args))
}

fn firmware_command(board: &str, args: &[&str]) -> Command {
    let config = format!("boards/{board}.toml");
    let mut cargo = command("cargo", &[args[0], "--config", &config, "--release", "--locked"]);
    // Before any `--`; a CARGO_TARGET_DIR of the caller would replace the one in the board's file.
    cargo.arg("--target-dir").arg(root().join("target/firmware").join(board));
    cargo.args(&args[1..]).current_dir(root().join("firmware"));
    cargo
}

/// From generated digits to the answer of every emulated core.
pub fn demo() -> Result<()> {
    phase("set-up", setup::all)?;
    demo_model()?;
    let [run_dir, model] = demo_paths().map(|path| path.to_string_lossy().into_owned());
    phase("inspect", || thumbnet(&["inspect", &model]))?;
    phase("verify", || thumbnet(&["verify", &run_dir, "--model", &model]))?;
    phase("report", || thumbnet(&["report", &run_dir, "--model", &model]))
}

/// Where the demo keeps what it trained, and the model made from it.
fn demo_paths() -> [PathBuf; 2] {
    ["digits", "digits.tnet"].map(|name| root().join("target/demo").join(name))
}

/// Trains and exports the demo's network.
fn demo_model() -> Result<()> {
    let [run_dir, model] = demo_paths().map(|path| path.to_string_lossy().into_owned());
    phase("build", || run("cargo", &["build", "-p", "thumbnet-trainer"]))?;
    phase("train", || thumbnet(&["train", "trainer/recipes/digits_demo.toml", "--out", &run_dir]))?;
    phase("export", || thumbnet(&["export", &run_dir, "-o", &model]))
}

/// Instructions, memory and code on every emulated core: of given models, of the demo's, or of everything there is. With `cycles` also
/// estimated clock cycles of the networks.
pub fn bench(models: &[PathBuf], demo: bool, cycles: bool) -> Result<()> {
    phase("set-up", setup::all)?;
    let [_, trained] = demo_paths();
    if demo && !trained.is_file() {
        demo_model()?;
    }
    if models.is_empty() && !demo {
        return bench_all(cycles);
    }
    let models = if demo { &[trained] } else { models };
    for model in models {
        let model = model.to_string_lossy();
        let cycles: &[&str] = if cycles { &["--cycles"] } else { &[] };
        thumbnet(&[&["bench", &*model], cycles].concat())?;
    }
    Ok(())
}

/// The tests that hold the counts to their snapshots print them too.
fn bench_all(cycles: bool) -> Result<()> {
    let mut tests = command("cargo", &["test", "--quiet", "-p", "thumbnet-host-tests", "--locked", "--no-fail-fast"]);
    tests.args(["--test", "instructions", "--test", "models", "--", "--nocapture"]).env("THUMBNET_CODE", "1");
    if cycles {
        tests.env("THUMBNET_CYCLES", "1");
    }
    finish(tests)
}

fn thumbnet(args: &[&str]) -> Result<()> {
    run("cargo", &[&["run", "--quiet", "-p", "thumbnet-trainer", "--bin", "thumbnet", "--"], args].concat())
}
