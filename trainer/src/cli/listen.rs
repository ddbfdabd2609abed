//! `thumbnet listen`.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use thumbnet::listen::Settings;
use thumbnet_trainer::data::read_wav;
use thumbnet_trainer::run::{Listened, Target, listen as execute, part};

use super::{read, with_model};

#[derive(clap::Args)]
pub struct Args {
    /// A model file that takes samples, exported with --stream.
    model: PathBuf,
    /// The recording, a WAV file.
    recording: PathBuf,
    /// Samples per second that the model was trained with; a recording with another rate is resampled.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
    /// Where to run.
    #[arg(long, value_enum, default_value = "host")]
    on: Target,
    /// Each run moves the smoothed scores by 1/2^SMOOTHING of the way.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=7))]
    smoothing: u32,
    /// Least smoothed probability of a detection.
    #[arg(long, default_value_t = 0.5)]
    threshold: f32,
    /// Seconds after a detection without another.
    #[arg(long, default_value_t = 0.6)]
    refractory: f64,
    /// Name of the class that is no detection.
    #[arg(long, default_value = "_background_")]
    background: String,
    /// Clock in MHz that the real-time factor is given for.
    #[arg(long, default_value_t = 64.0)]
    clock: f64,
}

pub fn listen(args: &Args) -> Result<()> {
    ensure!((0.0..=1.0).contains(&args.threshold), "--threshold {} is not in 0..=1", args.threshold);
    ensure!((0.0..=3600.0).contains(&args.refractory), "--refractory {} is not in 0..=3600 seconds", args.refractory);
    ensure!(args.clock > 0.0, "--clock {} must be positive", args.clock);
    let model = read(&args.model)?;
    let (labels, part, ram) = with_model(&args.model, |model| {
        let labels: Vec<String> = model.info().labels.iter().map(str::to_owned).collect();
        Ok((labels, part(model), [model.arena_len(), model.state_len()]))
    })?;
    let rate = args.rate;
    let samples: Vec<i16> =
        read_wav(&args.recording, rate)?.into_iter().map(thumbnet_trainer::front_end::quantize).collect();
    let mut settings = Settings {
        smoothing: args.smoothing,
        threshold: (256.0 * args.threshold - 128.0).round().min(127.0) as i8,
        refractory: 0,
        background: labels.iter().position(|label| *label == args.background),
    };
    // The samples of a run are known behind the check of the model.
    let per_run = execute(&model, &[], rate, settings, Target::Host)?.samples_per_run as f64 / f64::from(rate);
    settings.refractory = (args.refractory / per_run).round() as u32;
    let Listened { heard, runs, cost, .. } = execute(&model, &samples, rate, settings, args.on)?;
    for found in &heard {
        let label = labels.get(found.class).cloned().with_context(|| format!("class {} has no name", found.class));
        let probability = (f32::from(found.score) + 128.0) / 256.0;
        println!("{:9.3} s  {}  {probability:.2}", f64::from(found.run + 1) * per_run, label.unwrap_or_default());
    }
    let seconds = f64::from(runs) * per_run;
    println!("{} detections in {seconds:.1} s, {runs} runs of {:.0} ms", heard.len(), 1e3 * per_run);
    println!("bytes: arena {}, of which state {}", ram[0], ram[1]);
    if let Some(cost) = cost {
        let per_run = cost.total as f64 / f64::from(runs.max(1));
        println!(
            "instructions per run: {per_run:.0} on average, {} at most; per frame {:.0}; stack {} bytes",
            cost.most,
            per_run / part.map_or(1.0, |part| f64::from(part.frames.max(1))),
            cost.stack
        );
        println!(
            "at {} MHz and one per clock: real-time factor {:.4}, at most {:.2} ms from the last sample of a run to its answer",
            args.clock,
            cost.total as f64 / (seconds * args.clock * 1e6),
            cost.most as f64 / (1e3 * args.clock)
        );
    }
    Ok(())
}
