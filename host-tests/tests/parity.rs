//! Float against integer within the written tolerances, and integers bit for bit on every core.

use thumbnet_host_tests::{Suite, recipe, shared, suite, tolerance};
use thumbnet_trainer::data::Source;
use thumbnet_trainer::run::{Target, run};
use thumbnet_trainer::train::{Options, evaluate, train};
use thumbnet_trainer::verify::{integer_evaluation, quantized_inputs, signal_to_noise};

fn demo() -> Suite {
    suite(&recipe("digits_demo.toml").unwrap()).unwrap()
}

fn resnet() -> Suite {
    suite(&recipe("digits_resnet.toml").unwrap()).unwrap()
}

fn check_float(suite: &Suite, least: f64) {
    let float = evaluate(&suite.float, &suite.data.test).unwrap().accuracy().unwrap();
    let integer = integer_evaluation(&suite.compiled.bytes, &suite.data.test).unwrap().accuracy().unwrap();
    assert!(float >= least, "float accuracy {float}");
    assert!((float - integer).abs() <= tolerance::ACCURACY_POINTS, "float {float}, int8 {integer}");
    for (layer, decibels) in signal_to_noise(&suite.float, &suite.compiled.bytes, &suite.data.test, 50).unwrap() {
        assert!(decibels >= tolerance::SIGNAL_TO_NOISE, "{layer}: {decibels} dB");
    }
}

/// Runs samples on the host and on cores, and compares outputs and every step's digest.
fn check_cores(suite: &Suite, samples: usize, cores: &[Target]) {
    let bytes = &suite.compiled.bytes;
    let samples: Vec<usize> = (0..samples).collect();
    let inputs = quantized_inputs(bytes, &suite.data.test, &samples).unwrap();
    let (expected, host) = run(bytes, &inputs, Target::Host).unwrap();
    for &core in cores {
        let (outputs, report) = run(bytes, &inputs, core).unwrap();
        assert_eq!(report.inferences, host.inferences);
        let digests =
            |report: &thumbnet_trainer::run::Report| report.steps.iter().map(|s| s.digest).collect::<Vec<_>>();
        assert_eq!(digests(&report), digests(&host), "{core}");
        assert_eq!(outputs, expected, "{core}");
        assert!(report.instructions.unwrap().min > 0 && report.stack.unwrap() > 0);
    }
}

#[test]
fn a_convolutional_network_is_the_same_on_all_cores() {
    let suite = demo();
    check_float(&suite, 0.97);
    check_cores(&suite, 20, &Target::ALL[1..]);
}

#[test]
fn a_residual_network_is_the_same_on_all_cores() {
    let suite = resnet();
    check_float(&suite, 0.95);
    check_cores(&suite, 5, &Target::ALL[1..]);
}

#[test]
fn a_recurrent_network_learns_and_is_the_same_on_all_cores() {
    let suite = suite(&recipe("waves_gru.toml").unwrap()).unwrap();
    let float = evaluate(&suite.float, &suite.data.test).unwrap().mean_squared_error;
    let integer = integer_evaluation(&suite.compiled.bytes, &suite.data.test).unwrap().mean_squared_error;
    // Noise of 0.1 on every value: who repeated the last value would be off by 0.4 on average, squared.
    assert!(float < 0.01, "float {float}");
    assert!(integer < float + tolerance::SQUARED_ERROR, "float {float}, int8 {integer}");
    check_cores(&suite, 10, &Target::ALL[1..]);
}

#[test]
fn damaged_models_and_wrong_inputs_are_refused_on_the_chip_as_here() {
    let bytes = demo().compiled.bytes;
    let mut damaged = bytes.clone();
    damaged[100] ^= 1;
    let mut other_version = bytes.clone();
    other_version[4] += 1;
    let cut = bytes[..bytes.len() - 16].to_vec();
    for (file, reason) in [(damaged, "checksum"), (other_version, "version 2"), (cut, "cut off")] {
        let error = run(&file, &[0; 784], Target::M3).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    let error = run(&bytes, &[0; 783], Target::Host).unwrap_err().to_string();
    assert!(error.contains("783") && error.contains("784"), "{error}");
}

#[test]
fn the_same_seed_gives_the_same_bytes_also_after_an_interruption() {
    let mut recipe = recipe("digits_resnet.toml").unwrap();
    recipe.data = Source::Digits { train: 300, test: 50 };
    recipe.train.epochs = 3;
    let data = recipe.data.load(recipe.seed).unwrap();
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let options = |index: usize| Options { out: folders[index].path().to_owned(), quiet: true, ..Options::default() };
    let (whole, _) = train(&recipe, &data, &options(0)).unwrap();
    let (part, report) = train(&recipe, &data, &Options { stop_after: Some(1), ..options(1) }).unwrap();
    assert_eq!(report.epochs.len(), 1);
    assert_ne!(part, whole);
    let (resumed, report) = train(&recipe, &data, &Options { resume: true, ..options(1) }).unwrap();
    assert_eq!(report.epochs.len(), 3);
    assert_eq!(resumed, whole);
    let (again, _) = train(&recipe, &data, &options(1)).unwrap();
    assert_eq!(again, whole);
}

#[test]
fn mnist_is_the_same_on_all_cores() {
    let Some(folder) = shared().map(|folder| folder.join("data/mnist")).filter(|folder| folder.is_dir()) else {
        eprintln!("skipped: there is no MNIST; set THUMBNET_SHARED to a folder that holds data/mnist");
        return;
    };
    let mut recipe = recipe("mnist_mlp.toml").unwrap();
    recipe.data = recipe.data.at(&folder);
    recipe.train.epochs = 3;
    let suite = suite(&recipe).unwrap();
    check_float(&suite, 0.95);
    check_cores(&suite, 10, &[Target::M3, Target::M4, Target::M55]);
}
