//! A network whose channels were given unequal ranges, which changes nothing in float: quantization breaks it, the doctor
//! says why, and its remedies bring it back.

use thumbnet_trainer::model::Model;
use thumbnet_trainer::quantize::doctor::{Remedy, cure, examine};
use thumbnet_trainer::quantize::quantize_with_reference;
use thumbnet_trainer::recipe::{Calibration, Quantize, Recipe};
use thumbnet_trainer::train::{Options, train};

const RECIPE: &str = r#"
name = "unequal"
seed = 1
data = { kind = "digits", train = 1500, test = 300 }
[train]
epochs = 3
batch = 32
loss = "cross_entropy"
optimizer = { name = "adam" }
learning_rate = 5e-3
[[layer]]
op = "conv2d"
name = "first"
filters = 8
kernel = 3
stride = 2
padding = "same"
activation = "relu"
[[layer]]
op = "depthwise_conv2d"
name = "middle"
kernel = 3
stride = 2
padding = "same"
activation = "relu"
[[layer]]
op = "flatten"
[[layer]]
op = "dense"
units = 10
activation = "softmax"
"#;

/// Multiplies channel `c` between two layers by `4^c` up to `4^7`, and divides the weights that read it.
fn unbalance(model: &mut Model, from: &str, to: &str) {
    let factor = |channel: usize| 4f32.powi(channel as i32);
    let mut scale = |name: String, channel: fn(usize, usize) -> usize, up: bool| {
        let tensor = model.weights.get_mut(&name).unwrap();
        let per_channel = tensor.data.len() / 8;
        for (at, value) in tensor.data.iter_mut().enumerate() {
            let factor = factor(channel(at, per_channel));
            *value *= if up { factor } else { 1.0 / factor };
        }
    };
    scale(format!("{from}/kernel"), if from == "first_conv2d" { |at, per| at / per } else { |at, _| at % 8 }, true);
    scale(format!("{from}/bias"), |at, _| at % 8, true);
    scale(format!("{to}/kernel"), |at, _| at % 8, false);
}

#[test]
fn unequal_channels_are_found_and_equalized() {
    let recipe = Recipe::parse(RECIPE).unwrap();
    let data = recipe.data.load(recipe.seed).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let options = Options { out: folder.path().to_owned(), quiet: true, ..Options::default() };
    let (mut model, _) = train(&recipe, &data, &options).unwrap();
    let dense = model.graph.nodes[5].name.clone();
    unbalance(&mut model, "first_conv2d", "middle_depthwise_conv2d");
    unbalance(&mut model, "middle_depthwise_conv2d", &dense);

    let plain = Quantize { calibration: Calibration::MinMax, ..Quantize::default() };
    let examined =
        |options| examine(&quantize_with_reference(&model, &data.train, options).unwrap(), &data.test, 64).unwrap();
    let sick = examined(plain);
    println!("float {:?}, int8 {:?}", sick.float_accuracy, sick.integer_accuracy);
    sick.findings.iter().for_each(|finding| println!("{finding}"));
    assert!(sick.float_accuracy.unwrap() > 0.9, "training went wrong: {:?}", sick.float_accuracy);
    assert!(sick.integer_accuracy.unwrap() < sick.float_accuracy.unwrap() - 0.1, "{:?}", sick.integer_accuracy);
    for layer in ["first", "middle"] {
        let finding = sick.findings.iter().find(|finding| finding.layer == layer).expect("a finding");
        assert_eq!(finding.remedy, Remedy::Equalize, "{finding}");
        assert!(finding.cause.contains("-fold"), "{finding}");
    }

    let (chosen, trials) = cure(&model, &data.train, plain, 64).unwrap();
    trials.iter().for_each(|trial| println!("{trial:?}"));
    let well = examined(chosen);
    println!("{chosen:?}: int8 {:?}", well.integer_accuracy);
    assert!(chosen.equalize);
    // Equalization changes nothing in float but rounding.
    assert!((well.float_accuracy.unwrap() - sick.float_accuracy.unwrap()).abs() < 0.005);
    // Three of 300 samples: what rounding to 8 bits costs the network before it was unbalanced, and to spare.
    assert!(well.integer_accuracy.unwrap() >= well.float_accuracy.unwrap() - 0.01, "{:?}", well.integer_accuracy);
}
