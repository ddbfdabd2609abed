//! Listening to a recording as a device does: part by part through a streaming model, with decisions over time.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use thumbnet::format::DType;
use thumbnet::listen::{Detector, ListenError, Samples, Settings};
use thumbnet::{Model, Session};

use super::{Target, qemu};
use crate::compile::aligned;

/// Most classes that a model may have, as in `firmware/src/bin/listen.rs`.
const CLASSES: usize = 64;

/// What was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// Number of the run that heard it.
    pub run: u32,
    /// Number of the class.
    pub class: usize,
    /// Its smoothed score.
    pub score: i8,
}

/// A recording that was listened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listened {
    /// All detections in order.
    pub heard: Vec<Heard>,
    /// Samples of one run.
    pub samples_per_run: usize,
    /// Number of runs.
    pub runs: u32,
    /// What it took; none on the host.
    pub cost: Option<Cost>,
}

/// What listening takes on a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Instructions of the dearest run, detector included.
    pub most: u64,
    /// Of all runs.
    pub total: u64,
    /// Most bytes of stack.
    pub stack: u64,
}

/// The last line of the firmware's answer, times in SysTick ticks.
#[derive(Deserialize)]
struct Summary {
    runs: u32,
    most: u64,
    total: u64,
    stack: u64,
}

/// Listens to `samples` of the model's rate.
///
/// # Errors
/// The model does not check or takes no samples, or the machine cannot be started.
pub fn listen(model: &[u8], samples: &[i16], rate: u32, settings: Settings, target: Target) -> Result<Listened> {
    let copy = aligned(model);
    let checked = Model::new(bytemuck::cast_slice::<u128, u8>(&copy).get(..model.len()).unwrap_or(&[]))?;
    let input = checked.input(0).filter(|input| input.dtype == DType::I16);
    let input = input
        .context("the model takes no samples: train a recipe with a [front_end], and export it with --stream FRAMES")?;
    let classes = checked.output(0).and_then(|output| output.elements()).unwrap_or(0);
    ensure!(classes as usize <= CLASSES, "the model has {classes} classes, at most {CLASSES} can be listened for");
    let samples_per_run = input.elements().unwrap_or(0) as usize;
    ensure!(
        samples.is_empty() || samples.len() >= samples_per_run,
        "the recording has {} samples, one run of the model takes {samples_per_run}: record longer, or export the model with \
         fewer frames per run",
        samples.len()
    );
    ensure!(
        checked.state_len() > 0 || samples.len() <= samples_per_run,
        "the recording has {} samples, the model takes {samples_per_run} at once and remembers nothing of those before: \
         export it with --stream FRAMES",
        samples.len()
    );
    match target.board() {
        None => host(&checked, samples, samples_per_run, settings),
        Some(board) => {
            let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
            write_wav(&folder.path().join("in.wav"), samples, rate)?;
            let background = settings.background.map_or(-1, |class| class as i32);
            let settings =
                [settings.smoothing as i32, settings.threshold.into(), settings.refractory as i32, background];
            let text = qemu::output(qemu::machine("listen", model, folder.path(), &settings, board)?, board)?;
            let (lines, summary) = text.trim_end().rsplit_once('\n').unwrap_or(("", text.trim_end()));
            let heard = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>();
            let heard = heard.with_context(|| format!("the firmware answered {text:?}"))?;
            let Summary { runs, most, total, stack } =
                serde_json::from_str(summary).with_context(|| format!("the firmware answered {text:?}"))?;
            let instructions = |ticks: u64| ticks * 1000 / board.milliticks;
            let cost = Some(Cost { most: instructions(most), total: instructions(total), stack });
            Ok(Listened { heard, samples_per_run, runs, cost })
        }
    }
}

fn host(model: &Model<'_>, samples: &[i16], samples_per_run: usize, settings: Settings) -> Result<Listened> {
    let mut arena = vec![0u128; model.arena_len().div_ceil(16)];
    let mut session = Session::new(model, bytemuck::cast_slice_mut(&mut arena))?;
    let mut detector = Detector::<CLASSES>::new(settings);
    let mut source = Recording(samples);
    let (mut heard, mut runs) = (Vec::new(), 0);
    loop {
        match thumbnet::listen::listen(&mut session, &mut source, &mut detector) {
            Ok(Some(found)) => heard.push(Heard { run: runs, class: found.class, score: found.score }),
            Ok(None) => {}
            Err(ListenError::Model(error)) => return Err(error.into()),
            Err(ListenError::End | ListenError::Source(())) => break,
        }
        runs += 1;
    }
    Ok(Listened { heard, samples_per_run, runs, cost: None })
}

struct Recording<'a>(&'a [i16]);

impl Samples for Recording<'_> {
    type Error = ();

    fn read(&mut self, samples: &mut [i16]) -> Result<bool, ()> {
        let Some((next, rest)) = self.0.split_at_checked(samples.len()) else { return Ok(false) };
        samples.copy_from_slice(next);
        self.0 = rest;
        Ok(true)
    }
}

fn write_wav(path: &Path, samples: &[i16], rate: u32) -> Result<()> {
    let format = hound::SampleFormat::Int;
    let spec = hound::WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 16, sample_format: format };
    let mut writer = hound::WavWriter::create(path, spec)?;
    samples.iter().try_for_each(|&sample| writer.write_sample(sample))?;
    Ok(writer.finalize()?)
}
