//! Small valid model files that between them have every operator: what mutation starts from.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use thumbnet::Model;
use thumbnet_trainer::compile::{Family, Optimize, Program, aligned, compile, pack, split, stream, transform};
use thumbnet_trainer::import::{Options, import};
use thumbnet_trainer::verify::random_inputs;

use crate::oracle::cases;
use crate::sequences::{front_end, masked, motion, normalized, program};

/// Networks of the trainer, whole and cut in time, and the smallest case of every imported operator; each with its name.
///
/// # Panics
/// The exporter refuses one of them.
#[must_use]
pub fn seeds() -> Vec<(String, Vec<u8>)> {
    files(programs())
}

/// The same, before they have memory.
///
/// # Panics
/// The importer or the quantizer refuses one of them.
#[must_use]
pub fn programs() -> Vec<(String, Program)> {
    let mut programs = networks();
    let mut paths: Vec<_> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle/vectors"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    paths.sort();
    programs.extend(paths.iter().map(|path| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let imported = |case: &crate::oracle::Case| {
            let options = Options { keep_lstm_states: name == "carried_lstm", ..Options::default() };
            import(&case.model, options).unwrap().0
        };
        let smallest = cases(path).iter().map(imported).min_by_key(|program| file(program).len()).unwrap();
        (name, smallest)
    }));
    programs
}

fn files(programs: Vec<(String, Program)>) -> Vec<(String, Vec<u8>)> {
    programs.iter().map(|(name, program)| (name.clone(), file(program))).collect()
}

/// Networks of the trainer that have every operator of its recipes.
///
/// # Panics
/// The exporter refuses one of them.
#[must_use]
pub fn trained() -> Vec<(String, Vec<u8>)> {
    files(networks())
}

fn networks() -> Vec<(String, Program)> {
    let sequence = |text: &str| program(text, &[24, 6], None);
    let image = |text: &str| program(text, &[8, 8, 3], None);
    let programs = [
        (
            "conv1d_gru",
            sequence(
                "conv1d filters = 4; kernel = 3; padding = \"causal\"; activation = \"relu\"\ngru units = 5\ndense units = 3\nsoftmax",
            ),
        ),
        (
            "bidirectional",
            sequence(
                "lstm units = 5; bidirectional = true; return_sequences = true\nglobal_max_pool1d\ndense units = 3",
            ),
        ),
        ("rnn_gru", sequence("simple_rnn units = 4; return_sequences = true\ngru units = 4; reset_after = false")),
        (
            "sound_lstm",
            program(
                "conv1d filters = 4; kernel = 3; padding = \"causal\"\nlstm units = 4",
                &[24 * 40],
                Some(front_end()),
            ),
        ),
        (
            "image",
            image(
                "conv2d name = \"a\"; filters = 4; kernel = 3; padding = \"same\"; activation = \"relu\"
             depthwise_conv2d name = \"b\"; kernel = 3; padding = \"same\"
             add inputs = [\"a\", \"b\"]
             max_pool2d
             hard_swish
             zero_pad2d pad = [1, 0, 0, 1]
             concat inputs = [\"a\", \"b\"]
             average_pool2d
             flatten
             dense units = 3",
            ),
        ),
        ("motion", program("dense units = 4", &[24 * 8, 3], Some(motion()))),
        ("pcen", program("delta\ngru units = 4", &[24 * 40], Some(normalized(true)))),
        (
            "masked",
            masked(
                "lstm units = 4; return_sequences = true; bidirectional = true\nglobal_average_pool1d name = \"a\"\ndense units = 3",
                &[24, 6],
                None,
            ),
        ),
    ];
    let streamed = |(name, program): &(&str, Program)| (format!("{name}_stream"), stream(program, 2).unwrap().0);
    let whole = |(name, program): &(&str, Program)| ((*name).to_owned(), program.clone());
    // Its convolution with the weights of other layouts.
    let [mut packed, mut transformed] = [&programs[4].1; 2].map(Program::clone);
    pack(&mut packed, Family::Dsp);
    transform(&mut transformed, Optimize::Speed, None);
    // Rows of an image at a time, and a fully connected layer in parts.
    let mut banded = program("conv2d filters = 8; kernel = 3\nflatten\ndense units = 3", &[12, 4, 2], None);
    assert!(!split(&mut banded, 0, &|_: &mut Program| ()).unwrap().is_empty());
    let layouts = [("image_packed", packed), ("image_transformed", transformed), ("image_banded", banded)];
    programs
        .iter()
        .map(whole)
        .chain(layouts.map(|(name, program)| (name.to_owned(), program)))
        .chain([&programs[0], &programs[3], &programs[5], &programs[6]].map(streamed))
        .collect()
}

fn file(program: &Program) -> Vec<u8> {
    compile(program, &random_inputs(program, 1)).unwrap().bytes
}

/// Names of the operators in model files.
///
/// # Panics
/// One of them does not check.
#[must_use]
pub fn operators<'a>(files: impl IntoIterator<Item = &'a [u8]>) -> BTreeSet<&'static str> {
    let names = |bytes: &[u8]| -> Vec<&'static str> {
        let copy = aligned(bytes);
        let model = Model::new(bytemuck::cast_slice(&copy)).unwrap();
        model.steps().map(|step| step.op.name()).collect()
    };
    files.into_iter().flat_map(names).collect()
}
