//! `thumbnet inspect`.

use std::path::PathBuf;

use anyhow::Result;
use thumbnet::Model;
use thumbnet::format::{ConvParams, FullyConnectedParams, LstmParams, Op, Place, RecurrentParams, Step, Tensor};
use thumbnet::kernels::{Layout, winograd};
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
        "thumbnet = {{ default-features = false, features = [{}] }}",
        features(model).iter().map(|feature| format!("\"{feature}\"")).collect::<Vec<_>>().join(", ")
    );
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
            flash(model, &step, &output),
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

/// Bytes of weights and tables of a step.
fn flash(model: &Model<'_>, step: &Step<'_>, output: &Tensor) -> u64 {
    let outputs = u64::from(*output.shape().last().unwrap_or(&1));
    let Some(input) = input(model, step) else { return 0 };
    let taps = |size: [u32; 2]| u64::from(size[0]) * u64::from(size[1]);
    match &step.op {
        Op::Conv2d(p) if p.layout == Layout::Winograd => {
            let inputs = *input.shape().last().unwrap_or(&1) as usize;
            winograd::weights_len(inputs, outputs as usize).unwrap_or(0) as u64 + 12 * outputs
        }
        Op::Conv2d(p) => outputs * (taps(p.size) * u64::from(*input.shape().last().unwrap_or(&1)) + 12),
        Op::DepthwiseConv2d(p) => outputs * (taps(p.size) + 12),
        Op::FullyConnected(_) => {
            let rows = u64::from(output.elements().unwrap_or(1)) / outputs.max(1);
            outputs * (u64::from(input.elements().unwrap_or(0)) / rows.max(1) + 12)
        }
        Op::Lstm(_) => {
            let inputs = u64::from(*input.shape().last().unwrap_or(&1));
            4 * outputs * (inputs + outputs + 4)
        }
        Op::Recurrent(p) => {
            let inputs = u64::from(*input.shape().last().unwrap_or(&1));
            p.cell.gates() as u64 * outputs * (inputs + outputs + 24)
        }
        Op::Spectrogram(p) => {
            let coefficients = if p.has_coefficients == 1 { 2 * outputs * u64::from(p.bands) } else { 0 };
            u64::from(2 * p.frame + (2 << p.log2) + 4 * p.bands + 2 * p.weight_count) + coefficients + 12 * outputs
        }
        Op::Motion(p) => {
            let window = if p.bands > 0 { 2 * p.window + (2 << p.log2) } else { 0 };
            u64::from(window + 4 * p.bands + 2 * p.weight_count) + 12 * outputs
        }
        Op::Accumulate(_) => outputs * u64::from(input.elements().unwrap_or(0)),
        Op::Requantize(_) => 12 * outputs,
        Op::Lookup(_) => 256,
        _ => 0,
    }
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
