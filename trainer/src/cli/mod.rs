//! One file per verb.

mod answers;
mod bench;
mod check;
mod choice;
mod compile;
mod doctor;
mod export;
mod import;
mod inspect;
mod learning_rate;
mod listen;
mod report;
mod run;
mod train;
mod tune;
mod verify;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use thumbnet_trainer::data::Loaded;
use thumbnet_trainer::model::Model;
use thumbnet_trainer::recipe::Recipe;
use thumbnet_trainer::train::RunDir;

/// Neural networks for Arm Cortex-M: train, quantize, export, and run them bit for bit the same everywhere.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Train what a recipe describes.
    Train(train::Args),
    /// Search a space of recipes for the trials that no other beats.
    Tune(tune::Args),
    /// Run one trial of a space: one command line, one result file.
    Trial(tune::TrialArgs),
    /// Judge a trained model on its test set, in float and, with --model, in integers.
    Eval(train::EvalArgs),
    /// Quantize a trained model and write a model file.
    #[command(alias = "quantize")]
    Export(export::Args),
    /// Translate an int8 TensorFlow Lite model: the same bits, in a model file.
    Import(import::Args),
    /// Turn a model file into a Rust module that links only the kernels it needs: the same bits.
    Compile(compile::Args),
    /// Show a model file: steps, shapes, memory map, multiply-accumulates, flash.
    Inspect(inspect::Args),
    /// Run a model file on raw inputs, here or on an emulated Cortex-M.
    Run(run::Args),
    /// Listen to a recording as a device does, and print what was heard when.
    Listen(listen::Args),
    /// Compare float, integers here, and integers on emulated cores, step by step.
    Verify(verify::Args),
    /// Say what integers cost a trained network, layer by layer, why, and what helps; with --apply, do it.
    Doctor(doctor::Args),
    /// Write one page, and Markdown for a pull request, of all that a run's folder says.
    Report(report::Args),
    /// Say whether a model fits a chip, and how long it takes, before it is flashed.
    Check(check::Args),
    /// Count instructions of a model file on every emulated core.
    Bench(bench::Args),
}

/// Exit code of what Ctrl-C has ended: 128 and the number of the signal.
pub const INTERRUPTED: u8 = 130;

/// Parses the command line and does what it says.
pub fn main() -> Result<()> {
    match Cli::parse().verb {
        Verb::Train(args) => train::train(&args),
        Verb::Tune(args) => tune::tune(&args),
        Verb::Trial(args) => tune::trial(&args),
        Verb::Eval(args) => train::eval(&args),
        Verb::Export(args) => export::export(&args),
        Verb::Import(args) => import::import(&args),
        Verb::Compile(args) => compile::compile(&args),
        Verb::Inspect(args) => inspect::inspect(&args),
        Verb::Run(args) => run::run(&args),
        Verb::Listen(args) => listen::listen(&args),
        Verb::Verify(args) => verify::verify(&args),
        Verb::Doctor(args) => doctor::doctor(&args),
        Verb::Report(args) => report::report(&args),
        Verb::Check(args) => check::check(&args),
        Verb::Bench(args) => bench::bench(&args),
    }
}

/// A finished run, as the command line names it.
#[derive(clap::Args)]
struct Run {
    /// Folder of a finished run.
    run: PathBuf,
    /// Path of the data, instead of the recipe's.
    #[arg(long)]
    data: Option<PathBuf>,
}

/// What a finished run's folder holds: its recipe, its float model and its data.
struct Trained {
    recipe: Recipe,
    model: Model,
    data: Loaded,
}

impl Run {
    fn load(&self) -> Result<Trained> {
        let recipe = Recipe::load(&self.folder().recipe()).with_context(|| {
            format!(
                "{} is not the folder of a finished run: train one with `thumbnet train RECIPE --out DIR`",
                self.run.display()
            )
        })?;
        let model = Model::load(&self.folder().model())?;
        let source = self.data.as_ref().map_or_else(|| recipe.data.clone(), |path| recipe.data.clone().at(path));
        let data = source.load(recipe.seed)?;
        Ok(Trained { recipe, model, data })
    }

    fn folder(&self) -> RunDir {
        RunDir(self.run.clone())
    }

    /// Where the model file goes: there, or beside what was trained.
    fn model_file(&self, chosen: Option<&PathBuf>) -> PathBuf {
        chosen.cloned().unwrap_or_else(|| self.run.join("model.tnet"))
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Calls `f` with the checked model of a file.
fn with_model<T>(path: &Path, f: impl FnOnce(&thumbnet::Model<'_>) -> Result<T>) -> Result<T> {
    let bytes = read(path)?;
    let copy = thumbnet_trainer::compile::aligned(&bytes);
    let model = thumbnet::Model::new(&bytemuck::cast_slice(&copy)[..bytes.len()]);
    f(&model.with_context(|| path.display().to_string())?)
}
