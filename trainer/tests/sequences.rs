//! A label for each step of sequences of different lengths: from files to integers, and what is behind an end has no part in it.

use std::fs;
use std::path::Path;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use thumbnet_trainer::compile::compile;
use thumbnet_trainer::nn::{Initializer, Mask, Net, Params, Value, device, initialize};
use thumbnet_trainer::quantize::quantize;
use thumbnet_trainer::recipe::{Quantize, Recipe};
use thumbnet_trainer::train::{Options, train};
use thumbnet_trainer::verify::{golden_inputs, integer_evaluation};

const LENGTH: usize = 16;

/// Rows of noise and a number of whose sign the label of the next row is.
fn write(path: &Path, rng: &mut StdRng) {
    let mut text = "noise,x,before\n".to_owned();
    let mut before = "none";
    // No more than a sample has: a window that begins later begins with a label whose reason it does not see.
    for _ in 0..rng.random_range(6..=LENGTH) {
        let (noise, x) = (rng.random_range(-1.0f32..1.0), rng.random_range(-1.0f32..1.0));
        text.push_str(&format!("{noise},{x},{before}\n"));
        before = if x > 0.0 { "up" } else { "down" };
    }
    fs::write(path, text).unwrap();
}

fn recipe(layers: &str, path: &Path) -> Recipe {
    let text = format!(
        r#"
name = "labels"
seed = 1
data = {{ kind = "labelled_series", path = {path:?}, length = {LENGTH}, stride = 8, test_files = ["test*"] }}
[train]
epochs = 20
batch = 16
loss = "cross_entropy"
optimizer = {{ name = "adam" }}
learning_rate = 2e-2
{layers}"#
    );
    Recipe::parse(&text).unwrap()
}

const LAYERS: &str = "[[layer]]\nop = \"gru\"\nunits = 12\nreturn_sequences = true\n\
                      [[layer]]\nop = \"dense\"\nunits = 3\nactivation = \"softmax\"\n";

#[test]
fn every_step_is_learned_and_judged() {
    let folder = tempfile::tempdir().unwrap();
    let mut rng = StdRng::seed_from_u64(7);
    (0..200).for_each(|number| write(&folder.path().join(format!("train{number}.csv")), &mut rng));
    (0..20).for_each(|number| write(&folder.path().join(format!("test{number}.csv")), &mut rng));
    let recipe = recipe(LAYERS, folder.path());
    let data = recipe.data.load(1).unwrap();
    assert!(data.train.lengths.iter().any(|&length| length < LENGTH));
    let options = Options { out: folder.path().join("run"), quiet: true, ..Options::default() };
    let (model, report) = train(&recipe, &data, &options).unwrap();
    let test = report.test.confusion.as_ref().unwrap();
    assert_eq!(test.total(), data.test.lengths.iter().sum::<usize>(), "steps, and none behind an end");
    let float = report.test.accuracy().unwrap();
    assert!(float > 0.95, "{float}");
    let program = quantize(&model, &data.train, Quantize::default()).unwrap();
    assert_eq!(program.inputs, 2);
    let bytes = compile(&program, &golden_inputs(&program, &data.test, 4).unwrap()).unwrap().bytes;
    let integer = integer_evaluation(&bytes, &data.test).unwrap();
    assert_eq!(integer.confusion.as_ref().unwrap().total(), test.total());
    // A few steps lie on the border.
    assert!(integer.accuracy().unwrap() > float - 0.02, "{float} {:?}", integer.accuracy());
}

#[test]
fn what_would_see_behind_an_end_cannot_be_trained() {
    let folder = tempfile::tempdir().unwrap();
    let mut rng = StdRng::seed_from_u64(7);
    ["train.csv", "test.csv"].iter().for_each(|name| write(&folder.path().join(name), &mut rng));
    let error = |layers: &str| {
        let recipe = recipe(layers, folder.path());
        let options = Options { out: folder.path().join("run"), quiet: true, ..Options::default() };
        format!("{:#}", train(&recipe, &recipe.data.load(1).unwrap(), &options).unwrap_err())
    };
    let same = "[[layer]]\nop = \"conv1d\"\nname = \"ahead\"\nfilters = 3\nkernel = 3\npadding = \"same\"\n";
    let found = error(same);
    assert!(found.contains("layer \"ahead\" (conv2d) would see what is behind the end"), "{found}");
    let found = error(&LAYERS.replace("return_sequences = true\n", ""));
    assert!(found.contains("answers 3 numbers") && found.contains("over all steps"), "{found}");
}

/// In float, a masked sequence of a batch gives what it gives alone, in a place as long as it is.
#[test]
fn masks_leave_what_a_shorter_place_gives() {
    let sequence = "return_sequences = true\n";
    let layer = |op: &str, more: &str| format!("[[layer]]\nop = \"{op}\"\nunits = 5\n{more}");
    let pool = |kind: &str| format!("[[layer]]\nop = \"global_{kind}_pool1d\"\n");
    for layers in [
        layer("gru", ""),
        layer("lstm", sequence) + &layer("lstm", "bidirectional = true\n"),
        layer("simple_rnn", &format!("{sequence}bidirectional = true\n")) + &pool("average"),
        layer("gru", &format!("{sequence}reset_after = false\ngo_backwards = true\n")) + &pool("max"),
        "[[layer]]\nop = \"conv1d\"\nfilters = 4\nkernel = 3\npadding = \"causal\"\n".to_owned() + &pool("max"),
    ] {
        let recipe = recipe(&layers, Path::new("x"));
        let graph = recipe.graph(&[LENGTH, 2]).unwrap();
        let weights = initialize(&graph, &graph.shapes().unwrap(), Initializer::GlorotUniform, 3);
        let params = Params::from_weights(&graph, &weights, &device()).unwrap();
        let mut rng = StdRng::seed_from_u64(5);
        let values: Vec<f32> = (0..3 * LENGTH * 2).map(|_| rng.random_range(-2.0f32..2.0)).collect();
        let lengths = [4, LENGTH, 1];
        let net = Net::new(&graph).unwrap();
        let mask = Mask::new(&lengths, LENGTH, &device());
        let input = Value::new(values.clone(), 3, &[LENGTH, 2], &device());
        let output = &graph.outputs[0];
        let all = net.forward_masked(&params, input, Some(&mask)).remove(output).unwrap().numbers().data;
        for (number, &length) in lengths.iter().enumerate() {
            let own = &values[number * LENGTH * 2..][..length * 2];
            let short = Net::new(&recipe.graph(&[length, 2]).unwrap()).unwrap();
            let input = Value::new(own.to_vec(), 1, &[length, 2], &device());
            let expected = short.forward(&params, input).remove(output).unwrap().numbers().data;
            let found = &all[number * expected.len()..][..expected.len()];
            // Sums of a batch may be added in another order than those of one sample.
            let close = found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-5);
            assert!(close, "{layers}: {found:?} {expected:?}");
        }
    }
}

/// `y_t[u] = b[u] + Σ_r Σ_m β[u, r, m] · (α[u, r] · x_{t−m})`, directly.
#[test]
fn singular_value_filters_are_those_of_the_definition() {
    let (units, rank, memory, width) = (4, 3, 5, 2);
    let layer = format!("[[layer]]\nop = \"svdf\"\nname = \"s\"\nunits = {units}\nrank = {rank}\nmemory = {memory}\n");
    let graph = recipe(&layer, Path::new("x")).graph(&[LENGTH, width]).unwrap();
    let mut rng = StdRng::seed_from_u64(5);
    let mut weights = initialize(&graph, &graph.shapes().unwrap(), Initializer::GlorotUniform, 3);
    let bias = weights.get_mut("s_filtered_0/bias").unwrap();
    bias.data.iter_mut().for_each(|b| *b = rng.random_range(-1.0..1.0));
    let values: Vec<f32> = (0..LENGTH * width).map(|_| rng.random_range(-2.0f32..2.0)).collect();
    let params = Params::from_weights(&graph, &weights, &device()).unwrap();
    let input = Value::new(values.clone(), 1, &[LENGTH, width], &device());
    let found = Net::new(&graph).unwrap().forward(&params, input).remove("s").unwrap().numbers().data;
    for t in 0..LENGTH {
        for u in 0..units {
            let mut expected = f64::from(weights["s_filtered_0/bias"].data[u]);
            for r in 0..rank {
                let (alpha, beta) =
                    (&weights[&format!("s_features_{r}/kernel")], &weights[&format!("s_filtered_{r}/kernel")]);
                for m in 0..memory.min(t + 1) {
                    let x = &values[(t - m) * width..][..width];
                    let product: f64 = x.iter().zip(&alpha.data[u * width..]).map(|(x, a)| f64::from(x * a)).sum();
                    // The last tap is of this step.
                    expected += f64::from(beta.data[(memory - 1 - m) * units + u]) * product;
                }
            }
            // A few dozen products of f32 around 1.
            assert!((f64::from(found[t * units + u]) - expected).abs() < 1e-5, "{t} {u}");
        }
    }
}
