//! Picks the board's memory map. The board is a `--cfg` in its file under `boards/`, so that cargo knows the difference.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-changed=memory");
    println!("cargo:rerun-if-env-changed=THUMBNET_MODEL");
    println!("cargo:rerun-if-env-changed=THUMBNET_MEMORY");
    let Ok(board) = env::var("CARGO_CFG_BOARD") else {
        println!("cargo:warning=no board: build with `cargo --config boards/NAME.toml build ...`");
        return;
    };
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets OUT_DIR"));
    let map = env::var_os("THUMBNET_MEMORY").map_or_else(|| memory(&board), PathBuf::from);
    fs::copy(&map, out.join("memory.x")).unwrap_or_else(|error| panic!("{}: {error}", map.display()));
    println!("cargo:rerun-if-changed={}", map.display());
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    println!("cargo:rustc-link-arg-bins=--nmagic");
    if env::var_os("CARGO_FEATURE_NRF52840").is_some() {
        println!("cargo:rustc-link-arg-bins=-Tdefmt.x");
    }
    compiled(&out);
    let default = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("models/digits.tnet");
    let model = env::var_os("THUMBNET_MODEL").map_or(default, PathBuf::from);
    assert!(model.is_file(), "there is no model {}: set THUMBNET_MODEL to the absolute path of one", model.display());
    println!("cargo:rerun-if-changed={}", model.display());
    println!("cargo:rustc-env=THUMBNET_MODEL={}", model.display());
    #[cfg(feature = "nrf52840")]
    embed(&model, &map);
}

/// The board's map; the runner's leaves room for the model that the emulator puts into the flash.
fn memory(board: &str) -> PathBuf {
    let alone = PathBuf::from(format!("memory/{board}-alone.x"));
    let has_model_apart = env::var_os("CARGO_FEATURE_QEMU").is_some();
    if !has_model_apart && alone.is_file() { alone } else { format!("memory/{board}.x").into() }
}

/// Gives the example its model, and stops where the chip has no room for it.
#[cfg(feature = "nrf52840")]
fn embed(model: &Path, map: &Path) {
    /// Code and constants with all operators and the log, rounded up.
    const CODE: u64 = 200 << 10;
    let embed = thumbnet_build::Embed::new(model).memory_x(map).code(CODE).stack(1 << 10);
    if let Err(error) = embed.emit() {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

/// Hands a generated module to the binaries that run one: `THUMBNET_COMPILED`, or that of the demo.
fn compiled(out: &Path) {
    println!("cargo:rerun-if-env-changed=THUMBNET_COMPILED");
    let default = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("models/digits.rs");
    let module = env::var_os("THUMBNET_COMPILED").map_or(default, PathBuf::from);
    assert!(
        module.is_file(),
        "there is no module {}: set THUMBNET_COMPILED to the absolute path of one",
        module.display()
    );
    let text = format!("#[path = {:?}]\nmod network;\n", module.display().to_string());
    fs::write(out.join("compiled.rs"), text).expect("cargo's folder is writable");
}
