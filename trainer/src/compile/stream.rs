//! From a program that takes a whole sequence to one that takes its next few steps and remembers the rest.
//!
//! Layers that only look back keep what they will look at again as a state: a causal convolution its last inputs, a recurrent
//! layer its cells, the front end the samples that frames share. What needs the whole sequence at once (a global pool, a
//! convolution that looks ahead, a layer that goes backwards) gets the last `T` steps, `T` the length it was trained with, and
//! is computed anew in every run. Before the first step all states hold zero, which is what pads a causal layer, so that after
//! `T` steps the answer is, bit for bit, the one that the whole program gives.

use anyhow::{Context, Result, bail, ensure};
use thumbnet::format::{Border, Cell, ConcatParams, DType, Op, ViewParams};

use super::program::{Program, StepDesc, TensorDesc};

/// A tensor of the new program, before all are numbered.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    /// Inputs and constants keep their order.
    Given(usize),
    State(usize),
    Result(usize),
}

/// Where an old tensor's values are now.
#[derive(Clone, Copy, Debug)]
struct Now {
    place: Place,
    /// Steps in time that one run has of it; none for what is not cut in time.
    chunk: Option<u32>,
}

struct Builder<'a> {
    old: &'a Program,
    given: Vec<TensorDesc>,
    states: Vec<TensorDesc>,
    results: Vec<TensorDesc>,
    steps: Vec<(Op, Vec<Place>)>,
    updates: Vec<(Place, Place)>,
    /// Of every old tensor that exists so far.
    now: Vec<Now>,
    /// Windows that exist: of what, how many steps before it, and the window.
    windows: Vec<(Place, u32, Place)>,
    /// Names of tensors that are held whole.
    whole: Vec<String>,
}

/// A program that computes `frames` steps in time per run, and the names of the tensors that it holds whole.
///
/// # Errors
/// The program has states already, or its input is not a sequence.
pub fn stream(program: &Program, frames: usize) -> Result<(Program, Vec<String>)> {
    ensure!(frames > 0, "a run must take at least one frame");
    ensure!(program.states().next().is_none(), "the model streams already");
    let program = &endless(program)?;
    let first = program.first_result();
    let mut builder = Builder {
        old: program,
        given: program.tensors[..first].to_vec(),
        states: Vec::new(),
        results: Vec::new(),
        steps: Vec::new(),
        updates: Vec::new(),
        now: (0..first).map(|index| Now { place: Place::Given(index), chunk: None }).collect(),
        windows: Vec::new(),
        whole: Vec::new(),
    };
    builder.input(frames)?;
    for number in 0..program.steps.len() {
        let now = builder.step(number);
        builder.now.push(now);
    }
    Ok(builder.finish())
}

/// Without the length of a masked sequence: a stream ends where nothing more is fed, and a recurrent layer has its answer then.
fn endless(program: &Program) -> Result<Program> {
    let mut program = program.clone();
    if program.inputs != 2 || !program.is_length(1) {
        return Ok(program);
    }
    for step in &mut program.steps {
        if step.inputs.get(1) == Some(&1) {
            ensure!(
                matches!(step.op, Op::Recurrent(p) if p.reverse == 0),
                "{} takes a masked sequence as a whole and cannot stream: take the last state of a recurrent layer, or export without \
                 --stream",
                step.op.name()
            );
            step.inputs.truncate(1);
        }
        step.inputs.iter_mut().filter(|input| **input > 1).for_each(|input| *input -= 1);
    }
    program.tensors.remove(1);
    program.inputs = 1;
    program.outputs.iter_mut().for_each(|output| *output -= 1);
    Ok(program)
}

impl Builder<'_> {
    /// Cuts the input.
    fn input(&mut self, frames: usize) -> Result<()> {
        let reader = self.old.steps.iter().find(|step| step.inputs[0] == 0);
        let input = &mut self.given[0];
        // What a frame has of the input's dimension in time, and that dimension.
        let (unit, len) = match (reader.map(|step| &step.op), &mut input.shape[..]) {
            (Some(Op::Spectrogram(p)), [1, samples]) => (p.hop, samples),
            (Some(Op::Motion(p)), [1, rows, _]) => (p.hop, rows),
            (_, [1, time, _] | [1, time, _, _]) => (1, time),
            (_, shape) => bail!("the input has shape {shape:?}, expected a sequence: one batch, time, channels"),
        };
        let time = *len / unit;
        let chunk = u32::try_from(frames).ok().filter(|&chunk| chunk <= time).with_context(|| {
            format!("a run of {frames} frames is longer than the sequence of {time} that the model was trained with")
        })?;
        *len = chunk * unit;
        self.now[0].chunk = Some(chunk);
        Ok(())
    }

    fn shape(&self, index: usize) -> &[u32] {
        &self.old.tensors[index].shape
    }

    fn desc(&self, place: Place) -> &TensorDesc {
        match place {
            Place::Given(index) => &self.given[index],
            Place::State(index) => &self.states[index],
            Place::Result(index) => &self.results[index],
        }
    }

    fn state(&mut self, like: &TensorDesc, name: String, dtype: DType, shape: Vec<u32>) -> Place {
        self.states.push(TensorDesc { name, dtype, shape, constant: None, ..like.clone() });
        Place::State(self.states.len() - 1)
    }

    fn push(&mut self, tensor: TensorDesc, op: Op, inputs: Vec<Place>) -> Place {
        self.results.push(tensor);
        self.steps.push((op, inputs));
        Place::Result(self.results.len() - 1)
    }

    /// Computes step `number` of the old program.
    fn step(&mut self, number: usize) -> Now {
        let StepDesc { op, inputs } = self.old.steps[number].clone();
        let output = self.old.first_result() + number;
        let chunks: Vec<u32> = inputs.iter().filter_map(|&input| self.now[input].chunk).collect();
        let Some(&chunk) = chunks.first() else { return self.copy(op, &inputs, output, None) };
        if chunks.iter().any(|&other| other != chunk) {
            return self.on_whole(op, &inputs, output);
        }
        match op {
            Op::Spectrogram(p) => {
                let memories = (p.pcen.smoothing > 0).then(|| vec![1, p.bands, 2]);
                self.framed(op, vec![1, p.frame - p.hop], memories, inputs[0], output, chunk)
            }
            Op::Motion(p) => {
                let axes = self.shape(inputs[0])[2];
                self.framed(op, vec![1, p.window - p.hop, axes], None, inputs[0], output, chunk)
            }
            Op::Recurrent(p) if p.reverse == 0 => self.recurrent(op, p.cell, inputs[0], output, chunk),
            Op::Conv2d(mut p) => match self.window(inputs[0], [p.size[0], p.dilation[0], p.stride[0]], p.pad, chunk) {
                Some((before, cut)) => {
                    p.pad = cut;
                    self.convolution(Op::Conv2d(p), inputs[0], output, [before, chunk, p.stride[0]])
                }
                None => self.on_whole(op, &inputs, output),
            },
            Op::DepthwiseConv2d(mut p) => {
                match self.window(inputs[0], [p.size[0], p.dilation[0], p.stride[0]], p.pad, chunk) {
                    Some((before, cut)) => {
                        p.pad = cut;
                        self.convolution(Op::DepthwiseConv2d(p), inputs[0], output, [before, chunk, p.stride[0]])
                    }
                    None => self.on_whole(op, &inputs, output),
                }
            }
            // What pads a pool is not zero, it is nothing.
            Op::MaxPool2d(p) | Op::AveragePool2d(p)
                if p.size[0] == p.stride[0] && chunk.is_multiple_of(p.stride[0]) && p.pad.top + p.pad.bottom == 0 =>
            {
                self.copy(op, &inputs, output, Some(chunk / p.stride[0]))
            }
            _ if self.is_per_step(&op, &inputs, output) => self.copy(op, &inputs, output, Some(chunk)),
            _ => self.on_whole(op, &inputs, output),
        }
    }

    /// Whether a step computes every moment from the same moment of its inputs.
    fn is_per_step(&self, op: &Op, inputs: &[usize], output: usize) -> bool {
        let time = self.shape(output).get(1);
        let same_time = self.shape(output).len() > 2
            && inputs.iter().all(|&input| self.shape(input).len() > 2 && self.shape(input).get(1) == time);
        let is_elementwise = match op {
            Op::Concat(p) => p.axis > 1,
            Op::Softmax(_) | Op::LogSoftmax(_) | Op::ArgMax => true,
            Op::Add(_) | Op::Mul(_) | Op::Binary(_) => {
                inputs.iter().all(|&input| self.shape(input).len() == self.shape(output).len())
            }
            Op::FullyConnected(_) | Op::Reshape | Op::Lookup(_) | Op::Quantize | Op::Dequantize => true,
            _ => false,
        };
        same_time && is_elementwise && inputs.iter().all(|&input| self.now[input].chunk.is_some())
    }

    /// The step as it is, on inputs as they are.
    fn copy(&mut self, op: Op, inputs: &[usize], output: usize, chunk: Option<u32>) -> Now {
        let places = inputs.iter().map(|&input| self.now[input].place).collect();
        let mut tensor = self.old.tensors[output].clone();
        if let Some(chunk) = chunk {
            tensor.shape[1] = chunk;
        }
        Now { place: self.push(tensor, op, places), chunk }
    }

    /// The step on whole sequences.
    fn on_whole(&mut self, op: Op, inputs: &[usize], output: usize) -> Now {
        for &input in inputs {
            let Now { place, chunk: Some(chunk) } = self.now[input] else { continue };
            let past = self.shape(input)[1] - chunk;
            self.whole.push(self.old.tensors[input].name.clone());
            self.now[input] = Now { place: self.remembered(place, past), chunk: None };
        }
        self.copy(op, inputs, output, None)
    }

    /// The steps before, `past` of them, and then those of this run.
    fn remembered(&mut self, place: Place, past: u32) -> Place {
        if past == 0 {
            return place;
        }
        if let Some(&(.., window)) = self.windows.iter().find(|&&(of, before, _)| (of, before) == (place, past)) {
            return window;
        }
        let now = self.desc(place).clone();
        // Another one of the same tensor has another length.
        let suffix = if self.windows.iter().any(|&(of, ..)| of == place) { format!("_{past}") } else { String::new() };
        let with_time = |time: u32| {
            let mut shape = now.shape.clone();
            shape[1] = time;
            shape
        };
        let state = self.state(&now, format!("{}/past{suffix}", now.name), now.dtype, with_time(past));
        let whole = TensorDesc {
            name: format!("{}/window{suffix}", now.name),
            shape: with_time(past + now.shape[1]),
            ..now.clone()
        };
        let window = self.push(whole, Op::Concat(ConcatParams { axis: 1 }), vec![state, place]);
        let kept = TensorDesc { name: format!("{}/kept{suffix}", now.name), shape: with_time(past), ..now.clone() };
        let view = view(&now.shape);
        let update = self.push(kept, Op::View(view), vec![window]);
        self.updates.push((update, state));
        self.windows.push((place, past, window));
        window
    }

    /// A front end, whose frames share samples: it keeps the `past` ones, and what else it remembers.
    fn framed(
        &mut self,
        op: Op,
        past: Vec<u32>,
        memories: Option<Vec<u32>>,
        input: usize,
        output: usize,
        chunk: u32,
    ) -> Now {
        let place = self.now[input].place;
        let like = self.desc(place).clone();
        let mut places = vec![place];
        if !past.contains(&0) {
            places.push(self.state(&like, format!("{}/past", like.name), DType::I16, past));
        }
        if let Some(shape) = memories {
            places.push(self.state(&like, format!("{}/memories", like.name), DType::I32, shape));
        }
        let mut tensor = self.old.tensors[output].clone();
        tensor.shape[1] = chunk;
        Now { place: self.push(tensor, op, places), chunk: Some(chunk) }
    }

    fn recurrent(&mut self, op: Op, cell: Cell, input: usize, output: usize, chunk: u32) -> Now {
        let mut tensor = self.old.tensors[output].clone();
        let cells = tensor.shape[tensor.shape.len() - 1];
        let mut places = vec![self.now[input].place];
        places.push(self.state(&tensor, format!("{}/hidden", tensor.name), DType::I8, vec![1, cells]));
        if cell != Cell::Elman {
            places.push(self.state(&tensor, format!("{}/memory", tensor.name), DType::I16, vec![1, cells]));
        }
        let is_sequence = tensor.shape.len() == 3;
        if is_sequence {
            tensor.shape[1] = chunk;
        }
        Now { place: self.push(tensor, op, places), chunk: is_sequence.then_some(chunk) }
    }

    /// For a window that never looks ahead: the inputs before this run that it sees, and its padding without them.
    fn window(
        &self,
        input: usize,
        [size, dilation, stride]: [u32; 3],
        pad: Border,
        chunk: u32,
    ) -> Option<(u32, Border)> {
        let reach = (size - 1) * dilation + 1;
        let causal = pad.top < reach && pad.top + stride >= reach && self.shape(input)[1].is_multiple_of(stride);
        (causal && chunk.is_multiple_of(stride)).then_some((pad.top, Border { top: 0, bottom: 0, ..pad }))
    }

    fn convolution(&mut self, op: Op, input: usize, output: usize, [before, chunk, stride]: [u32; 3]) -> Now {
        let place = self.now[input].place;
        let window = self.remembered(place, before);
        let mut tensor = self.old.tensors[output].clone();
        tensor.shape[1] = chunk / stride;
        Now { place: self.push(tensor, op, vec![window]), chunk: Some(chunk / stride) }
    }

    /// Numbers all tensors: inputs and constants, states, results.
    fn finish(self) -> (Program, Vec<String>) {
        let (given, states) = (self.given.len(), self.states.len());
        let number = |place: Place| match place {
            Place::Given(index) => index,
            Place::State(index) => given + index,
            Place::Result(index) => given + states + index,
        };
        let step = |(op, inputs): &(Op, Vec<Place>)| StepDesc {
            op: *op,
            inputs: inputs.iter().map(|&place| number(place)).collect(),
        };
        let program = Program {
            steps: self.steps.iter().map(step).collect(),
            outputs: self.old.outputs.iter().map(|&output| number(self.now[output].place)).collect(),
            updates: self.updates.iter().map(|&(result, state)| (number(result), number(state))).collect(),
            tensors: [self.given, self.states, self.results].concat(),
            ..self.old.clone()
        };
        (program, self.whole)
    }
}

/// What is left of a window without its oldest steps, as many as `new` has.
fn view(new: &[u32]) -> ViewParams {
    let mut strides = [0; 6];
    let mut stride = 1;
    for (axis, &dim) in new.iter().enumerate().skip(1).rev() {
        strides[6 - new.len() + axis] = stride;
        stride *= dim as i32;
    }
    // The last factor is the number of new steps: all the steps before count as many elements each.
    ViewParams { offset: stride, strides }
}
