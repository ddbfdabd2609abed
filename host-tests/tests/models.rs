//! What whole models cost on emulated cores, against the snapshot `models.txt`: no number may grow by more than 2 %.
//! `THUMBNET_BLESS=1` writes the snapshot anew.
//!
//! The networks are those of the recipes, with seeded weights, which cost what trained ones do: no data is needed. Where there
//! are shared `.tflite` models they are measured and printed too, beside what others need.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use thumbnet::Model;
use thumbnet_host_tests::peers::beside_peers;
use thumbnet_host_tests::sequences::network;
use thumbnet_host_tests::{recipe, run_where_it_fits, shared};
use thumbnet_trainer::compile::{Family, Program, aligned, compile, pack, remove_dead_channels};
use thumbnet_trainer::import::{Options, import};
use thumbnet_trainer::run::{Target, code_len, cycles, features, run};
use thumbnet_trainer::verify::random_inputs;

const HEAD: &str = "model                      core  instructions  per MAC  arena  state  stack\n";

/// The recipes, and the shape of a sample of their data.
const RECIPES: [(&str, &[usize]); 18] = [
    ("mnist_cnn", &[28, 28, 1]),
    ("mnist_mlp", &[28, 28, 1]),
    ("digits_resnet", &[28, 28, 1]),
    ("cifar10_resnet8", &[32, 32, 3]),
    ("cifar10_resnet8_wide", &[32, 32, 3]),
    ("fsdd_dscnn", &[6400]),
    ("fsdd_gru", &[6400]),
    ("fsdd_lstm", &[6400]),
    ("fsdd_crnn", &[6400]),
    ("fsdd_tcresnet", &[6400]),
    ("fsdd_svdf", &[6400]),
    ("wand_lstm", &[64, 2]),
    ("wand_svdf", &[64, 2]),
    ("hmp_gru", &[128, 3]),
    ("hmp_delta", &[128, 3]),
    ("hmp_conv", &[128, 3]),
    ("hmp_motion", &[128, 3]),
    ("waves_gru", &[24, 1]),
];

const CORES: [Target; 6] = [Target::M0, Target::M3, Target::M4, Target::M7, Target::M33, Target::M55];

/// A line for each core that the model fits.
fn measured(name: &str, program: &Program) -> String {
    let mut text = String::new();
    let input = random_inputs(program, 1);
    let macs = program.macs();
    let mut expected = None;
    for core in CORES {
        let mut program = program.clone();
        pack(&mut program, Family::of(core));
        let bytes = compile(&program, &[]).unwrap().bytes;
        let Some((found, report)) = run_where_it_fits(name, &bytes, &input[0], core) else { continue };
        let expected = expected.get_or_insert_with(|| run(&bytes, &input[0], Target::Host).unwrap().0);
        assert_eq!(&found, expected, "{name} on {core}");
        let (count, stack) = (report.instructions.unwrap().max, report.stack.unwrap());
        let (arena, state, per_mac) = (report.peak_ram, report.state, count as f64 / macs as f64);
        writeln!(text, "{name:26} {core:4}  {count:12}  {per_mac:7.2}  {arena:5}  {state:5}  {stack:5}").unwrap();
    }
    text
}

fn recipes() -> Vec<(&'static str, Program)> {
    let program = |(name, shape): (&'static str, &[usize])| {
        let recipe = recipe(&format!("{name}.toml")).unwrap();
        let mut program = network(&recipe, shape, recipe.front_end.clone(), false);
        remove_dead_channels(&mut program);
        (name, program)
    };
    RECIPES.into_iter().map(program).collect()
}

/// The shared models, as `thumbnet import` has them.
fn imported() -> Vec<(&'static str, Program)> {
    let Some(folder) = shared().map(|folder| folder.join("models")).filter(|folder| folder.is_dir()) else {
        eprintln!("imported models are skipped: set THUMBNET_SHARED to a folder that holds models");
        return Vec::new();
    };
    let program = |name: &'static str| {
        let tflite = fs::read(folder.join(format!("{name}_int8.tflite"))).unwrap();
        let (mut program, _) = import(&tflite, Options::default()).unwrap();
        remove_dead_channels(&mut program);
        (name, program)
    };
    ["kws_dscnn", "ic_resnet8", "speech", "mnist_lstm", "sine"].map(program).into()
}

/// Name, core, and what may not grow: instructions, arena and stack.
fn parsed(text: &str) -> Vec<(String, String, [u64; 3])> {
    let line = |line: &str| {
        let (name, rest) = line.split_at(26);
        let columns: Vec<&str> = rest.split_whitespace().collect();
        let numbers = [1, 3, 5].map(|column| columns[column].parse().unwrap());
        (name.trim().to_owned(), columns[0].to_owned(), numbers)
    };
    text.lines().skip(1).map(line).collect()
}

/// Bytes of code for the operators of each model, where they are asked for: each takes a build.
fn print_code(models: &[(&str, Program)]) {
    if std::env::var_os("THUMBNET_CODE").is_none() {
        return;
    }
    println!("model                      code in flash, {}", CORES.map(|core| core.to_string()).join(", "));
    for (name, program) in models {
        let bytes = compile(program, &[]).unwrap().bytes;
        let copy = aligned(&bytes);
        let model = Model::new(bytemuck::cast_slice(&copy)).unwrap();
        let code = CORES.map(|core| code_len(core, &features(&model)).unwrap().unwrap_or(0).to_string());
        println!("{name:26} {}", code.join(", "));
    }
}

/// Estimated clock cycles of a Cortex-M4, where they are asked for: it takes a C compiler.
fn print_cycles(models: &[(&str, Program)]) {
    if std::env::var_os("THUMBNET_CYCLES").is_none() {
        return;
    }
    println!("model                      estimated cycles on m4");
    for (name, program) in models {
        let mut program = program.clone();
        pack(&mut program, Family::of(Target::M4));
        let bytes = compile(&program, &[]).unwrap().bytes;
        let copy = aligned(&bytes);
        let model = Model::new(bytemuck::cast_slice(&copy)).unwrap();
        let cycles: u64 = cycles(&model, &random_inputs(&program, 1)[0]).unwrap().iter().sum();
        println!("{name:26} {cycles}");
    }
}

#[test]
fn no_model_needs_more() {
    let (recipes, imported) = (recipes(), imported());
    let now: String =
        std::iter::once(HEAD.to_owned()).chain(recipes.iter().map(|(name, p)| measured(name, p))).collect();
    let others: String = imported.iter().map(|(name, program)| measured(name, program)).collect();
    println!("{now}{}", beside_peers(&others));
    let all = [recipes, imported].concat();
    print_code(&all);
    print_cycles(&all);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models.txt");
    if std::env::var_os("THUMBNET_BLESS").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let (snapshot, now) = (parsed(&fs::read_to_string(&path).unwrap()), parsed(&now));
    let names = |lines: &[(String, String, [u64; 3])]| -> Vec<(String, String)> {
        lines.iter().map(|(name, core, _)| (name.clone(), core.clone())).collect()
    };
    assert_eq!(
        names(&snapshot),
        names(&now),
        "the snapshot has other models or cores: THUMBNET_BLESS=1 writes it anew"
    );
    let more = snapshot.iter().zip(&now).flat_map(|((name, core, before), (_, _, now))| {
        let what = ["instructions", "bytes of arena", "bytes of stack"];
        let grown = what.into_iter().zip(before).zip(now).filter(|((_, before), now)| *now * 100 > *before * 102);
        grown.map(move |((what, before), now)| format!("{name} on {core}: {before} {what} before, {now} now"))
    });
    let more: Vec<String> = more.collect();
    assert!(more.is_empty(), "{}", more.join("\n"));
}
