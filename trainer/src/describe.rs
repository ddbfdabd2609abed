//! A model file as people look at it: its steps, and which bytes of the arena are whose when.

use serde::Serialize;
use thumbnet::Model;
use thumbnet::format::{ConvParams, FullyConnectedParams, LstmParams, Op, Place, RecurrentParams, Step, Tensor};
use thumbnet::kernels::Layout;
use thumbnet::plan::scratch_len;
use thumbnet_build::data_len;

/// A step of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepRow {
    /// Operator and layout of the weights.
    pub operator: String,
    /// Name of the tensor that it writes.
    pub output: String,
    /// Shape of that tensor.
    pub shape: Vec<u32>,
    /// Multiply-accumulates.
    pub macs: u64,
    /// Bytes of weights and tables that it reads in flash.
    pub flash: u64,
    /// Where its scratch starts in the arena.
    pub scratch: u32,
}

/// All steps in the order they run.
#[must_use]
pub fn steps(model: &Model<'_>) -> Vec<StepRow> {
    let row = |(number, step): (usize, Step<'_>)| {
        let index = model.first_result() + number as u32;
        let output = model.tensors().get(index)?;
        let input = step.inputs.first().and_then(|&input| model.tensors().get(input));
        Some(StepRow {
            operator: operator(&step),
            output: name(model, index),
            shape: output.shape().to_vec(),
            macs: input.map_or(0, |input| thumbnet::plan::macs(&step.op, &input, &output)),
            flash: data_len(model, number, &step),
            scratch: step.scratch,
        })
    };
    model.steps().enumerate().filter_map(row).collect()
}

fn operator(step: &Step<'_>) -> String {
    match &step.op {
        Op::Conv2d(p) if p.layout == Layout::Winograd => "conv2d winograd".to_owned(),
        Op::Conv2d(p) if p.layout == Layout::Winograd4x4 => "conv2d winograd 4x4".to_owned(),
        Op::Conv2d(ConvParams { layout: Layout::Pairs, .. })
        | Op::FullyConnected(FullyConnectedParams { layout: Layout::Pairs, .. })
        | Op::Lstm(LstmParams { layout: Layout::Pairs, .. })
        | Op::Recurrent(RecurrentParams { layout: Layout::Pairs, .. }) => format!("{} in pairs", step.op.name()),
        Op::Lookup(p) => format!("lookup {:?}", p.function).to_lowercase(),
        op => op.name().to_owned(),
    }
}

fn name(model: &Model<'_>, tensor: u32) -> String {
    model.info().tensors.get(tensor as usize).unwrap_or("?").to_owned()
}

/// What bytes of the arena hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An input of the model.
    Input,
    /// What is remembered from one inference to the next.
    State,
    /// What a step computes for others.
    Value,
    /// What a step computes for the caller.
    Output,
    /// What a step needs while it runs.
    Scratch,
}

/// Bytes of the arena that are somebody's for some steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Slot {
    /// Name of the tensor; of the step's output for scratch.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// First byte.
    pub offset: u32,
    /// How many.
    pub bytes: u32,
    /// The step that writes it; `None` for what is there before the first.
    pub from: Option<u32>,
    /// The last step that reads it; the number of steps for what is there after the last.
    pub to: u32,
}

/// The arena of a model: tensors in the order of the file, then the scratch of the steps that have some.
#[must_use]
pub fn arena(model: &Model<'_>) -> Vec<Slot> {
    let first = model.first_result();
    let tensors = (0..).zip(model.tensors().iter()).filter(|(_, tensor)| tensor.place == Place::Arena);
    let slot = |(index, tensor): (u32, Tensor)| Slot {
        name: name(model, index),
        kind: kind(model, index, &tensor),
        offset: tensor.offset,
        bytes: tensor.bytes().unwrap_or(0),
        from: index.checked_sub(first),
        to: tensor.last_use,
    };
    let scratch = (0..).zip(model.steps()).filter_map(|(number, step)| {
        let inputs: Vec<Tensor> = step.inputs.iter().map(|&index| model.tensors().get(index)).collect::<Option<_>>()?;
        let len = scratch_len(model.data(), &step, &inputs, &model.tensors().get(first + number)?).ok()?;
        let slot = Slot {
            name: name(model, first + number),
            kind: Kind::Scratch,
            offset: step.scratch,
            bytes: len as u32,
            from: Some(number),
            to: number,
        };
        (len > 0).then_some(slot)
    });
    tensors.map(slot).chain(scratch).collect()
}

fn kind(model: &Model<'_>, index: u32, tensor: &Tensor) -> Kind {
    if (index as usize) < model.input_count() {
        Kind::Input
    } else if (tensor.offset as usize) < model.state_len() {
        Kind::State
    } else if model.outputs().contains(&index) {
        Kind::Output
    } else {
        Kind::Value
    }
}
