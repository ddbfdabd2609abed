//! All pictures of a page, drawn. Those that hold many things are drawn twice: for a wide page and for a phone.

use anyhow::Result;
use serde::Serialize;

use super::super::draw::{self, Curve, Ink, Point, Scale, Words, grouped};
use super::super::training::Training;
use super::super::{Axis, Cost, LayerCost, Layers, Memory, Picture, Report, Sample, Samples, Tried, Tuning};
use super::filters::{decibels, measure};
use crate::metrics::Confusion;
use crate::quantize::doctor;
use crate::train::Epoch;
use crate::tune::{Objective, front};

/// Pixels of a wide page's pictures, and of a phone's.
const WIDTHS: [(&str, i32); 2] = [("wide", 880), ("narrow", 340)];

/// Pixels of a picture beside another.
const HALF: i32 = 420;

/// The same for a wide page and for a phone.
type Both = Option<[String; 2]>;

/// The pictures of a page, as text for its templates.
#[derive(Debug, Default, Serialize)]
pub(super) struct Pictures {
    loss: Both,
    accuracy: Both,
    confusion: Both,
    noise: Both,
    arena: Both,
    flash: Both,
    work: Vec<Work>,
    fronts: Vec<[String; 2]>,
    /// Whether samples need more room than images do.
    is_wide: bool,
    /// Of each sample.
    samples: Vec<Vec<String>>,
}

/// What each layer computes, on one core or in multiply-accumulates.
#[derive(Debug, Serialize)]
struct Work {
    title: String,
    pictures: Both,
}

impl Pictures {
    /// Draws what the report has.
    pub fn draw(report: &Report) -> Result<Self> {
        let mut all = Self::default();
        if let Some(training) = report.training.found() {
            (all.loss, all.accuracy) = learning(training)?;
        }
        let confusion = report.answers.found().and_then(|answers| answers.shown().confusion.as_ref());
        all.confusion = confusion.map(matrix).transpose()?;
        all.noise = report.layers.found().map(noise).transpose()?;
        all.arena = report.memory.found().map(arena).transpose()?;
        if let Some(cost) = report.cost.found() {
            all.flash = Some(flash(cost)?);
            all.work = work(cost)?;
        }
        if let Some(tuning) = report.tuning.found() {
            all.fronts = fronts(tuning)?;
        }
        if let Some(shown) = report.samples.found() {
            all.is_wide = shown.shown.iter().flat_map(|one| &one.pictures).any(Picture::is_wide);
            all.samples = samples(shown)?;
        }
        Ok(all)
    }
}

fn both(
    id: &str,
    title: &str,
    description: &str,
    draw: impl Fn(Words<'_>, i32) -> Result<String>,
) -> Result<[String; 2]> {
    let [wide, narrow] = WIDTHS.map(|(name, width)| {
        let id = format!("{id}-{name}");
        draw(Words { id: &id, title, description }, width)
    });
    Ok([wide?, narrow?])
}

fn learning(training: &Training) -> Result<(Both, Both)> {
    let curve = |ink, of: fn(&Epoch) -> Option<f64>| Curve {
        ink,
        values: training.epochs.iter().filter_map(|epoch| Some((epoch.epoch, of(epoch)?))).collect(),
    };
    let losses = [curve(Ink::First, |epoch| Some(epoch.loss)), curve(Ink::Second, |epoch| epoch.validation_loss)];
    let shares = [curve(Ink::First, |epoch| epoch.accuracy), curve(Ink::Second, |epoch| epoch.validation_accuracy)];
    let draw = |id, title, curves: &[Curve], most, label| {
        let is_empty = curves.iter().all(|curve| curve.values.is_empty());
        let picture = |words: Words<'_>, width: i32| draw::curves(words, width.min(HALF), curves, most, label);
        (!is_empty).then(|| both(id, title, "By epoch. The table below has the numbers.", picture)).transpose()
    };
    let number = |y: f64, most: f64| match most {
        most if most < 0.01 => format!("{y:.1e}"),
        most if most < 1.0 => format!("{y:.3}"),
        _ => format!("{y:.2}"),
    };
    let loss = draw("loss", "Loss by epoch", &losses, None, number)?;
    let accuracy = draw("accuracy", "Accuracy by epoch", &shares, Some(1.0), |y, _| format!("{:.1} %", 100.0 * y))?;
    Ok((loss, accuracy))
}

fn matrix(confusion: &Confusion) -> Result<[String; 2]> {
    let description = "A row for each true class, a column for each answer. The table below has the numbers.";
    let picture = |words: Words<'_>, width: i32| draw::confusion(words, width.min(620), confusion);
    both("confusion", "Confusion matrix", description, picture)
}

fn arena(memory: &Memory) -> Result<[String; 2]> {
    let description =
        "Addresses of the arena by step, a rectangle for each tensor and scratch. The table below has the numbers.";
    both("arena", "Memory map", description, |words, width| draw::arena(words, width, memory))
}

fn noise(layers: &Layers) -> Result<[String; 2]> {
    let row = |layer: &doctor::Layer| (layer.name.clone(), layer.decibels.clamp(0.0, 80.0), decibels(layer.decibels));
    let rows: Vec<_> = layers.diagnosis.layers.iter().map(row).collect();
    let is_bad = |ratio: f64| ratio < doctor::ENOUGH;
    both(
        "noise",
        "Signal to noise by layer",
        "A bar for each layer, longer where int8 is nearer to float.",
        |words, width| draw::bars(words, width, &rows, is_bad),
    )
}

/// Rows with their share of the whole beside the number.
fn shares(rows: impl Iterator<Item = (String, u64)>) -> Vec<(String, f64, String)> {
    let rows: Vec<(String, u64)> = rows.collect();
    let total = rows.iter().map(|(_, count)| count).sum::<u64>().max(1) as f64;
    let label = |count: u64| format!("{} ({:.0} %)", grouped(count), 100.0 * count as f64 / total);
    rows.into_iter().map(|(name, count)| (name, count as f64, label(count))).collect()
}

fn flash(cost: &Cost) -> Result<[String; 2]> {
    let layers = cost.layers.iter().filter(|layer| layer.step.flash > 0);
    let rows = layers.map(|layer| (layer.step.output.clone(), layer.step.flash));
    let rows =
        shares(rows.chain([("certificate".to_owned(), cost.certificate), ("rest of the file".to_owned(), cost.rest)]));
    both("flash", "Flash by layer", "Bytes of weights and tables of each layer.", |words, width| {
        draw::bars(words, width, &rows, |_| false)
    })
}

fn work(cost: &Cost) -> Result<Vec<Work>> {
    let name = |layer: &LayerCost| layer.step.output.clone();
    let draw = |id: &str, title: &str, rows: Vec<(String, u64)>| {
        let rows = shares(rows.into_iter().filter(|&(_, count)| count > 0));
        both(id, title, "A bar for each layer.", |words, width| draw::bars(words, width, &rows, |_| false))
    };
    let counted = cost.cores.iter().filter(|core| core.instructions.found().is_some()).enumerate();
    let mut all = Vec::new();
    for (at, core) in counted {
        let title = format!("Instructions by layer, {}", core.core);
        let rows = cost.layers.iter().filter_map(|layer| Some((name(layer), *layer.instructions.get(at)?)));
        all.push(Work { pictures: Some(draw(&format!("instructions-{at}"), &title, rows.collect())?), title });
    }
    if all.is_empty() {
        let title = "Multiply-accumulates by layer".to_owned();
        let rows = cost.layers.iter().map(|layer| (name(layer), layer.step.macs)).collect();
        all.push(Work { pictures: Some(draw("macs", &title, rows)?), title });
    }
    Ok(all)
}

/// Trials by the objective with this number, across, and by the first, upwards.
fn points(tuning: &Tuning, across: usize) -> Vec<Point> {
    let measured = |trial: &&Tried| trial.values[across].is_some() && trial.values[0].is_some();
    let trials: Vec<_> = tuning.trials.iter().filter(measured).collect();
    let value = |trial: &Tried, axis: usize| trial.values[axis].unwrap_or(f64::NAN);
    let cost =
        |trial, axis: usize| if tuning.axes[axis].is_more_better { -value(trial, axis) } else { value(trial, axis) };
    let costs: Vec<Vec<f64>> = trials.iter().map(|trial| vec![cost(trial, across), cost(trial, 0)]).collect();
    let best = front(&costs);
    let point = |(number, trial): (usize, &&Tried)| Point {
        name: trial.name.clone(),
        at: (value(trial, across), value(trial, 0)),
        is_best: trial.is_best,
        is_on_line: best.contains(&number),
        is_this: trial.is_this,
    };
    trials.iter().enumerate().map(point).collect()
}

/// The first objective over each of the others.
fn fronts(tuning: &Tuning) -> Result<Vec<[String; 2]>> {
    let label = |objective: Objective| -> fn(f64) -> String {
        match objective {
            Objective::Accuracy => |value| format!("{:.1} %", 100.0 * value),
            Objective::MeanSquaredError => |value| format!("{value:.4}"),
            _ => |value| measure(Some(value.max(0.0)), ""),
        }
    };
    let Some((first, others)) = tuning.axes.split_first() else { return Ok(Vec::new()) };
    let draw = |(at, axis): (usize, &Axis)| {
        let points = points(tuning, at);
        let [x, y] = [axis, first].map(|axis| Scale { name: axis.words, label: label(axis.objective) });
        let title = format!("{} by {}", y.name, x.name);
        let description = "A point for each trial; those that no other beats in these two are joined by a line. The table below has the numbers.";
        let picture = |words: Words<'_>, width: i32| draw::front(words, width.min(HALF), &points, x, y);
        (!points.is_empty()).then(|| both(&format!("front-{at}"), &title, description, picture)).transpose()
    };
    Ok((1..).zip(others).map(draw).collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

fn samples(samples: &Samples) -> Result<Vec<Vec<String>>> {
    let of_sample = |sample: &Sample| {
        let title = format!("Sample {}", sample.index);
        let draw = |(part, picture)| {
            let id = format!("sample-{}-{part}", sample.index);
            draw::sample(Words { id: &id, title: &title, description: "Its truth and its answer are below." }, picture)
        };
        sample.pictures.iter().enumerate().map(draw).collect()
    };
    samples.shown.iter().map(of_sample).collect()
}
