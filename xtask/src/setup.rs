//! What a fresh machine lacks.

use anyhow::{Result, bail};

use crate::shell::{command, exists, run};

/// The Rust targets of rust-toolchain.toml. Toolchains are not installed by themselves everywhere, so this asks for them.
const TARGETS: [&str; 4] =
    ["thumbv6m-none-eabi", "thumbv7m-none-eabi", "thumbv7em-none-eabihf", "thumbv8m.main-none-eabihf"];

const QEMU: &str = "qemu-system-arm";

/// Installs targets, components and QEMU where they are missing.
pub fn all() -> Result<()> {
    rust()?;
    qemu()
}

fn rust() -> Result<()> {
    if !exists("rustup") {
        bail!("rustup is not installed: get it from https://rustup.rs, it adds the Cortex-M targets");
    }
    let installed = command("rustup", &["target", "list", "--installed"]).output()?;
    let installed = String::from_utf8_lossy(&installed.stdout);
    let missing = TARGETS.iter().filter(|target| !installed.lines().any(|line| line == **target));
    let missing: Vec<&str> = missing.copied().collect();
    if !missing.is_empty() {
        run("rustup", &[&["target", "add"], missing.as_slice()].concat())?;
    }
    if !exists("cargo-clippy") || !exists("rustfmt") {
        run("rustup", &["component", "add", "clippy", "rustfmt"])?;
    }
    Ok(())
}

fn qemu() -> Result<()> {
    if exists(QEMU) {
        return Ok(());
    }
    if exists("apt-get") {
        let is_root = command("id", &["-u"]).output().is_ok_and(|output| output.stdout == b"0\n");
        let with_sudo = || command("sudo", &["-n", "true"]).status().is_ok_and(|status| status.success());
        let prefix: &[&str] = if is_root { &[] } else { &["sudo", "-n"] };
        if is_root || with_sudo() {
            for args in [&["apt-get", "update"][..], &["apt-get", "install", "-y", QEMU]] {
                let line = [prefix, args].concat();
                run(line[0], &line[1..])?;
            }
        }
    }
    if exists(QEMU) {
        return Ok(());
    }
    bail!(
        "{QEMU} is not installed, and cannot be from here. Install it and try again:\n  \
         Debian, Ubuntu: sudo apt-get install qemu-system-arm\n  \
         Fedora:         sudo dnf install qemu-system-arm\n  \
         macOS:          brew install qemu"
    )
}
