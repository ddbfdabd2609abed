//! Models as Rust modules: linked for a chip without a panic path, and every step's output the same there.

use thumbnet_host_tests::{recipe, sequences, shared, suite};
use thumbnet_trainer::codegen;
use thumbnet_trainer::compile::{Family, compile, pack, remove_dead_channels, stream};
use thumbnet_trainer::data::Source;
use thumbnet_trainer::import::{Options, import};
use thumbnet_trainer::run::{Compiled, Target, compiled_code_len, run, run_compiled};
use thumbnet_trainer::verify::random_inputs;

/// What a compiled model takes in all.
struct Cost {
    /// Code, weights and tables.
    flash: u64,
    /// Memory and stack.
    ram: u64,
}

/// Generates, builds and runs; the self-test in the firmware compares every step with the certificate of the loaded model.
fn check(bytes: &[u8], name: &str, core: Target) -> Cost {
    let folder = tempfile::tempdir().unwrap();
    let module = codegen::write(bytes, name, folder.path()).unwrap();
    let compiled = run_compiled(&module, core).unwrap().unwrap();
    let code = compiled_code_len(&module, core).unwrap().unwrap();
    let copy = thumbnet_trainer::compile::aligned(bytes);
    let model = thumbnet::Model::new(bytemuck::cast_slice(&copy)).unwrap();
    // A length among the inputs is beyond its sequence, as that of the certificate is.
    let input = vec![0x7f; thumbnet_trainer::run::input_bytes(&model)];
    let (_, report) = run(bytes, &input, core).unwrap();
    let loaded = report.instructions.unwrap().max;
    let Compiled { instructions, memory, stack } = compiled;
    println!(
        "{name} on {core}: {instructions} instructions compiled, {loaded} loaded, flash {code} bytes of code and {} of tables, \
         RAM {memory} bytes and {stack} of stack",
        module.tables_len
    );
    assert!(instructions < loaded, "{name}: {instructions} instructions compiled, {loaded} loaded");
    Cost { flash: code + module.tables_len as u64, ram: memory + stack }
}

#[test]
fn the_demo_is_the_same_compiled() {
    let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../firmware/models/digits.tnet")).unwrap();
    check(&bytes, "digits", Target::M4);
}

#[test]
fn layers_with_states_are_the_same_compiled() {
    let program = sequences::program(
        "conv1d filters = 6; kernel = 3; padding = \"causal\"\ngru units = 8; return_sequences = true\nlstm units = 5",
        &[12, 4],
        None,
    );
    let (program, _) = stream(&program, 4).unwrap();
    let bytes = compile(&program, &random_inputs(&program, 2)).unwrap().bytes;
    check(&bytes, "stream", Target::M4);
}

/// 100 steps of 24 channels and 72 units, 21,168 weights: the size of EdgeMark's GRU, for which it states 810 kB of flash and 295 kB
/// of RAM. A whole firmware of it must fit the smallest Cortex-M4.
#[test]
fn a_gru_takes_little_flash_and_ram() {
    let mut program = sequences::program("gru units = 72", &[100, 24], None);
    pack(&mut program, Family::Dsp);
    let bytes = compile(&program, &random_inputs(&program, 2)).unwrap().bytes;
    let cost = check(&bytes, "gru", Target::M4);
    assert!(cost.flash < 64 << 10, "{} bytes of flash", cost.flash);
    assert!(cost.ram < 8 << 10, "{} bytes of RAM", cost.ram);
}

#[test]
fn normalized_energies_and_masks_are_the_same_compiled() {
    let sound = sequences::program("delta\ngru units = 4", &[24 * 40], Some(sequences::normalized(true)));
    let (sound, _) = stream(&sound, 2).unwrap();
    let layers =
        "lstm units = 4; return_sequences = true; bidirectional = true\nglobal_average_pool1d\ndense units = 3";
    for (program, name) in [(sound, "pcen"), (sequences::masked(layers, &[24, 6], None), "masked")] {
        check(&compile(&program, &random_inputs(&program, 2)).unwrap().bytes, name, Target::M4);
    }
}

#[test]
fn a_residual_network_is_the_same_compiled() {
    let mut recipe = recipe("digits_resnet.toml").unwrap();
    recipe.data = Source::Digits { train: 300, test: 50 };
    recipe.train.epochs = 1;
    check(&suite(&recipe).unwrap().compiled.bytes, "digits_resnet", Target::M4);
}

#[test]
fn a_damaged_certificate_is_noticed() {
    let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../firmware/models/digits.tnet")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let module = codegen::write(&bytes, "digits", folder.path()).unwrap();
    let file = module.path.with_extension("tnet");
    let mut damaged = bytes;
    // The last word of the file that is not padding is a digest of the last golden case.
    let at = damaged.iter().rposition(|&byte| byte != 0).unwrap();
    damaged[at] ^= 1;
    std::fs::write(file, damaged).unwrap();
    let error = run_compiled(&module, Target::M4).unwrap_err().to_string();
    assert!(error.contains("digest"), "{error}");
}

#[test]
fn imported_models_are_the_same_compiled() {
    let Some(folder) = shared().map(|folder| folder.join("models")).filter(|folder| folder.is_dir()) else {
        eprintln!("skipped: there are no models; set THUMBNET_SHARED to a folder that holds models");
        return;
    };
    for name in ["sine", "kws_dscnn", "ic_resnet8", "speech", "mnist_lstm"] {
        let tflite = std::fs::read(folder.join(format!("{name}_int8.tflite"))).unwrap();
        let (mut program, _) = import(&tflite, Options::default()).unwrap();
        remove_dead_channels(&mut program);
        pack(&mut program, Family::Dsp);
        check(&compile(&program, &random_inputs(&program, 2)).unwrap().bytes, name, Target::M4);
    }
}
