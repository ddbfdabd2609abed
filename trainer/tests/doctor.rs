//! Two networks that plain post-training quantization breaks, which changes nothing in float: the doctor says why, and what each
//! remedy makes of them.

use thumbnet_trainer::data::Loaded;
use thumbnet_trainer::model::Model;
use thumbnet_trainer::quantize::aware::Settings;
use thumbnet_trainer::quantize::doctor::{Diagnosis, Remedy, cure, examine, needs_training};
use thumbnet_trainer::quantize::quantize_with_reference;
use thumbnet_trainer::recipe::{Calibration, Method, Quantize, Recipe, Train};
use thumbnet_trainer::train::{Options, train};

/// A depthwise network without batch normalization; `ACTIVATION` stands for its rectifier.
const RECIPE: &str = r#"
name = "broken"
seed = 1
data = { kind = "digits", train = 2000, test = 500 }
[train]
epochs = 4
batch = 32
loss = "cross_entropy"
optimizer = { name = "adam" }
learning_rate = 5e-3
schedule = { name = "cosine" }
[[layer]]
op = "conv2d"
name = "stem"
filters = 8
kernel = 5
stride = 2
padding = "same"
activation = "ACTIVATION"
[[layer]]
op = "depthwise_conv2d"
name = "depthwise"
kernel = 3
stride = 2
padding = "same"
activation = "ACTIVATION"
[[layer]]
op = "conv2d"
name = "pointwise"
filters = 16
kernel = 1
activation = "ACTIVATION"
[[layer]]
op = "flatten"
[[layer]]
op = "dense"
name = "scores"
units = 10
activation = "softmax"
"#;

const PLAIN: Quantize = Quantize {
    method: Method::Fixed,
    calibration: Calibration::MinMax,
    samples: 512,
    equalize: false,
    bias_correction: false,
    adaround: false,
};

struct Patient {
    recipe: Recipe,
    data: Loaded,
    model: Model,
}

impl Patient {
    /// Trains, then divides channel `c` between the first three layers by `base^c` up to `base^7`.
    fn new(activation: &str, base: f32) -> Self {
        let recipe = Recipe::parse(&RECIPE.replace("ACTIVATION", activation)).unwrap();
        let data = recipe.data.load(recipe.seed).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let options = Options { out: folder.path().to_owned(), quiet: true, ..Options::default() };
        let (mut model, _) = train(&recipe, &data, &options).unwrap();
        let layers = ["stem_conv2d", "depthwise_depthwise_conv2d", "pointwise_conv2d"];
        layers.windows(2).for_each(|pair| unbalance(&mut model, pair[0], pair[1], base));
        Self { recipe, data, model }
    }

    fn diagnosed(&self, model: &Model, options: Quantize) -> Diagnosis {
        let quantized = quantize_with_reference(model, &self.data.train, options).unwrap();
        examine(&quantized, &self.data.test, 64).unwrap()
    }

    /// Accuracy in integers.
    fn treated(&self, options: Quantize) -> f64 {
        self.diagnosed(&self.model, options).integer_accuracy.unwrap()
    }

    /// The same after more epochs, with fake quantization or in float.
    fn trained(&self, epochs: usize, options: Quantize, quantization_aware: Option<Settings>) -> f64 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sick.safetensors");
        self.model.save(&path).unwrap();
        let mut recipe = Recipe { quantize: options, ..self.recipe.clone() };
        recipe.train = Train { quantization_aware, epochs, learning_rate: 1e-3, ..recipe.train };
        let options = Options { out: folder.path().to_owned(), quiet: true, from: Some(path), ..Options::default() };
        let (model, _) = train(&recipe, &self.data, &options).unwrap();
        self.diagnosed(&model, recipe.quantize).integer_accuracy.unwrap()
    }

    /// Prints the accuracy before and after each post-training remedy; gives the best.
    fn table(&self, before: &Diagnosis) -> f64 {
        row("float", before.float_accuracy.unwrap());
        row("min_max", before.integer_accuracy.unwrap());
        let remedies = [
            ("mse", Quantize { calibration: Calibration::Mse, ..PLAIN }),
            ("percentile", Quantize { calibration: Calibration::Percentile, ..PLAIN }),
            ("entropy", Quantize { calibration: Calibration::Entropy, ..PLAIN }),
            ("equalize", Quantize { equalize: true, ..PLAIN }),
            ("bias_correction", Quantize { bias_correction: true, ..PLAIN }),
            ("adaround", Quantize { adaround: true, ..PLAIN }),
            ("method = \"auto\"", Quantize { method: Method::Auto, ..PLAIN }),
        ];
        remedies.map(|(name, options)| row(name, self.treated(options))).into_iter().fold(0.0, f64::max)
    }
}

fn row(name: &str, accuracy: f64) -> f64 {
    println!("| {name} | {:.1} % |", 100.0 * accuracy);
    accuracy
}

/// Divides channel `c` between two layers and multiplies the weights that read it. Depthwise kernels have their channels last.
fn unbalance(model: &mut Model, from: &str, to: &str, base: f32) {
    let mut scale = |name: String, is_first: bool, up: bool| {
        let tensor = model.weights.get_mut(&name).unwrap();
        let per_channel = tensor.data.len() / 8;
        for (at, value) in tensor.data.iter_mut().enumerate() {
            let factor = base.powi(if is_first { at / per_channel } else { at % 8 } as i32);
            *value *= if up { factor } else { 1.0 / factor };
        }
    };
    scale(format!("{from}/kernel"), from == "stem_conv2d", false);
    scale(format!("{from}/bias"), false, false);
    scale(format!("{to}/kernel"), false, true);
}

/// The doctor's first words about a network that integers break.
fn assert_unequal(before: &Diagnosis) {
    before.findings.iter().for_each(|finding| println!("{finding}"));
    assert!(before.float_accuracy.unwrap() > 0.9, "training went wrong: {:?}", before.float_accuracy);
    assert!(before.integer_accuracy.unwrap() < before.float_accuracy.unwrap() - 0.1, "{:?}", before.integer_accuracy);
    for layer in ["stem", "depthwise"] {
        let finding = before.findings.iter().find(|finding| finding.layer == layer).expect("a finding");
        assert_eq!(finding.remedy, Remedy::Equalize, "{finding}");
        assert!(finding.cause.contains("-fold"), "{finding}");
    }
}

#[test]
fn unequal_channels_are_found_and_equalized() {
    let patient = Patient::new("relu", 4.0);
    let before = patient.diagnosed(&patient.model, PLAIN);
    assert_unequal(&before);
    patient.table(&before);
    let equalized = Quantize { equalize: true, ..Quantize::default() };
    let both = row("equalize, then quantization_aware", patient.trained(4, equalized, Some(Settings::default())));

    let (chosen, trials) = cure(&patient.model, &patient.data.train, PLAIN, 64).unwrap();
    trials.iter().for_each(|trial| println!("{trial:?}"));
    let after = patient.diagnosed(&patient.model, chosen);
    println!("{chosen:?}: int8 {:?}", after.integer_accuracy);
    assert!(chosen.equalize || chosen.method == Method::Auto);
    // Equalization changes nothing in float but rounding.
    assert!((after.float_accuracy.unwrap() - before.float_accuracy.unwrap()).abs() < 0.005);
    // Five of 500 samples: what rounding to 8 bits costs the network before it was unbalanced, and to spare.
    for accuracy in [after.integer_accuracy.unwrap(), both] {
        assert!(accuracy >= after.float_accuracy.unwrap() - 0.01, "{accuracy}");
    }
}

#[test]
fn where_nothing_else_helps_training_does() {
    // A rectifier that ends at 6 keeps channels from being equalized.
    let patient = Patient::new("relu6", 3.0);
    let before = patient.diagnosed(&patient.model, PLAIN);
    assert_unequal(&before);
    let best = patient.table(&before);
    // Each with the calibration that is best for it.
    let float = row("12 more epochs in float, mse", patient.trained(12, Quantize::default(), None));
    let entropy = Quantize { calibration: Calibration::Entropy, ..PLAIN };
    let aware = patient.trained(12, entropy, Some(Settings::default()));
    row("12 more epochs, quantization_aware, entropy", aware);
    let (chosen, _) = cure(&patient.model, &patient.data.train, PLAIN, 64).unwrap();
    let after = patient.diagnosed(&patient.model, chosen);
    let advice = needs_training(&after).expect("the doctor is not content");
    println!("{chosen:?}: int8 {:?}\n{advice}", after.integer_accuracy);
    assert!(advice.contains("quantization_aware"), "{advice}");
    assert!(
        aware > best.max(float) + 0.05,
        "it gives {aware}, training in float {float}, the best of the others {best}"
    );
}
