//! Quantization-aware training: the forward pass computes with what the integers of the program stand for, the gradient
//! passes as if nothing had been rounded.
//!
//! - A weight `w` of output channel `c` becomes `s_c · round(w / s_c)` with the exporter's `s_c`, a bias a multiple of
//!   `s_input · s_c`, a value `x` of a tensor `s · (clamp(round(x / s) + z, −128, 127) − z)`. Which tensor has which `s` and `z`
//!   is asked where the exporter asks (`super::grid`): a rectifier is a part of the layer before it, pools and reshapes have
//!   their input's, softmax and sigmoid 1/256, tanh and recurrent states 1/128.
//! - Gradients are those of `clamp` without the rounding (the straight-through estimator): 1 inside of the range, 0 where a value
//!   is clipped.
//! - Ranges go on from those of calibration as moving averages of what each batch shows. The exporter takes them as they are.
//! - Batch normalization is a part of the layer before it, `w · γ / sqrt(v + ε)`, with the running statistics of the epochs
//!   before, which stay as they are; `γ` and `β` go on learning. So training rounds the very weights that the chip has:
//!   statistics of each batch would scale them anew at every step, which keeps training from settling (Krishnamoorthi,
//!   section 3.2.3.2, freezes them for that).
//! - Dropout does nothing here: rounding is the noise, and what is learned is what will be computed.
//!
//! What is not rounded is finer than a step of int8 by far: accumulators, multipliers of 31 bits, gates and memories of
//! recurrent layers (16 bits).
//!
//! Sources: Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only inference",
//! CVPR 2018 (arXiv:1712.05877); Krishnamoorthi, "Quantizing deep convolutional networks for efficient inference", 2018
//! (arXiv:1806.08342).

mod fold;
mod round;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail, ensure};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::fold::{Fold, fold_graph};
use super::grid::{Grid, Ranges, grid, quants};
use super::scale::Quant;
use super::{calibrate, calibration_samples};
use crate::data::Dataset;
use crate::graph::{Graph, Op};
use crate::model::Model;
use crate::nn::{Mask, Net, Params, Rounding, Value};
use crate::recipe::{Calibration, Quantize};

/// `quantization_aware` of `[train]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Epochs in float before it begins. Batch normalization finds its statistics in them.
    pub after: usize,
    /// How much of a range stays at each batch.
    pub momentum: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { after: 0, momentum: 0.99 }
    }
}

impl Settings {
    /// Whether there is an epoch left for it.
    ///
    /// # Errors
    /// There is none, or a field is out of its range.
    pub fn check(&self, epochs: usize) -> Result<()> {
        let Self { after, momentum } = self;
        ensure!((0.0..1.0).contains(momentum), "train: quantization_aware: momentum {momentum} is not in [0, 1)");
        ensure!(
            *after < epochs,
            "train: quantization_aware: after = {after} leaves none of the {epochs} epochs for it: make it smaller"
        );
        Ok(())
    }
}

/// Batch normalization is folded with the statistics of the epochs before.
///
/// # Errors
/// There are none.
pub fn check_statistics(graph: &Graph, settings: &Settings, has_statistics: bool) -> Result<()> {
    let norm = graph.nodes.iter().find(|node| matches!(node.op, Op::BatchNorm { .. }));
    let Some(norm) = norm.filter(|_| settings.after == 0 && !has_statistics) else { return Ok(()) };
    bail!(
        "train: quantization_aware: batch normalization \"{}\" needs statistics first: set after to 1 or more, or go on from a \
         trained model with --from",
        norm.name
    )
}

/// A network that is trained with fake quantization.
#[derive(Debug)]
pub struct Aware {
    /// As it is trained.
    graph: Graph,
    folds: Vec<Fold>,
    /// As it is computed: folded.
    net: Net,
    rules: BTreeMap<String, Rule>,
    /// They move in a forward pass, as the running statistics of a normalization do.
    ranges: Mutex<Ranges>,
    momentum: f64,
    method: Calibration,
}

/// How the values of a tensor are rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// To the grid of a range that moves with what is seen.
    Moving,
    /// To a grid that stays.
    Fixed,
    /// To that of the input, as the integer average does.
    Average,
    /// They are on the grid of the input already.
    Exact,
}

impl Aware {
    /// Begins with the ranges that calibration gives a model.
    ///
    /// # Errors
    /// The data does not fit the model.
    pub fn calibrated(model: &Model, data: &Dataset, options: Quantize, settings: Settings) -> Result<Self> {
        let folded = super::fold(model)?;
        let seen = calibrate::activations(&folded, data, &calibration_samples(data, options.samples).0)?;
        let ranges = calibrate::ranges(&folded, &seen, |_| options.calibration);
        Self::new(&model.graph, ranges, options, settings)
    }

    /// Goes on with these ranges.
    ///
    /// # Errors
    /// They are not those of this network.
    pub fn new(graph: &Graph, ranges: Ranges, options: Quantize, settings: Settings) -> Result<Self> {
        let (folded, folds) = fold_graph(graph)?;
        let mut rules: BTreeMap<String, Rule> =
            folded.inputs.iter().map(|input| (input.name.clone(), Rule::Fixed)).collect();
        for node in &folded.nodes {
            let rule = match grid(&folded, node) {
                Grid::Measured => Rule::Moving,
                Grid::Fixed(_) => Rule::Fixed,
                Grid::OfInput if matches!(node.op, Op::AveragePool2d { .. } | Op::GlobalAveragePool2d) => Rule::Average,
                Grid::OfInput => Rule::Exact,
                Grid::Fused | Grid::Index => continue,
            };
            rules.insert(node.name.clone(), rule);
        }
        let known = quants(&folded, &ranges);
        for name in rules.keys() {
            ensure!(known.contains_key(name), "no range is known for \"{name}\": the ranges are of another network");
        }
        let (momentum, method) = (settings.momentum, options.calibration);
        Ok(Self {
            graph: graph.clone(),
            folds,
            net: Net::new(&folded)?,
            rules,
            ranges: Mutex::new(ranges),
            momentum,
            method,
        })
    }

    /// The graph that is computed.
    #[must_use]
    pub const fn folded(&self) -> &Graph {
        self.net.graph()
    }

    /// The ranges as they are now.
    #[must_use]
    pub fn ranges(&self) -> Ranges {
        self.ranges.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Computes every node for a batch, as the integers will. Where gradients are computed, ranges take the batch in.
    #[must_use]
    pub fn forward(&self, params: &Params, input: Value, mask: Option<&Mask>) -> BTreeMap<String, Value> {
        let ranges = self.ranges();
        let quants = quants(self.folded(), &ranges);
        let mut folded = fold::params(params, &self.graph, self.folded(), &self.folds);
        round::params(&mut folded, self.folded(), &quants);
        let mut pass = Pass { aware: self, ranges, quants, is_learning: round::is_learning(&input) };
        let values = self.net.forward_rounded(&folded, input, mask, &mut pass);
        if pass.is_learning {
            *self.ranges.lock().unwrap_or_else(PoisonError::into_inner) = pass.ranges;
        }
        values
    }
}

/// One forward pass.
struct Pass<'a> {
    aware: &'a Aware,
    ranges: Ranges,
    quants: BTreeMap<String, Quant>,
    is_learning: bool,
}

impl Rounding for Pass<'_> {
    fn value(&mut self, name: &str, value: Value) -> Value {
        let (Some(rule), Some(&quant)) = (self.aware.rules.get(name), self.quants.get(name)) else { return value };
        match rule {
            Rule::Exact => value,
            Rule::Average => round::value(value, self.of_input(name).unwrap_or(quant), round::average),
            Rule::Moving if self.is_learning => {
                let quant = self.observe(name, &value).unwrap_or(quant);
                round::value(value, quant, round::nearest)
            }
            Rule::Moving | Rule::Fixed => round::value(value, quant, round::nearest),
        }
    }

    fn state(&self) -> Option<fn(Tensor<2>) -> Tensor<2>> {
        Some(round::state)
    }
}

impl Pass<'_> {
    /// The quantization of the first input of a node, whose range may have moved in this pass.
    fn of_input(&self, name: &str) -> Option<Quant> {
        let node = self.aware.folded().node(name)?;
        let input = &node.inputs[0];
        match self.aware.rules.get(input)? {
            Rule::Exact | Rule::Average => self.of_input(input),
            _ => self.quants.get(input).copied(),
        }
    }

    /// Moves a range towards that of the batch.
    fn observe(&mut self, name: &str, value: &Value) -> Option<Quant> {
        let seen = calibrate::range(&round::sample(value), self.aware.method);
        let range = self.ranges.get_mut(name)?;
        let momentum = self.aware.momentum as f32;
        range.iter_mut().zip(seen).for_each(|(end, seen)| *end += (1.0 - momentum) * (seen - *end));
        let quant = Quant::of_range(*range);
        self.quants.insert(name.to_owned(), quant);
        Some(quant)
    }
}
