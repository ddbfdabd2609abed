//! The report of a run: all that its folder says of a network, as data, as one HTML page, and as Markdown.
//!
//! [`collect`] reads and measures; what it gives has a part for each section, one file each, and is what `--json` prints.
//! [`html`] and [`markdown`] only show it: pictures in `draw/`, text in the templates of `page/`. What a folder lacks is a
//! sentence in its place ([`Part::Missing`]), and the rest still comes.

mod answers;
mod certificate;
mod cost;
mod draw;
mod environment;
mod layers;
mod memory;
mod page;
mod part;
mod run;
mod samples;
mod summary;
mod training;
mod tuning;

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;

pub use answers::{Answers, Confused, Judged};
pub use certificate::{Certificate, Digest};
pub use cost::{Cost, Counted, LayerCost};
pub use environment::Environment;
pub use layers::Layers;
pub use memory::{Memory, Peak};
pub use page::{html, markdown};
pub use part::Part;
pub use samples::{Answer, Picture, Sample, Samples};
pub use summary::Summary;
pub use training::Training;
pub use tuning::{Axis, Tried, Tuning};

use crate::run::Target;
use run::Run;

/// What to report on.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Path of the data, instead of the recipe's.
    pub data: Option<PathBuf>,
    /// The model file, instead of `model.tnet` in the folder.
    pub model: Option<PathBuf>,
    /// Emulated cores on which instructions are counted.
    pub on: Vec<Target>,
    /// Samples on which layers are compared; 0 stands for as many as `thumbnet doctor` takes.
    pub samples: usize,
}

/// All that a report shows.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Name of the run.
    pub name: String,
    /// The numbers that people ask for first.
    pub summary: Summary,
    /// What training gave, epoch by epoch.
    pub training: Part<Training>,
    /// Answers on the test set.
    pub answers: Part<Answers>,
    /// Float against int8, layer by layer.
    pub layers: Part<Layers>,
    /// The arena, step by step.
    pub memory: Part<Memory>,
    /// What each layer takes.
    pub cost: Part<Cost>,
    /// The tuning that the folder is, holds, or is a trial of.
    pub tuning: Part<Tuning>,
    /// Some test samples with their answers.
    pub samples: Part<Samples>,
    /// The proof that the model file carries.
    pub certificate: Part<Certificate>,
    /// The recipe, as TOML.
    pub recipe: Part<String>,
    /// With what this was made.
    pub environment: Environment,
    /// Whether the folder is that of a tuning and of no run: then only that is shown.
    pub only_tuning: bool,
}

/// Samples on which layers are compared, as many as `thumbnet doctor` takes.
pub const SAMPLES: usize = 256;

/// Reads a folder, runs what is in it, and gives all that can be said.
///
/// # Errors
/// The folder is that of no run and of no tuning.
pub fn collect(folder: &Path, options: &Options) -> Result<Report> {
    let run = Run::load(folder, options)?;
    let training = training::collect(&run);
    let answers = answers::collect(&run);
    let layers = layers::collect(&run, if options.samples == 0 { SAMPLES } else { options.samples });
    let cost = cost::collect(&run, &options.on);
    let samples = samples::collect(&run);
    Ok(Report {
        name: run.name(),
        summary: summary::collect(&run, &training, &answers, &cost),
        memory: memory::collect(&run).into(),
        tuning: tuning::collect(folder).into(),
        certificate: certificate::collect(&run).into(),
        recipe: run.recipe_text().into(),
        environment: environment::collect(&run, &options.on),
        only_tuning: run.is_only_tuning(),
        training: training.into(),
        answers: answers.into(),
        layers: layers.into(),
        cost: cost.into(),
        samples: samples.into(),
    })
}
