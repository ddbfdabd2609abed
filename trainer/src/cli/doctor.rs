//! `thumbnet doctor`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::builder::RangedU64ValueParser;
use thumbnet_trainer::quantize::doctor::{Diagnosis, Trial, cure, examine, needs_training};
use thumbnet_trainer::quantize::quantize_with_reference;
use thumbnet_trainer::verify::golden_inputs;

use super::choice::Choice;
use super::export::chosen;
use super::{Run, Trained, write};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    run: Run,
    /// Samples on which layers are compared.
    #[arg(long, default_value_t = 256, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    samples: usize,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Try remedies in the order of their cost, keep what helps, write the model file and the recipe's `[quantize]`.
    #[arg(long)]
    apply: bool,
    /// With --apply: the model file; by default model.tnet in that folder.
    #[arg(short, long, requires = "apply")]
    output: Option<PathBuf>,
    #[command(flatten)]
    choice: Choice,
}

pub fn doctor(args: &Args) -> Result<()> {
    let Trained { mut recipe, model, data } = args.run.load()?;
    let before = examine(&quantize_with_reference(&model, &data.train, recipe.quantize)?, &data.test, args.samples)?;
    if !args.json {
        show(&before);
    }
    if !args.apply {
        return if args.json { json(&serde_json::json!({ "before": before })) } else { Ok(()) };
    }
    // Judged on training samples: the test set is for the answer alone.
    let (options, trials) = cure(&model, &data.train, recipe.quantize, args.samples)?;
    let quantized = quantize_with_reference(&model, &data.train, options)?;
    let after = examine(&quantized, &data.test, args.samples)?;
    let path = args.run.model_file(args.output.as_ref());
    let mut program = quantized.program;
    args.choice.apply(&mut program)?;
    let golden = golden_inputs(&program, &data.test, 2)?;
    write(&path, &args.choice.compile(&program, &golden)?.bytes)?;
    recipe.quantize = options;
    let file = args.run.folder().recipe();
    write(&file, toml::to_string(&recipe).context("the recipe cannot be written")?.as_bytes())?;
    if args.json {
        let choices = &quantized.choices;
        return json(&serde_json::json!({ "before": before, "trials": trials, "choices": choices, "after": after }));
    }
    println!("\nremedy                        scores");
    for Trial { remedy, decibels, kept } in &trials {
        println!("{remedy:28}{decibels:6.1} dB  {}", if *kept { "kept" } else { "no help" });
    }
    println!();
    quantized.choices.iter().for_each(chosen);
    accuracy(&after);
    let is_untrained = model.meta.ranges.is_empty();
    needs_training(&after).iter().filter(|_| is_untrained).for_each(|advice| println!("{advice}"));
    println!("written to {}, the choice to {}", path.display(), file.display());
    Ok(())
}

fn json(value: &serde_json::Value) -> Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

fn show(diagnosis: &Diagnosis) {
    println!("layer                           signal to noise  clipped  channels' ranges  under 4 bits  worst channel");
    for layer in &diagnosis.layers {
        let worst = layer.worst.first().map_or(String::new(), |worst| {
            format!("{} ({:.1} bits, {:.1} dB)", worst.channel, worst.bits, worst.decibels)
        });
        println!(
            "{:32}{:12.1} dB  {:5.2} %  {:14.0} :1  {:10.0} %  {worst}",
            layer.name,
            layer.decibels,
            100.0 * layer.saturated,
            layer.range_ratio,
            100.0 * layer.coarse
        );
    }
    let tail = diagnosis.tail;
    println!("error of the outputs: median {:.4}, 99 % {:.4}, largest {:.4}", tail.median, tail.p99, tail.max);
    for class in diagnosis.classes.iter().filter(|class| (class.integer - class.float).abs() >= 0.01) {
        println!("class {}: {:.2} % in float, {:.2} % in int8", class.name, 100.0 * class.float, 100.0 * class.integer);
    }
    let numbers: Vec<String> = diagnosis.flips.iter().take(10).map(|flip| flip.sample.to_string()).collect();
    let more = if diagnosis.flips.len() > 10 { ", ..." } else { "" };
    if !numbers.is_empty() {
        println!("{} samples change their class: {}{more}", diagnosis.flips.len(), numbers.join(", "));
    }
    accuracy(diagnosis);
    for finding in &diagnosis.findings {
        println!("{finding}");
    }
}

fn accuracy(diagnosis: &Diagnosis) {
    match (diagnosis.float_accuracy, diagnosis.integer_accuracy) {
        (Some(float), Some(integer)) => println!(
            "accuracy: float {:.2} %, int8 {:.2} % ({:+.2} points)",
            100.0 * float,
            100.0 * integer,
            100.0 * (integer - float)
        ),
        _ => println!("mean square error: float {:.6}, int8 {:.6}", diagnosis.float_error, diagnosis.integer_error),
    }
}
