//! `thumbnet tune` and `thumbnet trial`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use thumbnet_trainer::tune::{Finished, Options, Space, Status, Trial, collect, result_file, tune as run, write};
use toml::{Table, Value};

#[derive(clap::Args)]
pub struct Args {
    /// The space: a recipe with a table [tune].
    space: PathBuf,
    /// Folder for everything that is written; by default runs/NAME of the file.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Trials at the same time, each a process.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Go on with the results in the folder.
    #[arg(long)]
    resume: bool,
    /// Run nothing: only gather the result files below trials/, for instance of another engine.
    #[arg(long)]
    collect: bool,
    /// Path of the data, instead of the recipe's.
    #[arg(long)]
    data: Option<PathBuf>,
}

pub fn tune(args: &Args) -> Result<()> {
    let space = Space::load(&args.space)?;
    let name = args.space.file_stem().unwrap_or_default();
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(name));
    let all = if args.collect {
        let all = collect(&out, &space.objectives)?;
        write(&out, &all)?;
        all
    } else {
        let program = std::env::current_exe().context("cannot find this program's own path")?;
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get().div_ceil(args.jobs.max(1)));
        let options = Options { space: args.space.clone(), out: out.clone(), jobs: args.jobs, resume: args.resume };
        run(&options, |job| {
            let mut command = Command::new(&program);
            command.arg("trial").arg(&args.space).arg("--out").arg(&job.out).arg("--number").arg(job.trial.to_string());
            command.args(job.stop_after.iter().flat_map(|epochs| ["--stop-after".to_owned(), epochs.to_string()]));
            if let Some(data) = &args.data {
                command.arg("--data").arg(data);
            }
            // Trials share the cores.
            command.env("RAYON_NUM_THREADS", threads.to_string());
            command
        })?
    };
    summary(&all);
    println!("{} trials, in {} and results.jsonl", all.len(), out.join("results.csv").display());
    Ok(())
}

/// The trials that no other beats.
fn summary(all: &[Finished]) {
    println!("no other trial is better in all objectives:");
    println!("trial  epochs  accuracy  model bytes  RAM bytes      MACs  instructions  values");
    for one in all.iter().filter(|one| one.is_best) {
        let Some(rung) = one.outcome.last() else { continue };
        let m = &rung.measures;
        let worth = match m.accuracy {
            Some(accuracy) => format!("{:6.2} %", 100.0 * accuracy),
            None => format!("{:8.6}", m.mean_squared_error),
        };
        let count = m.instructions.map_or_else(|| "-".to_owned(), |count| count.to_string());
        let values: Vec<String> =
            one.outcome.parameters.iter().map(|(path, value)| format!("{path} {value}")).collect();
        println!(
            "{:>5}  {:6}  {worth}  {:11}  {:9}  {:8}  {count:>12}  {}",
            one.name,
            rung.epochs,
            m.model_bytes,
            m.ram_bytes,
            m.macs,
            values.join(", ")
        );
    }
}

#[derive(clap::Args)]
pub struct TrialArgs {
    /// The space: a recipe with a table [tune].
    space: PathBuf,
    /// Folder for everything that the trial writes; its result is result.json in there.
    #[arg(long)]
    out: PathBuf,
    /// Takes the values of the trial with this number, from 0.
    #[arg(long, required_unless_present = "set")]
    number: Option<usize>,
    /// Sets a field, with a value as TOML writes it; may be repeated.
    #[arg(long, value_name = "FIELD=VALUE", value_parser = assignment)]
    set: Vec<(String, Value)>,
    /// Stop after this epoch; a later trial in the same folder goes on.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    stop_after: Option<u64>,
    /// Path of the data, instead of the recipe's.
    #[arg(long)]
    data: Option<PathBuf>,
}

pub fn trial(args: &TrialArgs) -> Result<()> {
    let space = Space::load(&args.space)?;
    let mut parameters = args.number.map_or_else(|| Ok(BTreeMap::new()), |number| space.parameters(number))?;
    parameters.extend(args.set.iter().cloned());
    let trial = Trial {
        space: &space,
        parameters,
        out: args.out.clone(),
        stop_after: args.stop_after.map(|epochs| epochs as usize),
        data: args.data.clone(),
    };
    let outcome = trial.run()?;
    let status = if outcome.status == Status::Ok { "ok" } else { "failed" };
    println!("{status}, written to {}", result_file(&args.out).display());
    if let Some(message) = &outcome.message {
        println!("{message}");
    }
    Ok(())
}

/// `train.batch=16`; what is no TOML is taken for text.
fn assignment(text: &str) -> Result<(String, Value)> {
    let (path, value) = text.split_once('=').with_context(|| format!("\"{text}\" is not FIELD=VALUE"))?;
    let parsed = format!("x = {value}").parse::<Table>().ok().and_then(|mut table| table.remove("x"));
    Ok((path.trim().to_owned(), parsed.unwrap_or_else(|| Value::String(value.to_owned()))))
}
