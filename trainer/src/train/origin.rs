//! What a run begins with: weights of chance, or a trained model.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::session::Options;
use crate::data::{Dataset, Preprocess};
use crate::model::{Meta, Model};
use crate::nn::{Net, initialize};
use crate::quantize::{Ranges, aware, equalized, folded};
use crate::recipe::Recipe;

/// The network before the first epoch.
pub(super) fn origin(recipe: &Recipe, train: &Dataset, options: &Options) -> Result<Model> {
    let (model, has_statistics) = match &options.from {
        Some(path) => (trained(recipe, train, path)?, true),
        None => (fresh(recipe, train)?, false),
    };
    if let Some(settings) = &recipe.train.quantization_aware {
        settings.check(recipe.train.epochs)?;
        aware::check_statistics(&model.graph, settings, has_statistics)?;
    }
    Ok(model)
}

/// The recipe's layers with weights of chance.
fn fresh(recipe: &Recipe, train: &Dataset) -> Result<Model> {
    let meta = meta(recipe, train)?;
    let graph = recipe.graph(&meta.input_shape(&train.shape)?)?;
    let weights = initialize(&graph, Net::new(&graph)?.shapes(), recipe.train.initializer, recipe.seed);
    Ok(Model { graph, weights, meta })
}

/// A trained model, which keeps how it sees its data. Where the recipe equalizes and is quantization-aware, that is done now: the
/// exporter leaves what training has rounded as it is.
fn trained(recipe: &Recipe, train: &Dataset, path: &Path) -> Result<Model> {
    let mut model = Model::load(path)?;
    let shape = model.meta.input_shape(&train.shape)?;
    let expected = recipe.graph(&shape)?;
    ensure!(
        model.graph.inputs == expected.inputs
            && (model.graph.nodes == expected.nodes || model.graph.nodes == folded(&expected)?.nodes),
        "{} does not have the recipe's layers: name the recipe that it was trained with, or train anew",
        path.display()
    );
    ensure!(
        model.meta.classes == train.classes && model.meta.masked != train.lengths.is_empty(),
        "{} was trained on {:?}, the data has {:?}: it must be the same kind of data",
        path.display(),
        model.meta.classes,
        train.classes
    );
    model.meta.ranges = Ranges::new();
    if recipe.quantize.equalize && recipe.train.quantization_aware.is_some() {
        model = equalized(&model).with_context(|| format!("{} cannot be equalized", path.display()))?;
    }
    Ok(model)
}

/// What a model will know of its data.
fn meta(recipe: &Recipe, train: &Dataset) -> Result<Meta> {
    let neutral = Preprocess { gain: vec![1.0], offset: vec![0.0], range: None };
    let masked = !train.lengths.is_empty();
    let (classes, front_end) = (train.classes.clone(), recipe.front_end.clone());
    let mut meta = Meta { preprocess: neutral, classes, front_end, masked, ranges: Ranges::new() };
    meta.preprocess = if meta.front_end.is_some() {
        let all: Vec<usize> = (0..train.len()).collect();
        let inputs = meta.inputs(train, &all)?;
        let features = Dataset { shape: meta.input_shape(&train.shape)?, inputs, range: None, ..train.select(&[]) };
        Preprocess::fit(recipe.scaling, &features)?
    } else {
        Preprocess::fit(recipe.scaling, train)?
    };
    Ok(meta)
}
