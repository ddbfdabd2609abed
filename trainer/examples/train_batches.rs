//! Trains some batches on numbers drawn at random, for `cargo xtask bench --train`: reads lines "<network> <batches>" and answers
//! each with the seconds that it took, all of a run's epoch: scaling, steps, checkpoint.

use std::io::{Write, stdin, stdout};

use anyhow::{Context, Result, bail};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use thumbnet_trainer::data::{Augment, Dataset, Loaded, Targets};
use thumbnet_trainer::recipe::Recipe;
use thumbnet_trainer::train::{Options, train};

/// 32 features in 64 steps, 64 units, the answer from the last state.
const RECURRENT: &str = r#"
name = "recurrent"
scaling = "none"
[data]
kind = "digits"
[train]
epochs = 1
batch = 32
loss = "cross_entropy"
optimizer = { name = "adam" }
[[layer]]
op = "lstm"
units = 64
[[layer]]
op = "dense"
units = 10
activation = "softmax"
"#;

fn main() -> Result<()> {
    for line in stdin().lines() {
        let line = line?;
        let (network, batches) = line.split_once(' ').context("expected \"<network> <batches>\"")?;
        println!("{}", seconds(network, batches.parse()?)?);
        stdout().flush()?;
    }
    Ok(())
}

/// How long an epoch of so many batches takes.
fn seconds(network: &str, batches: usize) -> Result<f64> {
    let gru = RECURRENT.replace("lstm", "gru");
    let (recipe, shape) = match network {
        "mnist_cnn" => (include_str!("../recipes/mnist_cnn.toml"), vec![28, 28, 1]),
        "resnet8" => (include_str!("../recipes/cifar10_resnet8.toml"), vec![32, 32, 3]),
        "lstm" => (RECURRENT, vec![64, 32]),
        "gru" => (gru.as_str(), vec![64, 32]),
        _ => bail!("unknown network \"{network}\""),
    };
    let recipe = Recipe { augment: Augment::default(), ..Recipe::parse(recipe)? };
    let data = Loaded { train: samples(&shape, batches * recipe.train.batch), test: samples(&shape, 1) };
    let folder = tempfile::tempdir()?;
    let options = Options { out: folder.path().into(), epochs: Some(1), quiet: true, ..Options::default() };
    Ok(train(&recipe, &data, &options)?.1.seconds)
}

fn samples(shape: &[usize], count: usize) -> Dataset {
    let mut rng = StdRng::seed_from_u64(1);
    Dataset {
        shape: shape.to_vec(),
        inputs: (0..count * shape.iter().product::<usize>()).map(|_| rng.random()).collect(),
        targets: Targets::Classes((0..count).map(|_| rng.random_range(0..10)).collect()),
        classes: (0..10).map(|class| class.to_string()).collect(),
        range: Some([0.0, 1.0]),
        lengths: vec![],
    }
}
