//! `thumbnet inspect`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use thumbnet::format::{ConvParams, FullyConnectedParams, LstmParams, Op, Place, RecurrentParams, Step, Tensor};
use thumbnet::kernels::Layout;
use thumbnet::{Model, Timing};
use thumbnet_build::{Core, data_len, stack_len};
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
    for (number, step) in model.steps().enumerate() {
        let index = model.first_result() as usize + number;
        let Some(output) = model.tensors().get(index as u32) else { continue };
        let name = model.info().tensors.get(index).unwrap_or("?");
        let shape = format!("{:?}", output.shape());
        println!(
            "{number:4}  {:18} {name:30}  {shape:16}  {:8}  {:8}  {:10}",
            operator(&step),
            macs(model, &step, &output),
            data_len(model, number, &step),
            step.scratch
        );
    }
}

fn operator(step: &Step<'_>) -> String {
    match &step.op {
        Op::Conv2d(p) if p.layout == Layout::Winograd => "conv2d winograd".to_owned(),
        Op::Conv2d(ConvParams { layout: Layout::Pairs, .. })
        | Op::FullyConnected(FullyConnectedParams { layout: Layout::Pairs, .. })
        | Op::Lstm(LstmParams { layout: Layout::Pairs, .. })
        | Op::Recurrent(RecurrentParams { layout: Layout::Pairs, .. }) => format!("{} in pairs", step.op.name()),
        Op::Lookup(p) => format!("lookup {:?}", p.function).to_lowercase(),
        op => op.name().to_owned(),
    }
}

fn input(model: &Model<'_>, step: &Step<'_>) -> Option<Tensor> {
    model.tensors().get(*step.inputs.first()?)
}

/// Multiply-accumulates of a step.
pub fn macs(model: &Model<'_>, step: &Step<'_>, output: &Tensor) -> u64 {
    input(model, step).map_or(0, |input| thumbnet::plan::macs(&step.op, &input, output))
}

/// Which bytes of the arena every tensor has, and in which steps.
fn memory(model: &Model<'_>) {
    println!("\narena, {} bytes\n    from      to  alive in steps  tensor", model.arena_len());
    let first = model.first_result();
    for (index, t) in (0..).zip(model.tensors().iter()).filter(|(_, t)| t.place == Place::Arena) {
        let born = if index < first { "input".to_owned() } else { (index - first).to_string() };
        let end = t.offset + t.bytes().unwrap_or(0);
        let name = model.info().tensors.get(index as usize).unwrap_or("?");
        println!("{:8}{end:8}  {born:>5} to {:<5}  {name}", t.offset, t.last_use);
    }
}
