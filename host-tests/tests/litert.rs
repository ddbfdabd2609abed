//! Imported operators and models against LiteRT's reference kernels, bit for bit.
//!
//! The vectors in `oracle/vectors` were made by `oracle/generate.py`, which says how; the models of the shared folder are
//! compared where it is there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use thumbnet_host_tests::oracle::cases;
use thumbnet_host_tests::{shared, tolerance};
use thumbnet_trainer::compile::compile;
use thumbnet_trainer::import::{Options, import, import_float, is_float};
use thumbnet_trainer::nn::{Net, Params, Value, device};
use thumbnet_trainer::run::{Target, run};
use thumbnet_trainer::verify::random_inputs;

/// The files of the int8 operators.
fn vectors(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// The bytes of the model file that a .tflite becomes.
fn imported(model: &[u8]) -> anyhow::Result<Vec<u8>> {
    with_options(model, Options::default())
}

fn with_options(model: &[u8], options: Options) -> anyhow::Result<Vec<u8>> {
    let (program, _) = import(model, options)?;
    Ok(compile(&program, &random_inputs(&program, 1))?.bytes)
}

fn oracle() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle")
}

#[test]
fn every_operator_gives_litert_s_bits() {
    compare(&oracle().join("vectors"));
}

/// Small Keras networks of many families as TensorFlow's converter writes them; `oracle/convert.py` made them.
#[test]
fn converted_models_give_litert_s_bits() {
    compare(&oracle().join("vectors/converted"));
}

fn compare(folder: &Path) {
    let files = vectors(folder);
    let mut failures = Vec::new();
    println!("operator or model                cases    bytes  differing");
    for path in &files {
        let (mut bytes, mut differing) = (0, 0);
        let cases = cases(path);
        let name = path.file_stem().unwrap().to_string_lossy();
        for (number, case) in cases.iter().enumerate() {
            // LiteRT's own states go on from one inference to the next.
            let options = Options { keep_lstm_states: name == "carried_lstm", ..Options::default() };
            let outputs =
                with_options(&case.model, options).and_then(|model| Ok(run(&model, &case.inputs, Target::Host)?.0));
            let outputs = outputs.unwrap_or_else(|error| {
                failures.push(format!("{name} {number}: {error:#}"));
                Vec::new()
            });
            bytes += case.outputs.len();
            let wrong = outputs.iter().zip(&case.outputs).filter(|(found, expected)| found != expected).count();
            let wrong = wrong + case.outputs.len().abs_diff(outputs.len());
            if wrong > 0 && !outputs.is_empty() {
                failures.push(format!("{name} {number}: {wrong} of {} bytes differ", case.outputs.len()));
            }
            differing += wrong;
        }
        println!("{name:30} {:7} {bytes:8} {differing:10}", cases.len());
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// Each case's "inputs" are a part of what the error has to say.
#[test]
fn what_is_not_taken_is_named() {
    for (number, case) in cases(&oracle().join("vectors/refused/refused.gz")).iter().enumerate() {
        let reason = String::from_utf8_lossy(&case.inputs);
        let error = import(&case.model, Options::default()).map(|_| ()).expect_err(&reason);
        assert!(format!("{error:#}").contains(&*reason), "{number}: expected \"{reason}\" in: {error:#}");
    }
}

/// The kernels that cores with the DSP extension have of their own, over odd shapes, tails and scales.
#[test]
fn the_fast_kernels_give_litert_s_bits_on_cores() {
    let folder = oracle().join("vectors");
    for name in ["conv_2d", "depthwise_conv_2d", "fully_connected", "unidirectional_sequence_lstm"] {
        for (number, case) in cases(&folder.join(name).with_extension("gz")).iter().enumerate() {
            let model = imported(&case.model).unwrap();
            let target = [Target::M4, Target::M33, Target::M7][number % 3];
            let (outputs, _) = run(&model, &case.inputs, target).unwrap();
            assert_eq!(outputs, case.outputs, "{name} {number} on {target}");
        }
    }
}

#[test]
fn the_shared_models_give_litert_s_bits_here_and_on_cores() {
    let Some(folder) = shared().map(|folder| folder.join("models")).filter(|folder| folder.is_dir()) else {
        eprintln!("skipped: there are no models; set THUMBNET_SHARED to a folder that holds models/golden");
        return;
    };
    for name in ["kws_dscnn", "ic_resnet8", "sine", "speech", "mnist_lstm"] {
        let read = |path: String| fs::read(folder.join(path)).unwrap();
        let model = imported(&read(format!("{name}_int8.tflite"))).unwrap();
        let (inputs, expected) =
            (read(format!("golden/{name}_int8.in.i8")), read(format!("golden/{name}_int8.out.i8")));
        for target in [Target::Host, Target::M3, Target::M4, Target::M55] {
            let (outputs, _) = run(&model, &inputs, target).unwrap();
            assert_eq!(outputs, expected, "{name} on {target}");
        }
    }
}

#[test]
fn float_models_become_graphs_that_compute_the_same() {
    let files = vectors(&oracle().join("vectors/float"));
    for (number, case) in files.iter().flat_map(|path| cases(path)).enumerate() {
        assert!(is_float(&case.model).unwrap());
        let model = import_float(&case.model).unwrap();
        let numbers =
            |bytes: &[u8]| -> Vec<f32> { bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect() };
        let (inputs, expected) = (numbers(&case.inputs), numbers(&case.outputs));
        let shape = &model.graph.inputs[0].shape;
        let samples = inputs.len() / shape.iter().product::<usize>();
        let net = Net::new(&model.graph).unwrap();
        let params = Params::from_weights(&model.graph, &model.weights, &device()).unwrap();
        let values = net.forward(&params, Value::new(inputs, samples, shape, &device()));
        let found = &values[&model.graph.outputs[0]].clone().numbers().data;
        assert_eq!(found.len(), expected.len(), "{number}");
        let worst = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < tolerance::FLOAT_REORDERED, "{number}: {worst}");
    }
}

#[test]
fn the_vectors_are_what_litert_computes_today() {
    if std::env::var_os("THUMBNET_FULL").is_none() {
        eprintln!("skipped: `cargo xtask test --full` makes the vectors anew");
        return;
    }
    let python = std::env::var("THUMBNET_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has_litert = Command::new(&python).args(["-c", "import ai_edge_litert, flatbuffers, numpy"]).output();
    if !has_litert.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: {python} lacks ai-edge-litert, flatbuffers or numpy; THUMBNET_PYTHON names another Python");
        return;
    }
    let oracle = oracle();
    let made = tempfile::tempdir().unwrap();
    let status = Command::new(python).arg(oracle.join("generate.py")).arg("--out").arg(made.path()).status().unwrap();
    assert!(status.success());
    for path in vectors(&oracle.join("vectors")) {
        let new = cases(&made.path().join(path.file_name().unwrap()));
        let stored = cases(&path);
        assert_eq!(new.len(), stored.len(), "{}", path.display());
        for (number, (new, stored)) in new.iter().zip(&stored).enumerate() {
            assert!(
                new.model == stored.model && new.inputs == stored.inputs,
                "{} {number}: other case",
                path.display()
            );
            assert!(new.outputs == stored.outputs, "{} {number}: LiteRT computes something else", path.display());
        }
    }
}
