//! `thumbnet train` and `thumbnet eval`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};
use signal_hook::consts::SIGINT;
use signal_hook::flag;
use thumbnet_trainer::recipe::Recipe;
use thumbnet_trainer::train::{Options, RunDir, evaluate, train as run};
use thumbnet_trainer::verify::integer_evaluation;

use super::{INTERRUPTED, Run, learning_rate, read};

#[derive(clap::Args)]
pub struct Args {
    /// The recipe, a TOML file.
    recipe: PathBuf,
    /// Folder for everything the run writes; by default runs/NAME.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Path of the data, instead of the recipe's.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Begin with what a finished run has learned: its folder.
    #[arg(long, value_name = "RUN")]
    from: Option<PathBuf>,
    /// Number of epochs, instead of the recipe's.
    #[arg(long)]
    epochs: Option<usize>,
    /// Seed, instead of the recipe's.
    #[arg(long)]
    seed: Option<u64>,
    /// Go on after the last checkpoint in the folder.
    #[arg(long)]
    resume: bool,
    /// Stop after this epoch; --resume goes on.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    stop_after: Option<u64>,
    /// Train nothing: try learning rates from 1e-6 to 10 in 200 steps, show the loss at each, suggest one, and write
    /// learning_rate.json.
    #[arg(long, conflicts_with_all = ["resume", "stop_after", "epochs", "quiet"])]
    find_learning_rate: bool,
    /// Say nothing but the result.
    #[arg(long)]
    quiet: bool,
}

pub fn train(args: &Args) -> Result<()> {
    let mut recipe = Recipe::load(&args.recipe)?;
    recipe.seed = args.seed.unwrap_or(recipe.seed);
    if let Some(path) = &args.data {
        recipe.data = recipe.data.clone().at(path);
    }
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(&recipe.name));
    let data = recipe.data.load(recipe.seed)?;
    if args.find_learning_rate {
        return learning_rate::find(&recipe, &data, &out);
    }
    let options = Options {
        out: out.clone(),
        resume: args.resume,
        from: args.from.clone().map(|run| RunDir(run).model()),
        epochs: args.epochs,
        stop_after: args.stop_after.map(|epoch| epoch as usize),
        quiet: args.quiet,
        stop: stop_on_ctrl_c()?,
    };
    let (_, report) = run(&recipe, &data, &options)?;
    println!("{}", report.test);
    println!("{} parameters, trained in {:.0} s, written to {}", report.parameters, report.seconds, out.display());
    Ok(())
}

/// What the first Ctrl-C makes true, so that the run saves and ends; the second one ends the program at once.
fn stop_on_ctrl_c() -> Result<Arc<AtomicBool>> {
    let stop = Arc::default();
    // In this order: what is registered first sees the flag as it was before.
    flag::register_conditional_shutdown(SIGINT, INTERRUPTED.into(), Arc::clone(&stop))
        .and_then(|_| flag::register(SIGINT, Arc::clone(&stop)))
        .context("cannot listen to Ctrl-C")?;
    Ok(stop)
}

#[derive(clap::Args)]
pub struct EvalArgs {
    #[command(flatten)]
    run: Run,
    /// A model file, judged on the same samples.
    #[arg(long)]
    model: Option<PathBuf>,
}

pub fn eval(args: &EvalArgs) -> Result<()> {
    let trained = args.run.load()?;
    println!("float\n{}", evaluate(&trained.model, &trained.data.test)?);
    if let Some(path) = &args.model {
        println!("\nint8\n{}", integer_evaluation(&read(path)?, &trained.data.test)?);
    }
    Ok(())
}
