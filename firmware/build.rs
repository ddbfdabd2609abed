//! Picks the board's memory map. The board is a `--cfg` in its file under `boards/`, so that cargo knows the difference.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-changed=memory");
    println!("cargo:rerun-if-env-changed=THUMBNET_MODEL");
    let Ok(board) = env::var("CARGO_CFG_BOARD") else {
        println!("cargo:warning=no board: build with `cargo --config boards/NAME.toml build ...`");
        return;
    };
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets OUT_DIR"));
    let map = format!("memory/{board}.x");
    fs::copy(&map, out.join("memory.x")).unwrap_or_else(|error| panic!("{map}: {error}"));
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
