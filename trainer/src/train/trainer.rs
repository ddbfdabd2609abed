//! The state of a run, and its epochs from the first or the last checkpoint on.

use anyhow::{Result, ensure};
use burn::optim::ModuleOptimizer;

use super::checkpoint::Checkpoint;
use super::epoch::Epoch;
use super::objective::scores;
use super::progress::Progress;
use super::session::Options;
use crate::data::{Dataset, Loaded, Noise, Preprocess, Targets};
use crate::model::{Meta, Model};
use crate::nn::{Loss, Net, Params, initialize, training_device};
use crate::recipe::Recipe;

/// A run in progress.
pub(super) struct Trainer<'a> {
    pub(super) recipe: Recipe,
    pub(super) options: &'a Options,
    pub(super) net: Net,
    /// The node whose value the loss takes: before a last softmax.
    pub(super) scores: String,
    pub(super) meta: Meta,
    pub(super) train: Dataset,
    pub(super) validation: Option<Dataset>,
    /// What is mixed into the training samples.
    pub(super) noise: Option<Noise>,
    pub(super) params: Params,
    pub(super) optimizer: ModuleOptimizer,
    pub(super) checkpoint: Checkpoint,
    pub(super) progress: Progress,
}

impl<'a> Trainer<'a> {
    pub(super) fn new(recipe: Recipe, data: &Loaded, options: &'a Options) -> Result<Self> {
        let meta = meta(&recipe, &data.train)?;
        let graph = recipe.graph(&meta.input_shape(&data.train.shape)?)?;
        let net = Net::new(&graph)?;
        let (found, expected) = (net.shapes()[&graph.outputs[0]].iter().product::<usize>(), data.train.target_width());
        ensure!(
            found == expected,
            "the last layer \"{}\" answers {found} numbers, the data has {expected} classes or values, over all steps where \
             each has a label: give it as many",
            graph.outputs[0]
        );
        let of_steps = matches!(data.train.targets, Targets::Steps(_));
        ensure!(
            !of_steps || recipe.train.loss == Loss::CrossEntropy,
            "train: labels of steps are learned with loss = \"cross_entropy\""
        );
        if meta.masked {
            graph.padded()?;
        }
        let (train, validation) = match recipe.train.validation {
            0.0 => (data.train.clone(), None),
            share => {
                let split = data.train.split(share, recipe.seed);
                (split.train, Some(split.test))
            }
        };
        let weights = initialize(&graph, net.shapes(), recipe.train.initializer, recipe.seed);
        let optimizer = recipe.train.optimizer.build(recipe.train.l2);
        let text = toml::to_string(&recipe)?;
        let (checkpoint, weights, optimizer) = match Checkpoint::load(&options.out)?.filter(|_| options.resume) {
            Some(checkpoint) => {
                ensure!(
                    checkpoint.recipe == text,
                    "the checkpoint in {} is of another recipe: train without --resume",
                    options.out.display()
                );
                let weights = Model::load(&Checkpoint::weights(&options.out, checkpoint.epochs.len()))?.weights;
                let optimizer = checkpoint.restore(&options.out, optimizer)?;
                (checkpoint, weights, optimizer)
            }
            None => {
                Checkpoint::clear(&options.out)?;
                (Checkpoint { recipe: text, ..Checkpoint::default() }, weights, optimizer)
            }
        };
        Ok(Self {
            params: Params::from_weights(&graph, &weights, &training_device())?,
            progress: Progress::new(recipe.train.epochs, options.quiet),
            scores: scores(&graph),
            noise: Noise::load(&recipe.augment.waveform, recipe.data.rate())?,
            recipe,
            options,
            net,
            meta,
            train,
            validation,
            optimizer,
            checkpoint,
        })
    }

    pub(super) fn run(&mut self) -> Result<()> {
        let last = self.options.stop_after.unwrap_or(usize::MAX).min(self.recipe.train.epochs);
        while self.checkpoint.epochs.len() < last && !self.is_out_of_patience() {
            let number = self.checkpoint.epochs.len() + 1;
            let epoch = self.epoch(number)?;
            self.progress.end(&epoch);
            let best = self.checkpoint.epochs.get(self.checkpoint.best.wrapping_sub(1));
            let loss = |epoch: &Epoch| epoch.validation_loss.unwrap_or(f64::NEG_INFINITY);
            if best.is_none_or(|best| loss(&epoch) <= loss(best)) {
                self.checkpoint.best = number;
            }
            ensure!(epoch.loss.is_finite(), "the loss is {} after epoch {number}: lower the learning rate", epoch.loss);
            self.checkpoint.epochs.push(epoch);
            let model = self.model(self.params.to_weights(self.net.graph()));
            self.checkpoint.save(&self.options.out, &model, &self.optimizer)?;
        }
        Ok(())
    }

    fn is_out_of_patience(&self) -> bool {
        let Some(patience) = self.recipe.train.patience else { return false };
        self.checkpoint.epochs.len() >= self.checkpoint.best + patience && !self.checkpoint.epochs.is_empty()
    }

    /// Shape of what the network sees.
    pub(super) fn shape(&self) -> &[usize] {
        &self.net.graph().inputs[0].shape
    }

    pub(super) fn is_classifier(&self) -> bool {
        !self.meta.classes.is_empty()
    }

    fn model(&self, weights: crate::graph::Weights) -> Model {
        Model { graph: self.net.graph().clone(), weights, meta: self.meta.clone() }
    }

    /// The model of the best epoch.
    pub(super) fn finish(self) -> Result<(Model, Vec<Epoch>)> {
        let best = Model::load(&Checkpoint::weights(&self.options.out, self.checkpoint.best))?;
        Ok((self.model(best.weights), self.checkpoint.epochs))
    }
}

/// What a model will know of its data.
fn meta(recipe: &Recipe, train: &Dataset) -> Result<Meta> {
    let neutral = Preprocess { gain: vec![1.0], offset: vec![0.0], range: None };
    let masked = !train.lengths.is_empty();
    let (classes, front_end) = (train.classes.clone(), recipe.front_end.clone());
    let mut meta = Meta { preprocess: neutral, classes, front_end, masked };
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
