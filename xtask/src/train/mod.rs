//! Training speed: our trainer and PyTorch, the same networks on the same threads, in turns within one run.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::shell::{phase, root, run};

/// Networks, and how many batches of each are a round.
const NETWORKS: [(&str, usize); 4] = [("mnist_cnn", 60), ("resnet8", 8), ("lstm", 60), ("gru", 60)];

/// A round of each side, so many times; what else the machine does then meets both.
const ROUNDS: usize = 7;

/// Threads of each side.
const THREADS: usize = 2;

/// Prints milliseconds per batch and their ratio: medians over the rounds.
pub fn bench() -> Result<()> {
    phase("build", || run("cargo", &["build", "--quiet", "-p", "thumbnet-trainer", "--example", "train_batches"]))?;
    let mut ours = Trainer::start(Command::new(root().join("target/debug/examples/train_batches")))?;
    let mut torch = python().map(|python| Trainer::start(script(&python))).transpose()?;
    if torch.is_none() {
        eprintln!(
            "PyTorch is not there, so nothing to compare with: pip install torch, or name a Python that has it in \
             THUMBNET_PYTHON"
        );
    }
    println!("ms per batch, {THREADS} threads, median of {ROUNDS} rounds (fastest to slowest)");
    println!("{:12} {:>24} {:>24} {:>8}", "network", "thumbnet", "PyTorch", "ratio");
    for (network, batches) in NETWORKS {
        let mut times = [Vec::new(), Vec::new()];
        // The first round of each warms up.
        for round in 0..=ROUNDS {
            let mut rounds = vec![ours.milliseconds(network, batches)?];
            rounds.extend(torch.as_mut().map(|torch| torch.milliseconds(network, batches)).transpose()?);
            if round > 0 {
                times.iter_mut().zip(rounds).for_each(|(times, time)| times.push(time));
            }
        }
        let [ours, torch] = times.map(spread);
        let text = |times: Option<[f64; 3]>| {
            times.map_or("-".into(), |[low, median, high]| format!("{median:.2} ({low:.2} to {high:.2})"))
        };
        let ratio = ours.zip(torch).map_or("-".into(), |(ours, torch)| format!("{:.2}", ours[1] / torch[1]));
        println!("{network:12} {:>24} {:>24} {ratio:>8}", text(ours), text(torch));
    }
    Ok(())
}

/// Smallest, median and largest.
fn spread(mut times: Vec<f64>) -> Option<[f64; 3]> {
    times.sort_by(f64::total_cmp);
    Some([*times.first()?, times[times.len() / 2], *times.last()?])
}

/// A Python that has PyTorch.
fn python() -> Option<PathBuf> {
    let named = std::env::var_os("THUMBNET_PYTHON").map(PathBuf::from);
    let has_torch = |python: &PathBuf| {
        let quiet = Command::new(python).args(["-c", "import torch"]).stderr(Stdio::null()).status();
        quiet.is_ok_and(|status| status.success())
    };
    named.or_else(|| Some("python3".into())).filter(has_torch)
}

fn script(python: &PathBuf) -> Command {
    let mut command = Command::new(python);
    command.arg(root().join("xtask/src/train/torch_batches.py")).arg(THREADS.to_string());
    command
}

/// A program that trains batches when it is asked to.
struct Trainer {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Trainer {
    fn start(mut command: Command) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).env("RAYON_NUM_THREADS", THREADS.to_string());
        let mut process = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let input = process.stdin.take().context("its input is a pipe")?;
        let output = BufReader::new(process.stdout.take().context("its output is a pipe")?);
        Ok(Self { process, input, output })
    }

    /// One round.
    fn milliseconds(&mut self, network: &str, batches: usize) -> Result<f64> {
        writeln!(self.input, "{network} {batches}")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        ensure!(!line.is_empty(), "a trainer ended in the midst of {network}: {:?}", self.process.wait());
        Ok(line.trim().parse::<f64>()? * 1000.0 / batches as f64)
    }
}

impl Drop for Trainer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
