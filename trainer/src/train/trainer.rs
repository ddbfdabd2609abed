//! The state of a run, and its epochs from the first or the last checkpoint on.

use std::sync::atomic::Ordering;

use anyhow::{Result, ensure};
use burn::optim::ModuleOptimizer;

use super::checkpoint::{Checkpoint, Partial};
use super::epoch::Epoch;
use super::objective::scores;
use super::origin::origin;
use super::progress::Progress;
use super::session::Options;
use super::soft_targets::SoftTargets;
use super::stop::Interrupted;
use crate::data::{Dataset, Loaded, Noise, Targets};
use crate::graph::Graph;
use crate::model::{Meta, Model};
use crate::nn::{Loss, Net, Params, training_device};
use crate::quantize::aware::Aware;
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
    pub(super) soft_targets: SoftTargets,
    pub(super) params: Params,
    /// From the epoch on in which the network learns with what integers compute.
    pub(super) aware: Option<Aware>,
    pub(super) optimizer: ModuleOptimizer,
    pub(super) checkpoint: Checkpoint,
    pub(super) progress: Progress,
}

impl<'a> Trainer<'a> {
    /// The first state of a run; nothing is read or written.
    pub(super) fn new(recipe: Recipe, data: &Loaded, options: &'a Options) -> Result<Self> {
        let Model { graph, weights, meta } = origin(&recipe, &data.train, options)?;
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
        let optimizer = recipe.train.optimizer.build(recipe.train.l2);
        let checkpoint = Checkpoint { recipe: toml::to_string(&recipe)?, ..Checkpoint::default() };
        Ok(Self {
            soft_targets: SoftTargets::new(&recipe.train, &train)?,
            aware: goes_on(&recipe, &graph, &meta)?,
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

    /// Goes on after the last checkpoint where that was asked for; otherwise deletes what an earlier run has left.
    pub(super) fn start(&mut self) -> Result<()> {
        let out = &self.options.out;
        let Some(checkpoint) = Checkpoint::load(out)?.filter(|_| self.options.resume) else {
            return Checkpoint::clear(out);
        };
        ensure!(
            checkpoint.recipe == self.checkpoint.recipe,
            "the checkpoint in {} is of another recipe: train without --resume",
            out.display()
        );
        let optimizer = self.recipe.train.optimizer.build(self.recipe.train.l2);
        let (model, optimizer) = checkpoint.restore(out, optimizer)?;
        self.params = Params::from_weights(self.net.graph(), &model.weights, &training_device())?;
        self.meta.ranges = model.meta.ranges;
        self.aware = goes_on(&self.recipe, self.net.graph(), &self.meta)?;
        (self.checkpoint, self.optimizer) = (checkpoint, optimizer);
        Ok(())
    }

    pub(super) fn run(&mut self) -> Result<()> {
        let last = self.options.stop_after.unwrap_or(usize::MAX).min(self.recipe.train.epochs);
        while self.checkpoint.epochs.len() < last && !self.is_out_of_patience() {
            let number = self.checkpoint.epochs.len() + 1;
            let is_first = self.begin_awareness(number)?;
            let epoch = self.epoch(number)?;
            self.progress.end(&epoch);
            let best = self.checkpoint.epochs.get(self.checkpoint.best.wrapping_sub(1));
            let loss = |epoch: &Epoch| epoch.validation_loss.unwrap_or(f64::NEG_INFINITY);
            // What integers will compute is not compared with what floats did.
            if is_first || best.is_none_or(|best| loss(&epoch) <= loss(best)) {
                self.checkpoint.best = number;
            }
            ensure!(epoch.loss.is_finite(), "the loss is {} after epoch {number}: lower the learning rate", epoch.loss);
            self.checkpoint.epochs.push(epoch);
            self.save()?;
            if self.is_stopped() && self.checkpoint.epochs.len() < last {
                return Err(self.interrupted().into());
            }
        }
        Ok(())
    }

    fn save(&self) -> Result<()> {
        let model = self.model(self.params.to_weights(self.net.graph()));
        self.checkpoint.save(&self.options.out, &model, &self.optimizer)
    }

    /// Ends the run in the middle of an epoch if somebody has asked for that.
    pub(super) fn heed_stop(&mut self, partial: Partial) -> Result<()> {
        if !self.is_stopped() {
            return Ok(());
        }
        self.checkpoint.partial = partial;
        self.save()?;
        Err(self.interrupted().into())
    }

    fn is_stopped(&self) -> bool {
        self.options.stop.load(Ordering::Relaxed)
    }

    fn interrupted(&self) -> Interrupted {
        let Checkpoint { epochs, partial, .. } = &self.checkpoint;
        Interrupted { epochs: epochs.len(), step: partial.step, out: self.options.out.clone() }
    }

    fn is_out_of_patience(&self) -> bool {
        let is_waiting = self.recipe.train.quantization_aware.is_some() && self.aware.is_none();
        let Some(patience) = self.recipe.train.patience.filter(|_| !is_waiting) else { return false };
        self.checkpoint.epochs.len() >= self.checkpoint.best + patience && !self.checkpoint.epochs.is_empty()
    }

    /// Shape of what the network sees.
    pub(super) fn shape(&self) -> &[usize] {
        &self.net.graph().inputs[0].shape
    }

    /// Share of right answers; `None` for regression.
    pub(super) fn accuracy(&self, right: usize, answers: usize) -> Option<f64> {
        (!self.meta.classes.is_empty()).then(|| right as f64 / answers as f64)
    }

    fn model(&self, weights: crate::graph::Weights) -> Model {
        let ranges = self.aware.as_ref().map(Aware::ranges).unwrap_or_default();
        Model { graph: self.net.graph().clone(), weights, meta: Meta { ranges, ..self.meta.clone() } }
    }

    /// The model of the best epoch.
    pub(super) fn finish(self) -> Result<(Model, Vec<Epoch>)> {
        let best = Model::load(&Checkpoint::weights(&self.options.out, self.checkpoint.best))?;
        Ok((best, self.checkpoint.epochs))
    }

    /// Begins to round where the recipe says so; whether this is the first epoch that does, also where it goes on in its middle.
    fn begin_awareness(&mut self, epoch: usize) -> Result<bool> {
        let settings = self.recipe.train.quantization_aware.filter(|settings| epoch > settings.after);
        let Some(settings) = settings else { return Ok(false) };
        if self.aware.is_none() {
            let model = self.model(self.params.to_weights(self.net.graph()));
            self.aware = Some(Aware::calibrated(&model, &self.train, self.recipe.quantize, settings)?);
        }
        Ok(epoch == settings.after + 1)
    }
}

/// What a checkpoint of a later epoch knows already.
fn goes_on(recipe: &Recipe, graph: &Graph, meta: &Meta) -> Result<Option<Aware>> {
    let settings = recipe.train.quantization_aware.filter(|_| !meta.ranges.is_empty());
    settings.map(|settings| Aware::new(graph, meta.ranges.clone(), recipe.quantize, settings)).transpose()
}
