//! Training with fake quantization: what it computes is what the exported program computes.

use thumbnet_trainer::compile::compile;
use thumbnet_trainer::data::Loaded;
use thumbnet_trainer::model::Model;
use thumbnet_trainer::nn::{Params, Value, device};
use thumbnet_trainer::quantize::aware::{Aware, Settings};
use thumbnet_trainer::quantize::quantize;
use thumbnet_trainer::recipe::Recipe;
use thumbnet_trainer::train::{Options, train};
use thumbnet_trainer::verify::integer_values;

const HEAD: &str = r#"
name = "aware"
seed = 3
data = { kind = "digits", train = 600, test = 200 }
[train]
epochs = 2
batch = 32
loss = "cross_entropy"
optimizer = { name = "adam" }
learning_rate = 3e-3
"#;

/// Every operator of images, with normalizations behind layers and alone.
const IMAGES: &str = r#"
[[layer]]
op = "zero_pad2d"
pad = [0, 1, 1, 0]
[[layer]]
op = "conv2d"
filters = 6
kernel = 3
stride = 2
bias = false
[[layer]]
op = "batch_norm"
name = "a"
activation = "relu6"
[[layer]]
op = "depthwise_conv2d"
kernel = 3
padding = "same"
[[layer]]
op = "batch_norm"
[[layer]]
op = "hard_swish"
name = "b"
[[layer]]
op = "add"
name = "sum"
inputs = ["a", "b"]
activation = "relu"
[[layer]]
op = "conv2d"
inputs = ["a"]
name = "gate"
filters = 6
kernel = 1
activation = "sigmoid"
[[layer]]
op = "multiply"
name = "gated"
inputs = ["sum", "gate"]
[[layer]]
op = "concat"
name = "both"
inputs = ["gated", "b"]
[[layer]]
op = "batch_norm"
activation = "leaky_relu"
[[layer]]
op = "average_pool2d"
[[layer]]
op = "conv2d"
filters = 8
kernel = 3
activation = "tanh"
[[layer]]
op = "dropout"
rate = 0.1
[[layer]]
op = "max_pool2d"
name = "pooled"
[[layer]]
op = "global_average_pool2d"
name = "mean"
[[layer]]
op = "global_max_pool2d"
name = "most"
inputs = ["pooled"]
[[layer]]
op = "concat"
inputs = ["mean", "most"]
[[layer]]
op = "batch_norm"
[[layer]]
op = "dense"
units = 10
activation = "softmax"
"#;

/// Every operator of sequences.
const SEQUENCES: &str = r#"
[[layer]]
op = "reshape"
shape = [28, 28]
[[layer]]
op = "conv1d"
name = "c"
filters = 8
kernel = 3
stride = 2
activation = "relu"
[[layer]]
op = "delta"
[[layer]]
op = "gru"
units = 6
return_sequences = true
bidirectional = true
[[layer]]
op = "gru"
units = 6
reset_after = false
return_sequences = true
[[layer]]
op = "simple_rnn"
units = 8
return_sequences = true
[[layer]]
op = "lstm"
units = 8
[[layer]]
op = "dense"
units = 10
activation = "softmax"
"#;

fn trained(layers: &str) -> (Recipe, Loaded, Model) {
    let recipe = Recipe::parse(&format!("{HEAD}quantization_aware = {{ after = 1 }}\n{layers}")).unwrap();
    let data = recipe.data.load(recipe.seed).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let options = Options { out: folder.path().to_owned(), quiet: true, ..Options::default() };
    let (model, report) = train(&recipe, &data, &options).unwrap();
    println!("{:?}", report.epochs);
    (recipe, data, model)
}

/// Differences of a tensor, in its steps.
struct Difference {
    name: String,
    mean: f64,
    largest: f64,
    equal: f64,
}

/// Every tensor as training computes it beside the program's.
fn differences(recipe: &Recipe, data: &Loaded, model: &Model) -> Vec<Difference> {
    let samples: Vec<usize> = (0..64).collect();
    let aware = Aware::new(&model.graph, model.meta.ranges.clone(), recipe.quantize, Settings::default()).unwrap();
    let params = Params::from_weights(&model.graph, &model.weights, &device()).unwrap();
    let numbers = model.meta.inputs(&data.test, &samples).unwrap();
    let input = Value::new(numbers, samples.len(), &model.graph.inputs[0].shape, &device());
    let mut values = aware.forward(&params, input, None);
    let program = quantize(model, &data.train, recipe.quantize).unwrap();
    let bytes = compile(&program, &[]).unwrap().bytes;
    let compare = |computed: thumbnet_trainer::verify::Computed| {
        let real = values.remove(&computed.name)?.numbers().data;
        let scale = f64::from(computed.quant.scale);
        let steps: Vec<f64> =
            real.iter().zip(computed.real()).map(|(&x, y)| ((f64::from(x) - y) / scale).abs()).collect();
        let count = steps.len() as f64;
        Some(Difference {
            name: computed.name,
            mean: steps.iter().sum::<f64>() / count,
            largest: steps.iter().fold(0.0, |most, &step| most.max(step)),
            equal: steps.iter().filter(|&&step| step < 0.5).count() as f64 / count,
        })
    };
    integer_values(&bytes, &data.test, &samples).unwrap().into_iter().filter_map(compare).collect()
}

#[test]
fn training_computes_what_the_program_does() {
    for layers in [IMAGES, SEQUENCES] {
        let (recipe, data, model) = trained(layers);
        for Difference { name, mean, largest, equal } in differences(&recipe, &data, &model) {
            println!("{name:28} mean {mean:.4}, largest {largest:.1} steps, {:.2} % equal", 100.0 * equal);
        }
    }
}
