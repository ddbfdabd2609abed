//! A program before it has memory: tensors and steps in the terms of the runtime, and the data they share.

use bytemuck::NoUninit;
use thumbnet::format::{DType, Op, SoftmaxParams};
use thumbnet::kernels::softmax;
use thumbnet::plan;

use super::write::record;

/// A tensor that has a shape and a quantization but no place yet.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorDesc {
    /// Unique name.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Shape with the batch in front, NHWC for images.
    pub shape: Vec<u32>,
    /// `real = scale · (q − zero_point)`.
    pub scale: f32,
    /// 0 for anything but int8.
    pub zero_point: i32,
    /// Offset in [`Program::data`] of a constant; none for what lies in the arena: inputs, states, results.
    pub constant: Option<u32>,
}

/// A step that computes one tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct StepDesc {
    /// What it computes.
    pub op: Op,
    /// Indices of the tensors it reads.
    pub inputs: Vec<usize>,
}

/// Everything that a model file says, but for memory.
///
/// Tensors are in the order of the file: inputs, constants and states, then one for each step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// Name of the model.
    pub name: String,
    /// All tensors.
    pub tensors: Vec<TensorDesc>,
    /// How many of them are inputs.
    pub inputs: usize,
    /// The steps in the order they run; step `k` writes tensor `tensors.len() − steps.len() + k`.
    pub steps: Vec<StepDesc>,
    /// Indices of the outputs.
    pub outputs: Vec<usize>,
    /// Results that replace a state from the next run on: index of the result, index of the state.
    pub updates: Vec<(usize, usize)>,
    /// States that start with something else than zero: index of the state, its bytes.
    pub initial: Vec<(usize, Vec<u8>)>,
    /// Weights, tables and constants.
    pub data: Vec<u8>,
    /// Names of the classes.
    pub labels: Vec<String>,
    /// From raw values to the first input, one or one per element of its last dimension.
    pub gain: Vec<f32>,
    /// As long as `gain`.
    pub offset: Vec<f32>,
}

impl Program {
    /// Appends `values` to the data, aligned to 4, or finds them there; gives their offset.
    pub fn push_data<T: NoUninit>(&mut self, values: &[T]) -> u32 {
        let bytes: &[u8] = bytemuck::cast_slice(values);
        // Equal tables are common (the same activation on the same scale): store them once.
        if bytes.len() >= 256
            && let Some(at) = (0..=self.data.len().saturating_sub(bytes.len()))
                .step_by(4)
                .find(|&at| self.data[at..].starts_with(bytes))
        {
            return at as u32;
        }
        self.data.resize(self.data.len().next_multiple_of(4), 0);
        let offset = self.data.len() as u32;
        self.data.extend_from_slice(bytes);
        offset
    }

    /// The same softmax with a table of its exponentials.
    pub fn with_exponentials(&mut self, params: SoftmaxParams) -> SoftmaxParams {
        let exponentials: Vec<i32> = softmax::exponentials(params.scale, params.diff_min).collect();
        SoftmaxParams { exponentials: self.push_data(&exponentials), count: exponentials.len() as u32, ..params }
    }

    /// Index of the tensor that the first step writes.
    #[must_use]
    pub fn first_result(&self) -> usize {
        self.tensors.len() - self.steps.len()
    }

    /// Whether a tensor says how many steps of another are there.
    #[must_use]
    pub fn is_length(&self, tensor: usize) -> bool {
        let reads = |step: &StepDesc| {
            let takes_one = matches!(step.op, Op::Recurrent(_) | Op::MaxPool2d(_) | Op::AveragePool2d(_));
            takes_one && step.inputs.len() == 2 && step.inputs[1] == tensor
        };
        self.tensors[tensor].dtype == DType::I32 && self.steps.iter().any(reads)
    }

    /// Indices of the states.
    pub fn states(&self) -> impl Iterator<Item = usize> + '_ {
        (self.inputs..self.first_result()).filter(|&tensor| self.tensors[tensor].constant.is_none())
    }

    /// The last step that reads each tensor: the number of steps for outputs and new states, its own step for one that nobody reads.
    #[must_use]
    pub fn last_uses(&self) -> Vec<usize> {
        let first = self.first_result();
        let mut last: Vec<usize> = (0..self.tensors.len()).map(|tensor| tensor.saturating_sub(first)).collect();
        for (number, step) in self.steps.iter().enumerate() {
            step.inputs.iter().for_each(|&input| last[input] = number);
        }
        let results = self.updates.iter().map(|(result, _)| result);
        self.outputs.iter().chain(results).for_each(|&output| last[output] = self.steps.len());
        last
    }

    /// Multiply-accumulates of one inference.
    #[must_use]
    pub fn macs(&self) -> u64 {
        (0..self.steps.len()).map(|step| self.step_macs(step)).sum()
    }

    /// What one inference takes at most; see [`plan::work`].
    #[must_use]
    pub fn work(&self) -> u64 {
        let step_work = |(number, step): (usize, &StepDesc)| {
            let [input, output] = [step.inputs[0], self.first_result() + number].map(|index| record(self, index, 0));
            plan::work(&step.op, step.inputs.len(), &input, &output)
        };
        self.steps.iter().enumerate().map(step_work).fold(0, u64::saturating_add)
    }

    /// Multiply-accumulates of one step.
    #[must_use]
    pub fn step_macs(&self, number: usize) -> u64 {
        let step = &self.steps[number];
        let [input, output] = [step.inputs[0], self.first_result() + number].map(|index| record(self, index, 0));
        plan::macs(&step.op, &input, &output)
    }
}
