//! The training loop.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Tensor, TensorData};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::RunDir;
use super::checkpoint::Checkpoint;
use super::evaluate::{Evaluation, argmax, evaluate};
use super::progress::Progress;
use crate::data::{Dataset, Loaded, Noise, Preprocess, Targets};
use crate::files::replace;
use crate::graph::{Graph, Op};
use crate::model::{Meta, Model};
use crate::nn::{Loss, Mask, Net, Params, Value, initialize, training_device};
use crate::recipe::Recipe;

/// How a run is started.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Folder for everything that the run writes.
    pub out: PathBuf,
    /// Goes on after the last checkpoint in that folder.
    pub resume: bool,
    /// Replaces the recipe's number of epochs.
    pub epochs: Option<usize>,
    /// Stops after this epoch as an interruption would; resuming goes on.
    pub stop_after: Option<usize>,
    /// Says nothing.
    pub quiet: bool,
}

/// What one epoch gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Its number, from 1.
    pub epoch: usize,
    /// Mean loss over the training samples while they were learned.
    pub loss: f64,
    /// Their accuracy; `None` for regression.
    pub accuracy: Option<f64>,
    /// Loss over the validation samples afterwards; `None` without such.
    pub validation_loss: Option<f64>,
    /// Their accuracy.
    pub validation_accuracy: Option<f64>,
}

impl Epoch {
    pub(super) fn line(&self, epochs: usize) -> String {
        let percent =
            |name: &str, value: Option<f64>| value.map_or(String::new(), |v| format!("  {name} {:.2} %", 100.0 * v));
        let validation = self.validation_loss.map_or(String::new(), |loss| format!("  validation loss {loss:.4}"));
        let accuracy = percent("accuracy", self.accuracy);
        let validation_accuracy = percent("accuracy", self.validation_accuracy);
        format!("epoch {}/{epochs}  loss {:.4}{accuracy}{validation}{validation_accuracy}", self.epoch, self.loss)
    }
}

/// What a run gave.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Epoch by epoch.
    pub epochs: Vec<Epoch>,
    /// On the test set, which training has never seen.
    pub test: Evaluation,
    /// Number of weights.
    pub parameters: usize,
    /// Time that training took, in this run.
    pub seconds: f64,
}

/// Trains what the recipe describes, and writes model, recipe and metrics into the run's folder.
///
/// # Errors
/// The recipe does not fit the data, a file cannot be written, or a checkpoint belongs to another recipe.
pub fn train(recipe: &Recipe, data: &Loaded, options: &Options) -> Result<(Model, Report)> {
    let mut recipe = recipe.clone();
    recipe.train.epochs = options.epochs.unwrap_or(recipe.train.epochs);
    fs::create_dir_all(&options.out).with_context(|| format!("cannot create {}", options.out.display()))?;
    let run = RunDir(options.out.clone());
    let started = Instant::now();
    let mut trainer = Trainer::new(recipe.clone(), data, options)?;
    trainer.run()?;
    let (model, epochs) = trainer.finish()?;
    let parameters = model.weights.values().map(|tensor| tensor.data.len()).sum();
    let test = evaluate(&model, &data.test)?;
    let report = Report { epochs, test, parameters, seconds: started.elapsed().as_secs_f64() };
    model.save(&run.model())?;
    replace(&run.recipe(), toml::to_string(&recipe)?.as_bytes())?;
    replace(&run.metrics(), serde_json::to_string_pretty(&report)?.as_bytes())?;
    Ok((model, report))
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

struct Trainer<'a> {
    recipe: Recipe,
    options: &'a Options,
    net: Net,
    /// The node whose value the loss takes: before a last softmax.
    scores: String,
    meta: Meta,
    train: Dataset,
    validation: Option<Dataset>,
    /// What is mixed into the training samples.
    noise: Option<Noise>,
    params: Params,
    optimizer: ModuleOptimizer,
    checkpoint: Checkpoint,
    progress: Progress,
}

impl<'a> Trainer<'a> {
    fn new(recipe: Recipe, data: &Loaded, options: &'a Options) -> Result<Self> {
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

    fn run(&mut self) -> Result<()> {
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

    fn epoch(&mut self, number: usize) -> Result<Epoch> {
        let mut rng =
            StdRng::seed_from_u64(self.recipe.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number as u64));
        // Dropout draws from the device's own generator.
        training_device().seed(self.recipe.seed.wrapping_add(number as u64));
        let mut order: Vec<usize> = (0..self.train.len()).collect();
        order.shuffle(&mut rng);
        let steps = order.len().div_ceil(self.recipe.train.batch);
        self.progress.begin(number, steps);
        let (mut loss, mut hits, mut answers) = (0.0, 0, 0);
        for (step, batch) in batches(&order, self.recipe.train.batch).enumerate() {
            let at = (number - 1) * steps + step;
            let rate = self.recipe.train.schedule.factor(at, steps, self.recipe.train.epochs)
                * self.recipe.train.learning_rate;
            let (batch_loss, batch_hits) = self.step(batch, rate, &mut rng)?;
            loss += batch_loss * batch.len() as f64;
            hits += batch_hits;
            answers += self.train.answers(batch);
            let seen = (step * self.recipe.train.batch + batch.len()) as f64;
            self.progress.step(loss / seen, self.is_classifier().then_some(hits as f64 / answers as f64));
        }
        let count = order.len() as f64;
        let validation = self.validation.as_ref().map(|data| self.validate(data)).transpose()?;
        Ok(Epoch {
            epoch: number,
            loss: loss / count,
            accuracy: self.is_classifier().then_some(hits as f64 / answers as f64),
            validation_loss: validation.map(|(loss, _)| loss),
            validation_accuracy: validation.and_then(|(_, accuracy)| accuracy),
        })
    }

    /// Shape of what the network sees.
    fn shape(&self) -> &[usize] {
        &self.net.graph().inputs[0].shape
    }

    fn is_classifier(&self) -> bool {
        !self.meta.classes.is_empty()
    }

    /// One step of the optimizer; gives loss and right predictions of the batch.
    fn step(&mut self, batch: &[usize], rate: f64, rng: &mut StdRng) -> Result<(f64, usize)> {
        let augment = &self.recipe.augment;
        let fill = self.train.range.map_or(0.0, |[low, _]| low);
        let numbers = if augment.is_active() {
            let mut change = |&index: &usize| {
                let mut changed = augment.apply(self.train.sample(index), &self.train.shape, fill, rng);
                self.noise.iter().for_each(|noise| noise.mix(&mut changed, rng));
                changed
            };
            let changed: Vec<Vec<f32>> = batch.iter().map(&mut change).collect();
            let mut numbers = self.meta.apply(changed.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
            let width = self.shape().iter().product();
            numbers.chunks_exact_mut(width).for_each(|features| augment.mask(features, self.shape(), rng));
            numbers
        } else {
            self.meta.inputs(&self.train, batch)?
        };
        let device = training_device();
        let input = Value::new(numbers, batch.len(), self.shape(), &device);
        let mask = self.meta.mask(&self.train, batch, &device);
        let scores = self.scores(&self.params, input, mask.as_ref())?;
        let loss = self.loss(scores.clone(), &self.train, batch);
        let gradients = GradientsParams::from_grads(loss.backward(), &self.params);
        self.params = self.optimizer.step(rate, self.params.clone(), gradients);
        let loss = loss.into_scalar::<f32>();
        Ok((f64::from(loss), hits(scores, &self.train, batch)))
    }

    /// The loss of a batch; of its steps that are there where each has a label.
    fn loss(&self, scores: Tensor<2>, data: &Dataset, batch: &[usize]) -> Tensor<1> {
        let target = targets(data, batch, &scores.device());
        let Targets::Steps(_) = data.targets else { return self.recipe.train.loss.forward(scores, target) };
        // One row for each step. Those behind the end have no target, and with cross entropy no loss.
        let classes = data.classes.len();
        let rows = target.dims()[1] / classes * batch.len();
        let loss = self.recipe.train.loss.forward(scores.reshape([rows, classes]), target.reshape([rows, classes]));
        loss * (rows as f64 / data.answers(batch) as f64)
    }

    fn scores(&self, params: &Params, input: Value, mask: Option<&Mask>) -> Result<Tensor<2>> {
        let mut values = self.net.forward_masked(params, input, mask);
        Ok(values.remove(&self.scores).context("the graph computes its own nodes")?.flat())
    }

    fn validate(&self, data: &Dataset) -> Result<(f64, Option<f64>)> {
        let device = crate::nn::device();
        let params = Params::from_weights(self.net.graph(), &self.params.to_weights(self.net.graph()), &device)?;
        let order: Vec<usize> = (0..data.len()).collect();
        let (mut loss, mut right) = (0.0, 0);
        for batch in batches(&order, 256) {
            let numbers = self.meta.inputs(data, batch)?;
            let mask = self.meta.mask(data, batch, &device);
            let scores =
                self.scores(&params, Value::new(numbers, batch.len(), self.shape(), &device), mask.as_ref())?;
            let batch_loss = self.loss(scores.clone(), data, batch);
            loss += f64::from(batch_loss.into_scalar::<f32>()) * batch.len() as f64;
            right += hits(scores, data, batch);
        }
        let count = data.len() as f64;
        Ok((loss / count, self.is_classifier().then_some(right as f64 / data.answers(&order) as f64)))
    }

    fn model(&self, weights: crate::graph::Weights) -> Model {
        Model { graph: self.net.graph().clone(), weights, meta: self.meta.clone() }
    }

    /// The model of the best epoch.
    fn finish(self) -> Result<(Model, Vec<Epoch>)> {
        let best = Model::load(&Checkpoint::weights(&self.options.out, self.checkpoint.best))?;
        Ok((self.model(best.weights), self.checkpoint.epochs))
    }
}

/// Consecutive parts of an order.
pub(super) fn batches(order: &[usize], size: usize) -> impl Iterator<Item = &[usize]> {
    order.chunks(size)
}

/// The node whose value the loss takes: before a last softmax.
pub(crate) fn scores(graph: &Graph) -> String {
    let output = &graph.outputs[0];
    match graph.node(output) {
        Some(node) if node.op == Op::Softmax => node.inputs[0].clone(),
        _ => output.clone(),
    }
}

fn targets(data: &Dataset, batch: &[usize], device: &burn::tensor::Device) -> Tensor<2> {
    let numbers: Vec<f32> = batch.iter().flat_map(|&index| data.target(index)).collect();
    Tensor::from_data(TensorData::new(numbers, [batch.len(), data.target_width()]), device)
}

fn hits(scores: Tensor<2>, data: &Dataset, batch: &[usize]) -> usize {
    let scores = Value::Flat(scores).numbers();
    let rows = scores.data.chunks(scores.shape[1].max(1)).zip(batch);
    let of_sample = |(row, &index): (&[f32], &usize)| {
        let answers = row.chunks(data.classes.len().max(1)).zip(data.labels(index));
        answers.filter(|(answer, label)| argmax(answer) == **label).count()
    };
    rows.map(of_sample).sum()
}
