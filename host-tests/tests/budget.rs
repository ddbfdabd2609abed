//! Firmware whose chip has no room for its model does not build, and says why; and what `thumbnet check` says of a chip is what
//! the linker then finds, with the chip's memory map, and painting in QEMU.

use std::path::Path;
use std::process::{Command, Output};

use object::{Object, ObjectSection};
use thumbnet::Model;
use thumbnet_build::{Chip, Fit, Memory, stack_len};
use thumbnet_trainer::run::{Target, code_len, features, input_bytes, run};

static DIGITS: &[u8] = thumbnet::include_model!("../../firmware/models/digits.tnet");

const FIRMWARE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../firmware");

/// Builds a firmware for a board, with another linker script, in a folder of its own below `target/firmware`.
fn build(board: &str, memory: &Memory, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("memory.x");
    let region = |name, start, len| format!("  {name} : ORIGIN = {start:#x}, LENGTH = {len}\n");
    let [flash, ram] = [("FLASH", &memory.flash), ("RAM", &memory.ram)].map(|(name, r)| region(name, r.start, r.len));
    std::fs::write(&script, format!("MEMORY\n{{\n{flash}{ram}}}\n")).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTUP_TOOLCHAIN", "THUMBNET_MODEL", "THUMBNET_COMPILED"] {
        cargo.env_remove(name);
    }
    let config = format!("boards/{board}.toml");
    cargo.args(["--config", &config, "build", "--release", "--locked", "--quiet", "--target-dir", &target_dir(board)]);
    cargo.args(arguments).env("THUMBNET_MEMORY", &script).current_dir(FIRMWARE).output().unwrap()
}

fn target_dir(board: &str) -> String {
    format!("{FIRMWARE}/../target/firmware/{board}-budget")
}

#[test]
fn a_firmware_builds_only_where_its_model_fits() {
    let example = ["--features", "nrf52840", "--bin", "nrf52840"];
    let chip = Chip::find("nRF52840").unwrap().memory;
    let refused = |change: fn(&mut Memory), parts: &[&str]| {
        let mut small = chip.clone();
        change(&mut small);
        let output = build("nrf52840", &small, &example);
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "it builds with {small}");
        for part in parts {
            assert!(words.contains(part), "\"{part}\" is not said:\n{words}");
        }
    };
    refused(
        |memory| memory.ram.len = 6 << 10,
        &["digits.tnet does not fit", "of     6144 bytes: does not fit", "arena 2688", "less RAM: "],
    );
    refused(
        |memory| memory.flash.len = 200 << 10,
        &["of   204800 bytes: does not fit", "weights of step 3, fully_connected", "less flash: "],
    );
    let output = build("nrf52840", &chip, &example);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Bytes that the linker has placed in flash and, beside the arena of `no_panic`, in RAM.
fn linked(board: &str, triple: &str) -> [u64; 2] {
    const ARENA: u64 = 8192;
    let elf = Path::new(&target_dir(board)).join(triple).join("release/no_panic");
    let bytes = std::fs::read(elf).unwrap();
    let file = object::File::parse(bytes.as_slice()).unwrap();
    let len = |names: &[&str]| -> u64 {
        file.sections().filter(|section| names.contains(&section.name().unwrap())).map(|section| section.size()).sum()
    };
    [len(&[".vector_table", ".text", ".rodata", ".data"]), len(&[".data", ".bss"]) - ARENA]
}

/// What the linker says is too much of a region: it counts up, section by section.
fn overflow(words: &str, region: &str) -> Option<u64> {
    let before = format!("will not fit in region '{region}': overflowed by ");
    let sections = words.split(&before).skip(1);
    sections.filter_map(|rest| rest.split_whitespace().next()?.parse().ok()).max()
}

#[test]
fn chips_are_judged_as_the_linker_and_the_emulator_do() {
    let model = Model::new(DIGITS).unwrap();
    for (name, core, board, triple) in [
        ("nRF52840", Target::M4, "m4", "thumbv7em-none-eabihf"),
        ("nRF51822_xxAA", Target::M0, "m0", "thumbv6m-none-eabi"),
        // 64 KB of flash: too small for the kernels of a convolution in all layouts.
        ("STM32F103C8", Target::M3, "m3", "thumbv7m-none-eabi"),
    ] {
        let chip = Chip::find(name).unwrap();
        let (_, report) = run(DIGITS, &vec![0; input_bytes(&model)], core).unwrap();
        let (painted, most) = (report.stack.unwrap(), stack_len(chip.core));
        let features = features(&model).join(",");
        let code = code_len(core, &features.split(',').collect::<Vec<_>>()).unwrap().unwrap();
        let fit = Fit::new(&model, chip.memory.clone()).flash("runtime", code).ram("stack", painted);
        let arguments = ["--no-default-features", "--features", &features, "--bin", "no_panic"];
        let output = build(board, &chip.memory, &arguments);
        let words = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), fit.fits(), "{fit}\n{words}");
        assert!(painted <= most, "{name}: {painted} bytes of stack painted, {most} the most there are by its frames");
        if output.status.success() {
            let [flash, data] = linked(board, triple);
            println!(
                "{name}: {} bytes of flash said, {flash} linked; beside the arena {data} bytes of static data; stack {painted} painted, {most} at most",
                fit.flash.needed()
            );
            // The vector table of 16 to 256 entries is the firmware's, and sections are aligned.
            assert!((1..=2048).contains(&(flash - fit.flash.needed())), "{fit}, linked {flash}");
            assert!(data <= 64, "{data} bytes of static data");
        } else {
            let too_many = fit.flash.needed() - fit.flash.available;
            let found = overflow(&words, "FLASH").unwrap_or_else(|| panic!("the linker says something else: {words}"));
            println!(
                "{name}: {too_many} bytes of flash too many said, {found} by the linker; stack {painted} painted, {most} at most"
            );
            assert!(found.abs_diff(too_many) <= 2048, "{fit}\n{words}");
        }
    }
}
