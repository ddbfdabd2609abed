//! One file per verb.

mod answers;
mod bench;
mod check;
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

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use thumbnet_trainer::compile::{
    Compiled, Dead, Family, Optimize, Program, compile as plan_and_write, pack, remove_dead_channels, split, transform,
};
use thumbnet_trainer::data::Loaded;
use thumbnet_trainer::model::Model;
use thumbnet_trainer::recipe::Recipe;
use thumbnet_trainer::run::{Target, choose_layouts};
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

/// A finished run: its recipe, its float model and its data.
struct Trained {
    recipe: Recipe,
    model: Model,
    data: Loaded,
}

impl Trained {
    /// Loads a run's folder; `data` replaces the path in its recipe.
    fn load(folder: &Path, data: Option<&Path>) -> Result<Self> {
        let run = RunDir(folder.to_owned());
        let recipe = Recipe::load(&run.recipe()).with_context(|| {
            format!(
                "{} is not the folder of a finished run: train one with `thumbnet train RECIPE --out DIR`",
                folder.display()
            )
        })?;
        let model = Model::load(&run.model())?;
        let source = data.map_or_else(|| recipe.data.clone(), |path| recipe.data.clone().at(path));
        let data = source.load(recipe.seed)?;
        Ok(Self { recipe, model, data })
    }
}

/// The cores that a file is written for, and what its layers are optimized for.
#[derive(clap::Args)]
struct Choice {
    /// What to optimize for; `speed` transforms 3×3 convolutions for cores with the DSP extension (M4, M7, M33), `ram` runs parts of
    /// the network in bands of rows.
    #[arg(long, value_enum, default_value_t)]
    optimize: Optimize,
    /// Transform only those 3×3 convolutions that save the most per byte, for at most so many further bytes of flash.
    #[arg(long, value_name = "BYTES")]
    flash_budget: Option<usize>,
    /// Run in bands of rows what it takes to need at most so many bytes of RAM, for as few further multiply-accumulates as possible.
    #[arg(long, value_name = "BYTES")]
    ram_budget: Option<u32>,
    /// Cores whose order of weights the file has; the others run it too, to the same bits, but slower.
    #[arg(long, value_enum, default_value_t)]
    family: Family,
    /// Measure the layouts of each layer's weights on this emulated core and take the fastest, instead of what is usually so for its
    /// family; transformed filters are among them with `--optimize speed` or `--flash-budget`.
    #[arg(long, value_name = "CORE", value_enum, conflicts_with_all = ["family", "ram_budget"])]
    tune: Option<Target>,
}

impl Choice {
    /// Whether parts of the network may run in bands.
    fn saves_ram(&self) -> bool {
        self.ram_budget.is_some() || self.optimize == Optimize::Ram
    }

    /// Refuses what cannot be had together.
    fn check(&self) -> Result<()> {
        let transforms = self.optimize == Optimize::Speed || self.flash_budget.is_some();
        ensure!(
            !(transforms && self.family == Family::Plain),
            "--optimize speed and --flash-budget transform 3×3 convolutions for cores with the DSP extension, which --family plain is not \
             for: leave one of them out"
        );
        ensure!(
            self.flash_budget.is_none() || self.optimize != Optimize::Ram,
            "--flash-budget pays for transformed convolutions, which need more RAM, and --optimize ram asks for the least: leave one of \
             them out, or limit the RAM by --ram-budget"
        );
        ensure!(
            self.tune.is_none() || self.optimize != Optimize::Ram,
            "--tune asks for the fastest layout of each layer's weights and --optimize ram for bands of rows: leave one of them out"
        );
        ensure!(self.tune != Some(Target::Host), "--tune counts instructions on an emulated core: --tune m4, not host");
        Ok(())
    }

    /// Changes the program and prints what that costs and gains.
    fn apply(&self, program: &mut Program) -> Result<()> {
        self.check()?;
        for Dead { name, dead, channels } in remove_dead_channels(program) {
            eprintln!("dead channels: {dead} of {channels} in {name}");
        }
        if let Some(core) = self.tune {
            return self.tune(program, core);
        }
        for layer in transform(program, self.optimize, self.flash_budget) {
            eprintln!("winograd: {}, {} bytes of weights instead of {}", layer.name, layer.after, layer.before);
        }
        if self.saves_ram() {
            self.band(program)?;
        }
        pack(program, self.family);
        Ok(())
    }

    /// Gives each layer the layout that is the fastest on a core.
    fn tune(&self, program: &mut Program, core: Target) -> Result<()> {
        let unlimited = if self.optimize == Optimize::Speed { usize::MAX } else { 0 };
        for step in choose_layouts(program, core, self.flash_budget.unwrap_or(unlimited))? {
            eprintln!("measured on {core}: {step} instructions");
        }
        Ok(())
    }

    /// Plans and writes a program that was changed; an error where it needs more RAM than was allowed.
    fn compile(&self, program: &Program, golden: &[Vec<u8>]) -> Result<Compiled> {
        let compiled = plan_and_write(program, golden)?;
        let arena_len = compiled.plan.arena_len;
        ensure!(
            self.ram_budget.is_none_or(|budget| arena_len <= budget),
            "the model needs {arena_len} bytes of RAM, more than --ram-budget {}, and bands of rows give no less: nothing was written; \
             allow more, or make the tensors where memory peaks smaller (strides or pools earlier, fewer channels)",
            self.ram_budget.unwrap_or(0)
        );
        Ok(compiled)
    }

    /// Runs parts of the network in bands of rows.
    fn band(&self, program: &mut Program) -> Result<()> {
        let budget = self.ram_budget.unwrap_or(0);
        let whole = program.macs();
        for part in split(program, budget, &|program| pack(program, self.family))? {
            eprintln!(
                "bands: {} of {} to {}, {} bytes of RAM instead of {}, {} further multiply-accumulates ({:.1} %)",
                part.bands,
                part.first,
                part.last,
                part.after,
                part.before,
                part.further_macs,
                100.0 * part.further_macs as f64 / whole.max(1) as f64
            );
        }
        Ok(())
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

/// A path for a file beside another.
fn default_model(run: &Path) -> PathBuf {
    run.join("model.tnet")
}
