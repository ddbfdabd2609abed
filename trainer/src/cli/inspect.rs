//! `thumbnet inspect`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use thumbnet::format::Step;
use thumbnet::{Model, Timing};
use thumbnet_build::{Core, stack_len};
use thumbnet_trainer::describe::{self, Kind, StepRow};
use thumbnet_trainer::run::features;

use super::with_model;

#[derive(clap::Args)]
pub struct Args {
    /// The model file.
    model: PathBuf,
}

pub fn inspect(args: &Args) -> Result<()> {
    with_model(&args.model, |model| {
        summary(model);
        steps(model);
        memory(model);
        Ok(())
    })
}

fn summary(model: &Model<'_>) {
    let info = model.info();
    println!("{} (by {}), {} bytes", info.name, info.producer, model.bytes().len());
    println!(
        "peak RAM {} bytes, {} multiply-accumulates, {} golden cases",
        model.arena_len(),
        info.macs,
        model.golden_cases().count()
    );
    println!(
        "stack at most {} bytes, {} on a Cortex-M0, besides the firmware's own; `thumbnet bench` measures it",
        stack_len(Core::M4),
        stack_len(Core::M0)
    );
    println!(
        "thumbnet = {{ version = \"{}\", default-features = false, features = [{}] }}",
        env!("CARGO_PKG_VERSION"),
        features(model).iter().map(|feature| format!("\"{feature}\"")).collect::<Vec<_>>().join(", ")
    );
    for (operator, why) in varying_times(model) {
        println!("the time of {operator} depends on the input: {why}");
    }
    if !info.labels.is_empty() {
        println!("classes: {}", info.labels.iter().collect::<Vec<_>>().join(", "));
    }
    let ends = (0..model.input_count())
        .map(|i| ("input", model.input(i)))
        .chain((0..model.output_count()).map(|i| ("output", model.output(i))));
    for (which, tensor) in ends {
        if let Some(t) = tensor {
            println!("{which}: {:?} {:?}, scale {}, zero point {}", t.dtype, t.shape(), t.scale, t.zero_point);
        }
    }
}

/// The operators that take more instructions for some inputs than for others, on a core with conditional instructions.
fn varying_times(model: &Model<'_>) -> BTreeMap<&'static str, &'static str> {
    let why = |step: Step<'_>| match step.timing() {
        Timing::Varies(why) => Some((step.op.name(), why)),
        Timing::Constant | Timing::ConstantFromArmv7 => None,
    };
    model.steps().filter_map(why).collect()
}

fn steps(model: &Model<'_>) {
    println!(
        "\nstep  operator           output                          shape              macs       flash  scratch at"
    );
    for (number, step) in describe::steps(model).iter().enumerate() {
        let StepRow { operator, output, shape, macs, flash, scratch } = step;
        let shape = format!("{shape:?}");
        println!("{number:4}  {operator:18} {output:30}  {shape:16}  {macs:8}  {flash:8}  {scratch:10}");
    }
}

/// Which bytes of the arena every tensor has, and in which steps.
fn memory(model: &Model<'_>) {
    println!("\narena, {} bytes\n    from      to  alive in steps  tensor", model.arena_len());
    for slot in describe::arena(model).iter().filter(|slot| slot.kind != Kind::Scratch) {
        let born = slot.from.map_or_else(|| "input".to_owned(), |step| step.to_string());
        let end = slot.offset + slot.bytes;
        println!("{:8}{end:8}  {born:>5} to {:<5}  {}", slot.offset, slot.to, slot.name);
    }
}
