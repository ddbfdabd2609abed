//! Imported operators and models against LiteRT's reference kernels, bit for bit.
//!
//! The vectors in `oracle/vectors` were made by `oracle/generate.py`, which says how; the models of the shared folder are
//! compared where it is there.

use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use thumbnet_host_tests::shared;
use thumbnet_trainer::compile::compile;
use thumbnet_trainer::import::{Reference, import};
use thumbnet_trainer::run::{Target, run};
use thumbnet_trainer::verify::random_inputs;

struct Case {
    model: Vec<u8>,
    inputs: Vec<u8>,
    outputs: Vec<u8>,
}

/// The cases of one file: lengths, then bytes.
fn cases(path: &Path) -> Vec<Case> {
    let mut blob = Vec::new();
    GzDecoder::new(fs::File::open(path).unwrap()).read_to_end(&mut blob).unwrap();
    let mut rest = blob.as_slice();
    let mut cases = Vec::new();
    while let Some((lengths, bytes)) = rest.split_at_checked(12) {
        let mut at = 0;
        let mut part = |index: usize| {
            let len = u32::from_le_bytes(lengths[4 * index..4 * index + 4].try_into().unwrap()) as usize;
            at += len;
            bytes[at - len..at].to_vec()
        };
        cases.push(Case { model: part(0), inputs: part(1), outputs: part(2) });
        rest = &bytes[at..];
    }
    assert!(!cases.is_empty(), "{} holds no case", path.display());
    cases
}

/// The bytes of the model file that a .tflite becomes.
fn imported(model: &[u8]) -> anyhow::Result<Vec<u8>> {
    let (program, _) = import(model, Reference::Litert)?;
    Ok(compile(&program, &random_inputs(&program, 1))?.bytes)
}

#[test]
fn every_operator_gives_litert_s_bits() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle/vectors");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut failures = Vec::new();
    println!("operator                         cases    bytes  differing");
    for path in &files {
        let (mut bytes, mut differing) = (0, 0);
        let cases = cases(path);
        let name = path.file_stem().unwrap().to_string_lossy();
        for (number, case) in cases.iter().enumerate() {
            let outputs = imported(&case.model).and_then(|model| Ok(run(&model, &case.inputs, Target::Host)?.0));
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
