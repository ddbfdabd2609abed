//! Random valid graphs: odd shapes, paddings, zero points, clamps, every kind of shift, and every operator that has a dull
//! reference of its own. What draws the numbers may be a seeded generator or the bytes of a fuzzer.

use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};
use thumbnet::fixed::Rounding;
use thumbnet::format::{
    Border, Cell, ConcatParams, ConvParams, DType, FullyConnectedParams, Function, LookupParams, LstmParams, MulParams,
    Op, PadParams, PoolParams, RecurrentParams,
};
use thumbnet::kernels::{Channel, Clamp, Layout, Scale};
use thumbnet_trainer::compile::{
    Family, Optimize, Program, StepDesc, TRANSFORMED, TensorDesc, pack, transform, transform_by,
};
use thumbnet_trainer::quantize::{Quant, sum_params};

use clap::ValueEnum;

/// Chains of a pointwise, a depthwise and a full convolution, so that outputs grow into inputs.
pub fn chain(rng: &mut impl Rng) -> Program {
    // One image in four is so wide that a depthwise convolution sees it in bands.
    let [height, width] = if rng.random_bool(0.25) { [5, 45] } else { [11, 9] }.map(|most| rng.random_range(1..=most));
    let shape = [1, height, width, rng.random_range(1..10)];
    let mut graph = Graph::new(rng, "chain", &shape);
    let four = 4 * graph.rng.random_range(1..5);
    let channels = *[16, 32, four, four + 1].choose(graph.rng).unwrap();
    graph.conv(channels, [1, 1], [1, 1], [1, 1], None);
    let stride = *[[1, 1], [1, 1], [2, 2], [2, 1]].choose(graph.rng).unwrap();
    let size = *[[3, 3], [3, 3], [5, 5], [2, 5]].choose(graph.rng).unwrap();
    graph.conv(channels, size, stride, [1, 1], Some(1));
    let (outputs, size) = (graph.rng.random_range(1..9), [1, 1].map(|least| graph.rng.random_range(least..4)));
    graph.conv(outputs, size, [1, 1], [1, 1], None);
    graph.finish()
}

/// A convolution of more channels than a core keeps at hand, a pool over all of the image, whose sum may need more than 16 bits, and a
/// fully connected layer.
pub fn wide(rng: &mut impl Rng) -> Program {
    let shape = [1, rng.random_range(1..=20), rng.random_range(1..=20), *[3, 16, 33].choose(rng).unwrap()];
    let mut graph = Graph::new(rng, "wide", &shape);
    let outputs = *[1, 63, 64, 65, 66, 129].choose(graph.rng).unwrap();
    let size = *[[1, 1], [3, 3], [2, 4]].choose(graph.rng).unwrap();
    graph.conv(outputs, size, [1, 1], [1, 1], None);
    let [_, height, width, _] = graph.image();
    graph.pool_of([height, width], [1, 1], Border { top: 0, bottom: 0, left: 0, right: 0 });
    graph.fully_connected();
    graph.finish()
}

/// A graph of up to six steps: an image through convolutions, pools and what is element by element, or a sequence through
/// recurrent layers.
pub fn graph(rng: &mut impl Rng) -> Program {
    if rng.random_bool(0.25) { sequence(rng) } else { image(rng) }
}

fn image(rng: &mut impl Rng) -> Program {
    let shape = [
        rng.random_range(1..3),
        rng.random_range(1..9),
        rng.random_range(1..9),
        *[1, 2, 3, 4, 5, 8, 12, 16, 17].choose(rng).unwrap(),
    ];
    let mut graph = Graph::new(rng, "image", &shape);
    for _ in 0..graph.rng.random_range(1..6) {
        match graph.rng.random_range(0..12) {
            0..3 => graph.any_conv(false),
            3..5 => graph.any_conv(true),
            5 => graph.pool(),
            6 => graph.add(),
            7 => graph.mul(),
            8 => graph.concat(),
            9 => graph.pad(),
            10 => graph.lookup(),
            _ => graph.reshape(),
        }
    }
    if graph.rng.random_bool(0.3) {
        graph.fully_connected();
    }
    graph.finish()
}

fn sequence(rng: &mut impl Rng) -> Program {
    let shape = [rng.random_range(1..3), rng.random_range(1..6), rng.random_range(1..20)];
    let mut graph = Graph::new(rng, "sequence", &shape);
    for _ in 0..graph.rng.random_range(1..3) {
        if graph.rng.random_bool(0.3) { graph.lstm() } else { graph.recurrent() }
    }
    if graph.rng.random_bool(0.5) {
        graph.fully_connected();
    }
    graph.finish()
}

/// The program in every order of weights that the exporter writes, each with the names of its options; as it is in front.
#[must_use]
pub fn layouts(program: &Program) -> Vec<(String, Program)> {
    let mut all = vec![("plain".to_owned(), program.clone())];
    let mut add = |name: String, mut written: Program, family: Family| {
        pack(&mut written, family);
        if all.iter().all(|(_, other)| *other != written) {
            all.push((format!("{name}, {family:?}"), written));
        }
    };
    for &family in Family::value_variants() {
        for &optimize in Optimize::value_variants() {
            let mut written = program.clone();
            transform(&mut written, optimize, None);
            add(format!("{optimize:?}"), written, family);
        }
    }
    for layout in TRANSFORMED {
        let mut written = program.clone();
        transform_by(&mut written, None, |_, layer| u64::from(layer.layout == layout));
        add(format!("{layout:?}"), written, Family::Dsp);
    }
    all
}

/// A program that grows step by step from its last tensor.
struct Graph<'r, R> {
    p: Program,
    rng: &'r mut R,
}

impl<'r, R: Rng> Graph<'r, R> {
    fn new(rng: &'r mut R, name: &str, shape: &[u32]) -> Self {
        let p = Program { name: name.into(), inputs: 1, gain: vec![1.0], offset: vec![0.0], ..Program::default() };
        let mut graph = Self { p, rng };
        let quant = graph.quant();
        graph.tensor(shape, quant);
        graph
    }

    fn finish(mut self) -> Program {
        if self.p.steps.is_empty() {
            self.lookup();
        }
        self.p.outputs = vec![self.p.tensors.len() - 1];
        self.p
    }

    fn last(&self) -> usize {
        self.p.tensors.len() - 1
    }

    fn shape(&self) -> Vec<u32> {
        self.p.tensors[self.last()].shape.clone()
    }

    fn quant_of(&self, tensor: usize) -> Quant {
        let TensorDesc { scale, zero_point, .. } = self.p.tensors[tensor];
        Quant { scale, zero_point }
    }

    fn quant(&mut self) -> Quant {
        let zero_point = *[-128, -1, 0, 127, self.rng.random_range(-128..128)].choose(self.rng).unwrap();
        Quant { scale: 0.1, zero_point }
    }

    fn tensor(&mut self, shape: &[u32], Quant { scale, zero_point }: Quant) {
        let (name, shape) = (format!("t{}", self.p.tensors.len()), shape.to_vec());
        self.p.tensors.push(TensorDesc { name, dtype: DType::I8, shape, scale, zero_point, constant: None });
    }

    fn step(&mut self, op: Op, inputs: Vec<usize>, shape: &[u32], quant: Quant) {
        self.tensor(shape, quant);
        self.p.steps.push(StepDesc { op, inputs });
    }

    fn weights(&mut self, len: u32) -> u32 {
        let weights: Vec<i8> = (0..len).map(|_| self.rng.random_range(-127..128) as i8).collect();
        self.p.push_data(&weights)
    }

    /// One layer in three has shifts of every kind; the rest those that networks have.
    fn channels(&mut self, len: u32) -> u32 {
        let is_odd = self.rng.random_bool(0.33);
        let channel = |rng: &mut R| Channel {
            bias: rng.random_range(-20_000..20_000),
            multiplier: rng.random_range(1 << 30..=i32::MAX),
            shift: if is_odd {
                *[-31, -23, -22, -9, -1, 0, 1, 3].choose(rng).unwrap()
            } else {
                rng.random_range(-10..-5)
            },
        };
        let channels: Vec<Channel> = (0..len).map(|_| channel(self.rng)).collect();
        self.p.push_data(&channels)
    }

    fn clamp(&mut self) -> Clamp {
        *[Clamp::NONE, Clamp { min: -128, max: 35 }, Clamp { min: -7, max: 127 }].choose(self.rng).unwrap()
    }

    fn rounding(&mut self) -> Rounding {
        if self.rng.random_bool(0.2) { Rounding::Single } else { Rounding::Double }
    }

    /// Height, width and channels of the last tensor, an image, and its batch.
    fn image(&self) -> [u32; 4] {
        self.shape().try_into().unwrap()
    }

    /// Padding that lets a window with this reach fit: up to less than the reach, and what the image lacks of it.
    fn border(&mut self, [height, width]: [u32; 2], reach: [u32; 2]) -> Border {
        let mut edge = |len: u32, reach: u32| {
            let before = self.rng.random_range(0..reach);
            (before, reach.saturating_sub(len + before).max(self.rng.random_range(0..reach)))
        };
        let ((top, bottom), (left, right)) = (edge(height, reach[0]), edge(width, reach[1]));
        Border { top, bottom, left, right }
    }

    fn any_conv(&mut self, depthwise: bool) {
        let size = *[[1, 1], [3, 3], [3, 3], [2, 5], [1, 3], [5, 5]].choose(self.rng).unwrap();
        let stride = *[[1, 1], [1, 1], [1, 1], [2, 2], [3, 1]].choose(self.rng).unwrap();
        let dilation = *[[1, 1], [1, 1], [1, 1], [2, 1], [2, 2]].choose(self.rng).unwrap();
        let [.., inputs] = self.image();
        if depthwise {
            let multiplier = *[1, 1, 1, 2, 3].choose(self.rng).unwrap();
            self.conv(inputs * multiplier, size, stride, dilation, Some(multiplier));
        } else {
            let outputs = *[1, 2, 3, 4, 7, 8, 16].choose(self.rng).unwrap();
            self.conv(outputs, size, stride, dilation, None);
        }
    }

    /// A convolution; depthwise where there is a multiplier of channels.
    fn conv(&mut self, outputs: u32, size: [u32; 2], stride: [u32; 2], dilation: [u32; 2], multiplier: Option<u32>) {
        let [n, height, width, inputs] = self.image();
        let reach = [0, 1].map(|axis| (size[axis] - 1) * dilation[axis] + 1);
        // Half of the depthwise ones keep the size of the image, so that outputs may lie over inputs.
        let pad = if multiplier.is_some() && self.rng.random_bool(0.5) {
            let [(top, bottom), (left, right)] = reach.map(|reach| (reach / 2, reach / 2));
            Border { top, bottom, left, right }
        } else {
            self.border([height, width], reach)
        };
        let along = |len, before, after, axis: usize| (len + before + after - reach[axis]) / stride[axis] + 1;
        let shape = [n, along(height, pad.top, pad.bottom, 0), along(width, pad.left, pad.right, 1), outputs];
        let taps = size[0] * size[1] * if multiplier.is_some() { 1 } else { inputs };
        let params = ConvParams {
            size,
            stride,
            dilation,
            pad,
            clamp: self.clamp(),
            rounding: self.rounding(),
            layout: Layout::Plain,
            weights: self.weights(taps * outputs),
            channels: self.channels(outputs),
        };
        let op = if multiplier.is_some() { Op::DepthwiseConv2d(params) } else { Op::Conv2d(params) };
        let quant = self.quant();
        self.step(op, vec![self.last()], &shape, quant);
    }

    fn fully_connected(&mut self) {
        let shape = self.shape();
        let (inputs, outputs) = (shape[shape.len() - 1], self.rng.random_range(1..18));
        let params = FullyConnectedParams {
            clamp: self.clamp(),
            rounding: self.rounding(),
            layout: Layout::Plain,
            weights: self.weights(inputs * outputs),
            channels: self.channels(outputs),
        };
        let (rows, quant) = (shape.iter().product::<u32>() / inputs, self.quant());
        self.step(Op::FullyConnected(params), vec![self.last()], &[rows, outputs], quant);
    }

    fn pool(&mut self) {
        let [_, height, width, _] = self.image();
        let size = [self.rng.random_range(1..4), self.rng.random_range(1..4)];
        let stride = [self.rng.random_range(1..3), self.rng.random_range(1..3)];
        let pad = self.border([height, width], size);
        // No window may lie in the padding alone, nor the image be smaller than what is left of it.
        if [pad.top, pad.bottom].iter().any(|&n| n >= size[0]) || [pad.left, pad.right].iter().any(|&n| n >= size[1]) {
            return;
        }
        self.pool_of(size, stride, pad);
    }

    /// A maximum or an average.
    fn pool_of(&mut self, size: [u32; 2], stride: [u32; 2], pad: Border) {
        let [n, height, width, channels] = self.image();
        let along = |len, before, after, axis: usize| (len + before + after - size[axis]) / stride[axis] + 1;
        let shape = [n, along(height, pad.top, pad.bottom, 0), along(width, pad.left, pad.right, 1), channels];
        let params = PoolParams { size, stride, pad, clamp: self.clamp() };
        let op = if self.rng.random_bool(0.5) { Op::MaxPool2d(params) } else { Op::AveragePool2d(params) };
        let quant = self.quant_of(self.last());
        self.step(op, vec![self.last()], &shape, quant);
    }

    /// The last tensor and one before it that `fits`, itself where there is none.
    fn operands(&mut self, fits: impl Fn(&TensorDesc, &TensorDesc) -> bool) -> Vec<usize> {
        let last = &self.p.tensors[self.last()];
        let all: Vec<usize> = (0..=self.last()).filter(|&other| fits(&self.p.tensors[other], last)).collect();
        let other = *all.choose(self.rng).unwrap();
        if self.rng.random_bool(0.5) { vec![self.last(), other] } else { vec![other, self.last()] }
    }

    fn add(&mut self) {
        let inputs = self.operands(|other, last| other.shape == last.shape);
        let (output, clamp) = (Quant { scale: 0.17, ..self.quant() }, self.clamp());
        let params = sum_params([0, 1].map(|input| self.quant_of(inputs[input])), output, clamp).unwrap();
        let shape = self.shape();
        self.step(Op::Add(params), inputs, &shape, output);
    }

    fn mul(&mut self) {
        let inputs = self.operands(|other, last| other.shape == last.shape);
        let scale =
            Scale { multiplier: self.rng.random_range(1 << 30..=i32::MAX), shift: self.rng.random_range(-9..0) };
        let params = MulParams { scale, rounding: self.rounding(), clamp: self.clamp() };
        let (shape, quant) = (self.shape(), self.quant());
        self.step(Op::Mul(params), inputs, &shape, quant);
    }

    fn concat(&mut self) {
        let alike = |a: &TensorDesc, b: &TensorDesc| (a.scale, a.zero_point) == (b.scale, b.zero_point);
        let inputs = self.operands(|other, last| other.shape == last.shape && alike(other, last));
        let (mut shape, quant) = (self.shape(), self.quant_of(self.last()));
        let axis = self.rng.random_range(0..shape.len());
        shape[axis] *= 2;
        self.step(Op::Concat(ConcatParams { axis: axis as u32 }), inputs, &shape, quant);
    }

    fn pad(&mut self) {
        let (mut shape, mut before) = (self.shape(), [0; 6]);
        for (size, before) in shape.iter_mut().zip(&mut before).skip(1) {
            *before = self.rng.random_range(0..2);
            *size += *before + self.rng.random_range(0..2);
        }
        let params = PadParams { before, value: self.rng.random_range(-128..128) };
        let quant = self.quant_of(self.last());
        self.step(Op::Pad(params), vec![self.last()], &shape, quant);
    }

    fn lookup(&mut self) {
        let table: Vec<i8> = (0..256).map(|_| self.rng.random_range(-128..128) as i8).collect();
        let params = LookupParams { function: Function::Other, table: self.p.push_data(&table) };
        let (shape, quant) = (self.shape(), self.quant());
        self.step(Op::Lookup(params), vec![self.last()], &shape, quant);
    }

    /// Height and width change places, but no element does.
    fn reshape(&mut self) {
        let ([n, height, width, channels], quant) = (self.image(), self.quant_of(self.last()));
        self.step(Op::Reshape, vec![self.last()], &[n, width, height, channels], quant);
    }

    fn lstm(&mut self) {
        let [batch, time, inputs] = self.shape().try_into().unwrap();
        let cells = self.rng.random_range(1..20);
        // Factors that keep the gates between saturated and dead.
        let mut scale =
            || Scale { multiplier: self.rng.random_range(1 << 30..=i32::MAX), shift: self.rng.random_range(-6..=1) };
        let (input_scales, recurrent_scales) = ([(); 4].map(|()| scale()), [(); 4].map(|()| scale()));
        let hidden = Scale { shift: -22, ..scale() };
        let biases: Vec<i32> = (0..4 * cells).map(|_| self.rng.random_range(-20_000..20_000)).collect();
        let params = LstmParams {
            layout: Layout::Plain,
            cell_fraction: self.rng.random_range(9..16),
            clip: *[32767, self.rng.random_range(1..32767)].choose(self.rng).unwrap(),
            hidden_offset: self.rng.random_range(-20..20),
            input_scales,
            recurrent_scales,
            hidden,
            input_weights: self.weights(4 * inputs * cells),
            recurrent_weights: self.weights(4 * cells * cells),
            biases: self.p.push_data(&biases),
        };
        let quant = self.quant();
        self.step(Op::Lstm(params), vec![self.last()], &[batch, time, cells], quant);
    }

    fn recurrent(&mut self) {
        let [batch, time, inputs] = self.shape().try_into().unwrap();
        let cells = self.rng.random_range(1..20);
        let cell = *[Cell::Elman, Cell::Lstm, Cell::Gru, Cell::GruResetBefore].choose(self.rng).unwrap();
        let rows = cells * cell.gates() as u32;
        let mut gates = || {
            let channel = |rng: &mut R| Channel {
                bias: rng.random_range(-20_000..20_000),
                multiplier: rng.random_range(1 << 30..=i32::MAX),
                shift: rng.random_range(-4..1),
            };
            let channels: Vec<Channel> = (0..rows).map(|_| channel(self.rng)).collect();
            self.p.push_data(&channels)
        };
        let (input_channels, recurrent_channels) = (gates(), gates());
        let params = RecurrentParams {
            layout: Layout::Plain,
            cell,
            reverse: self.rng.random_range(0..2),
            memory_fraction: self.rng.random_range(9..16),
            input_weights: self.weights(inputs * rows),
            recurrent_weights: self.weights(cells * rows),
            input_channels,
            recurrent_channels,
        };
        let quant = Quant { scale: 1.0 / 128.0, zero_point: 0 };
        self.step(Op::Recurrent(params), vec![self.last()], &[batch, time, cells], quant);
    }
}
