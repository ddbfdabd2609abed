//! Running trials in parallel processes until none is left.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result, bail, ensure};

use super::results::{Finished, collect, write};
use super::schedule::{Next, State, next};
use super::space::Space;
use super::trial::{Outcome, Status};

/// How a tuning is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// The space, a TOML file.
    pub space: PathBuf,
    /// Folder for everything that is written.
    pub out: PathBuf,
    /// Trials at the same time.
    pub jobs: usize,
    /// Goes on with the results in the folder.
    pub resume: bool,
}

/// A trial that a process is to run.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its number.
    pub trial: usize,
    /// Its folder.
    pub out: PathBuf,
    /// Epochs after which it stops; `None` for all of the recipe's.
    pub stop_after: Option<usize>,
}

/// Runs every trial by the command that `command` makes of it, and gives all results. `results.csv` and `results.jsonl` are
/// written anew after each trial; the trials' own result files are what a resumed tuning goes by.
///
/// # Errors
/// The folder holds another tuning, is in use, or cannot be written.
pub fn tune(options: &Options, command: impl Fn(&Job) -> Command + Sync) -> Result<Vec<Finished>> {
    ensure!(options.jobs > 0, "--jobs must be at least 1");
    let space = Space::load(&options.space)?;
    fs::create_dir_all(options.out.join("trials"))
        .with_context(|| format!("cannot create {}", options.out.display()))?;
    let lock = File::create(options.out.join("lock"))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => bail!("another tuning is at work in {}", options.out.display()),
        Err(TryLockError::Error(error)) => return Err(error).context("cannot lock the folder"),
    }
    let known = collect(&options.out, &space.objectives)?;
    prepare(options, known.len())?;
    let states = known.into_iter().filter_map(|one| {
        let state = State { outcome: Some(one.outcome), ..State::default() };
        Some((one.name.parse().ok()?, state))
    });
    let pool = Pool { space: &space, options, states: Mutex::new(states.collect()), changed: Condvar::new() };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..options.jobs).map(|_| scope.spawn(|| pool.work(&command))).collect();
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(|_| bail!("a worker panicked")))
    })?;
    let all = collect(&options.out, &space.objectives)?;
    write(&options.out, &all)?;
    Ok(all)
}

/// Makes sure that the folder is of this space.
fn prepare(options: &Options, known: usize) -> Result<()> {
    let copy = options.out.join("space.toml");
    let text = fs::read(&options.space)?;
    let folder = options.out.display();
    ensure!(
        options.resume || known == 0,
        "{folder} holds {known} results: go on with --resume, or name another folder with --out"
    );
    if known > 0 && copy.exists() && fs::read(&copy)? != text {
        bail!("{folder} holds results of another space ({}): name another folder with --out", copy.display());
    }
    fs::write(&copy, text).with_context(|| format!("cannot write {}", copy.display()))
}

struct Pool<'a> {
    space: &'a Space,
    options: &'a Options,
    states: Mutex<BTreeMap<usize, State>>,
    changed: Condvar,
}

impl Pool<'_> {
    fn work(&self, command: &impl Fn(&Job) -> Command) -> Result<()> {
        while let Some(job) = self.take() {
            let result = run(&job, command);
            self.give(&job, result)?;
        }
        Ok(())
    }

    /// The next trial, once there is one.
    fn take(&self) -> Option<Job> {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match next(self.space, &states) {
                Next::Done => return None,
                Next::Wait => states = self.changed.wait(states).unwrap_or_else(PoisonError::into_inner),
                Next::Run { trial, stop_after } => {
                    states.entry(trial).or_default().is_running = true;
                    let out = self.options.out.join("trials").join(trial.to_string());
                    return Some(Job { trial, out, stop_after });
                }
            }
        }
    }

    /// Takes note of what a trial gave.
    fn give(&self, job: &Job, result: Result<Outcome>) -> Result<()> {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let state = states.entry(job.trial).or_default();
        state.is_running = false;
        match result {
            Ok(outcome) => {
                eprintln!("{}", line(job.trial, &outcome));
                state.outcome = Some(outcome);
            }
            Err(error) => {
                eprintln!("trial {:4}  no result: {error:#}", job.trial);
                state.is_lost = true;
            }
        }
        self.changed.notify_all();
        write(&self.options.out, &collect(&self.options.out, &self.space.objectives)?)
    }
}

/// Runs a trial's process to its end and reads its result.
fn run(job: &Job, command: &impl Fn(&Job) -> Command) -> Result<Outcome> {
    fs::create_dir_all(&job.out).with_context(|| format!("cannot create {}", job.out.display()))?;
    let log = job.out.join("log.txt");
    let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = command(job);
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).status();
    let status = status.with_context(|| format!("cannot start {command:?}"))?;
    let outcome = Outcome::load(&job.out)?.filter(|_| status.success());
    outcome.with_context(|| format!("its process ended with {status}, see {}", log.display()))
}

fn line(trial: usize, outcome: &Outcome) -> String {
    let values: Vec<String> = outcome.parameters.iter().map(|(path, value)| format!("{path} {value}")).collect();
    let result = match (outcome.status, outcome.last()) {
        (Status::Ok, Some(rung)) => {
            let m = &rung.measures;
            let worth = match m.accuracy {
                Some(accuracy) => format!("accuracy {:.2} %", 100.0 * accuracy),
                None => format!("mean square error {:.6}", m.mean_squared_error),
            };
            let size = format!("model {} bytes, RAM {} bytes", m.model_bytes, m.ram_bytes);
            let cost = m.instructions.map_or_else(|| format!("{} MACs", m.macs), |n| format!("{n} instructions"));
            format!("{} epochs  {worth}, {size}, {cost}", rung.epochs)
        }
        _ => format!("failed: {}", outcome.message.as_deref().unwrap_or_default()),
    };
    format!("trial {trial:4}  {result}  ({})", values.join(", "))
}
