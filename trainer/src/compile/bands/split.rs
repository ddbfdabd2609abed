//! Writes a chain of steps out, band by band.

use std::ops::Range;

use thumbnet::format::{
    AccumulateParams, Border, ConcatParams, DType, FullyConnectedParams, Op, RequantizeParams, ViewParams,
};

use super::super::data::readers;
use super::super::program::{Program, StepDesc, TensorDesc};
use super::chain::Chain;

/// How many rows of the chain's last image a band may have: all numbers that make different numbers of bands.
pub fn rows_per_band(program: &Program, chain: &Chain, most_steps: usize) -> Vec<u32> {
    let rows = rows(program, program.first_result() + chain.steps[chain.steps.len() - 1]);
    let steps = |count: u32| count as usize * (chain.steps.len() + 2);
    let mut all: Vec<u32> = (2..=rows).filter(|&n| steps(n) <= most_steps).map(|count| rows.div_ceil(count)).collect();
    all.dedup();
    all
}

fn rows(program: &Program, tensor: usize) -> u32 {
    program.tensors[tensor].shape[1]
}

fn row_len(program: &Program, tensor: usize) -> u32 {
    program.tensors[tensor].shape[2..].iter().product()
}

/// The program with `chain` in bands of `most` rows, and their number; `None` where a band would not start at a whole word, or see
/// nothing but padding.
pub fn in_bands(program: &Program, chain: &Chain, most: u32) -> Option<(Program, usize)> {
    let first = program.first_result();
    let image = first + chain.steps[chain.steps.len() - 1];
    let all = rows(program, image);
    let bands: Vec<Range<u32>> = (0..all).step_by(most as usize).map(|row| row..all.min(row + most)).collect();
    let mut writer = Writer::new(program);
    for number in 0..program.steps.len() {
        if number == chain.last() {
            writer.chain(chain, image, &bands)?;
        } else if !chain.steps.contains(&number) && !chain.dense.contains(&number) {
            let step = &program.steps[number];
            let inputs = step.inputs.iter().map(|&input| writer.now[input]).collect();
            writer.now[first + number] = writer.push(step.op, inputs, program.tensors[first + number].clone());
        }
    }
    let now = &writer.now;
    writer.new.outputs = program.outputs.iter().map(|&output| now[output]).collect();
    writer.new.updates = program.updates.iter().map(|&(result, state)| (now[result], state)).collect();
    Some((writer.new, bands.len()))
}

/// A program as it grows.
struct Writer<'a> {
    old: &'a Program,
    new: Program,
    /// Where each tensor of the old program is.
    now: Vec<usize>,
}

impl<'a> Writer<'a> {
    fn new(old: &'a Program) -> Self {
        let mut new = Program { steps: Vec::new(), ..old.clone() };
        new.tensors.truncate(old.first_result());
        Self { old, new, now: (0..old.tensors.len()).collect() }
    }

    fn push(&mut self, op: Op, inputs: Vec<usize>, output: TensorDesc) -> usize {
        self.new.steps.push(StepDesc { op, inputs });
        self.new.tensors.push(output);
        self.new.tensors.len() - 1
    }

    /// Every band from the chain's input to its part of `image`, and what is made of the parts.
    fn chain(&mut self, chain: &Chain, image: usize, bands: &[Range<u32>]) -> Option<()> {
        let mut dense = Dense::new(self, chain);
        let mut parts = Vec::new();
        for rows in bands {
            let part = self.band(chain, rows.clone())?;
            match &mut dense {
                Some(dense) => dense.add(self, part, rows, row_len(self.old, image)),
                None if (rows.start * row_len(self.old, image)).is_multiple_of(4) => parts.push(part),
                None => return None,
            }
        }
        let output = self.old.first_result() + chain.last();
        self.now[output] = match dense {
            Some(dense) => dense.finish(self),
            None => {
                let whole = self.old.tensors[output].clone();
                self.push(Op::Concat(ConcatParams { axis: 1 }), parts, whole)
            }
        };
        Some(())
    }

    /// Some rows of the chain's last image; gives their tensor.
    fn band(&mut self, chain: &Chain, rows: Range<u32>) -> Option<usize> {
        let (old, first) = (self.old, self.old.first_result());
        // From the last step to the first: which rows each one computes, and the padding it then has.
        let mut steps = Vec::new();
        let mut wanted = rows;
        for &step in chain.steps.iter().rev() {
            let input = old.steps[step].inputs[0];
            let (op, needed) = on_rows(&old.steps[step].op, &wanted, self::rows(old, input))?;
            steps.push((op, first + step, wanted));
            wanted = needed;
        }
        let source = old.steps[chain.first()].inputs[0];
        let mut tensor = self.slice(source, &wanted)?;
        for (op, output, rows) in steps.into_iter().rev() {
            let part = part_of(&old.tensors[output], &rows);
            tensor = self.push(op, vec![tensor], part);
        }
        Some(tensor)
    }

    /// Rows of a tensor.
    fn slice(&mut self, tensor: usize, rows: &Range<u32>) -> Option<usize> {
        let (all, row) = (self::rows(self.old, tensor), row_len(self.old, tensor));
        if *rows == (0..all) {
            return Some(self.now[tensor]);
        }
        let part = part_of(&self.old.tensors[tensor], rows);
        let mut strides = [0; 6];
        let mut run = 1;
        for (&dim, stride) in part.shape.iter().rev().zip(strides.iter_mut().rev()) {
            *stride = run as i32;
            run *= dim;
        }
        let offset = rows.start * row;
        let view = Op::View(ViewParams { offset: offset as i32, strides });
        offset.is_multiple_of(4).then(|| self.push(view, vec![self.now[tensor]], part))
    }
}

fn part_of(tensor: &TensorDesc, rows: &Range<u32>) -> TensorDesc {
    let mut part = tensor.clone();
    part.name = format!("{} rows {}..{}", tensor.name, rows.start, rows.end);
    part.shape[1] = rows.end - rows.start;
    part
}

/// The operator that computes the rows `wanted`, and which of the input's rows it reads.
fn on_rows(op: &Op, wanted: &Range<u32>, height: u32) -> Option<(Op, Range<u32>)> {
    let mut op = *op;
    let (size, stride, dilation, pad) = match &mut op {
        Op::Conv2d(p) | Op::DepthwiseConv2d(p) => (p.size[0], p.stride[0], p.dilation[0], &mut p.pad),
        Op::MaxPool2d(p) | Op::AveragePool2d(p) => (p.size[0], p.stride[0], 1, &mut p.pad),
        _ => return Some((op, wanted.clone())),
    };
    let [top, height] = [pad.top, height].map(i64::from);
    let start = i64::from(wanted.start) * i64::from(stride) - top;
    let end = i64::from(wanted.end - 1) * i64::from(stride) - top + i64::from(size - 1) * i64::from(dilation) + 1;
    let rows = start.clamp(0, height)..end.clamp(0, height);
    *pad = Border { top: (rows.start - start) as u32, bottom: (end - rows.end) as u32, ..*pad };
    (start < height && end > 0).then_some((op, rows.start as u32..rows.end as u32))
}

/// A fully connected layer that takes its input band by band.
struct Dense {
    params: FullyConnectedParams,
    output: TensorDesc,
    /// `[out][in]`.
    weights: Vec<u8>,
    /// Whether nobody else reads them: then the weights of the bands, one behind the other, take their place.
    is_only_reader: bool,
    /// Bytes of weights that have a band.
    used: u32,
    sums: Option<usize>,
}

impl Dense {
    fn new(writer: &Writer<'_>, chain: &Chain) -> Option<Self> {
        let &number = chain.dense.last()?;
        let step = &writer.old.steps[number];
        let Op::FullyConnected(params) = step.op else { return None };
        let elements = |tensor: usize| writer.old.tensors[tensor].shape.iter().product::<u32>();
        let output = writer.old.first_result() + number;
        let len = elements(step.inputs[0]) * elements(output);
        let range = params.weights..params.weights + len;
        let weights = writer.old.data[range.start as usize..range.end as usize].to_vec();
        let output = writer.old.tensors[output].clone();
        let is_only_reader = readers(&mut writer.old.clone(), &range) == 1;
        Some(Self { params, output, weights, is_only_reader, used: 0, sums: None })
    }

    fn outputs(&self) -> usize {
        self.output.shape.last().map_or(1, |&outputs| outputs as usize)
    }

    /// Adds the products of some rows.
    fn add(&mut self, writer: &mut Writer<'_>, part: usize, rows: &Range<u32>, row_len: u32) {
        let inputs = self.weights.len() / self.outputs();
        let columns = (rows.start * row_len) as usize..(rows.end * row_len) as usize;
        let own: Vec<u8> = self.weights.chunks_exact(inputs).flat_map(|row| &row[columns.clone()]).copied().collect();
        let weights = if self.is_only_reader {
            let at = self.params.weights + self.used;
            writer.new.data[at as usize..][..own.len()].copy_from_slice(&own);
            at
        } else {
            writer.new.push_data(&own)
        };
        self.used += own.len() as u32;
        let name = format!("{} of rows {}..{}", self.output.name, rows.start, rows.end);
        let sums = TensorDesc { name, dtype: DType::I32, scale: 1.0, zero_point: 0, ..self.output.clone() };
        let inputs = std::iter::once(part).chain(self.sums).collect();
        self.sums = Some(writer.push(Op::Accumulate(AccumulateParams { weights }), inputs, sums));
    }

    /// The layer's output.
    fn finish(self, writer: &mut Writer<'_>) -> usize {
        let FullyConnectedParams { clamp, rounding, channels, .. } = self.params;
        let op = Op::Requantize(RequantizeParams { clamp, rounding, channels });
        writer.push(op, self.sums.into_iter().collect(), self.output)
    }
}
