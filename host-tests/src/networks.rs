//! Random networks of convolutions and pools, for passes of the compiler that must not change a bit.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt, SeedableRng};
use thumbnet::fixed::Rounding;
use thumbnet::format::{Border, ConvParams, DType, FullyConnectedParams, Function, LookupParams, Op, PoolParams};
use thumbnet::kernels::{Channel, Clamp, Layout};
use thumbnet_trainer::compile::{Program, StepDesc, TensorDesc, compile};
use thumbnet_trainer::quantize::{Quant, sum_params};
use thumbnet_trainer::run::{Target, run};
use thumbnet_trainer::verify::random_inputs;

/// A network as it grows.
pub struct Network {
    /// The program so far; its output is the last tensor.
    pub program: Program,
    rng: StdRng,
    /// Share of output channels without weights, and of input channels that no output weighs.
    dead: f64,
}

impl Network {
    /// A network of this input. `dead` is the share of channels without weights.
    #[must_use]
    pub fn new(seed: u64, shape: [u32; 4], dead: f64) -> Self {
        let program =
            Program { name: "network".into(), gain: vec![1.0], offset: vec![0.0], inputs: 1, ..Program::default() };
        let mut network = Self { program, rng: StdRng::seed_from_u64(seed), dead };
        network.tensor(shape.into());
        network
    }

    /// A random number.
    pub fn rng(&mut self) -> &mut impl Rng {
        &mut self.rng
    }

    /// The shape of the last tensor.
    #[must_use]
    pub fn shape(&self) -> [u32; 4] {
        let shape = &self.program.tensors[self.program.tensors.len() - 1].shape;
        <[u32; 4]>::try_from(shape.as_slice()).unwrap_or([1, 1, 1, shape[1]])
    }

    fn tensor(&mut self, shape: Vec<u32>) {
        let zero_point = *[-128, -3, 0, 127].choose(&mut self.rng).unwrap();
        let name = format!("t{}", self.program.tensors.len());
        self.program.tensors.push(TensorDesc { name, dtype: DType::I8, shape, scale: 0.1, zero_point, constant: None });
    }

    fn step(&mut self, op: Op, inputs: Vec<usize>, shape: Vec<u32>) {
        self.tensor(shape);
        self.program.steps.push(StepDesc { op, inputs });
        self.program.outputs = vec![self.program.tensors.len() - 1];
    }

    /// `[out][tap][in]`, some outputs and some inputs without any.
    fn weights(&mut self, [outputs, taps, inputs]: [u32; 3]) -> Vec<i8> {
        let [dead_out, dead_in] =
            [outputs, inputs].map(|count| (0..count).map(|_| self.rng.random_bool(self.dead)).collect::<Vec<_>>());
        let mut all = Vec::new();
        for output in 0..outputs {
            for place in 0..taps * inputs {
                let is_dead = dead_out[output as usize] || (inputs > 1 && dead_in[(place % inputs) as usize]);
                all.push(if is_dead { 0 } else { self.rng.random_range(-127..=127) });
            }
        }
        all
    }

    fn channels(&mut self, count: u32) -> u32 {
        let channels: Vec<Channel> = (0..count)
            .map(|_| Channel {
                bias: self.rng.random_range(-9_000..9_000),
                multiplier: self.rng.random_range(1 << 30..=i32::MAX),
                shift: self.rng.random_range(-10..-5),
            })
            .collect();
        self.program.push_data(&channels)
    }

    fn clamp(&mut self) -> Clamp {
        *[Clamp::NONE, Clamp { min: -128, max: 35 }, Clamp { min: -7, max: 127 }].choose(&mut self.rng).unwrap()
    }

    /// Padding that leaves the image as large as it is, but for the stride; now and then none.
    fn pad(&mut self, [_, height, width, _]: [u32; 4], size: [u32; 2], stride: u32) -> (Border, [u32; 2]) {
        let fits = height >= size[0] && width >= size[1];
        if fits && self.rng.random_bool(0.3) {
            let out = |len, size| (len - size) / stride + 1;
            return (Border { top: 0, bottom: 0, left: 0, right: 0 }, [out(height, size[0]), out(width, size[1])]);
        }
        let total = |len: u32, size: u32| ((len.div_ceil(stride) - 1) * stride + size).saturating_sub(len);
        let (down, across) = (total(height, size[0]), total(width, size[1]));
        let pad = Border { top: down / 2, bottom: down - down / 2, left: across / 2, right: across - across / 2 };
        (pad, [height.div_ceil(stride), width.div_ceil(stride)])
    }

    /// A convolution of the last tensor, depthwise where it has as many outputs as `None`.
    pub fn conv(&mut self, outputs: Option<u32>, size: [u32; 2], stride: u32) -> &mut Self {
        let shape = self.shape();
        let (pad, [height, width]) = self.pad(shape, size, stride);
        let (taps, channels) = (size[0] * size[1], outputs.unwrap_or(shape[3]));
        let mut weights = self.weights([channels, taps, if outputs.is_some() { shape[3] } else { 1 }]);
        if outputs.is_none() {
            let at = |place: usize| weights[place % channels as usize * taps as usize + place / channels as usize];
            weights = (0..weights.len()).map(at).collect();
        }
        let params = ConvParams {
            size,
            stride: [stride; 2],
            dilation: [1, 1],
            pad,
            clamp: self.clamp(),
            rounding: Rounding::Double,
            layout: Layout::Plain,
            weights: self.program.push_data(&weights),
            channels: self.channels(channels),
        };
        let op = if outputs.is_some() { Op::Conv2d(params) } else { Op::DepthwiseConv2d(params) };
        self.step(op, vec![self.program.tensors.len() - 1], vec![1, height, width, channels]);
        self
    }

    /// A pool of the last tensor.
    pub fn pool(&mut self, max: bool) -> &mut Self {
        let shape = self.shape();
        let (pad, [height, width]) = self.pad(shape, [2, 2], 2);
        let params = PoolParams { size: [2, 2], stride: [2, 2], pad, clamp: self.clamp() };
        let last = self.program.tensors.len() - 1;
        self.step(
            if max { Op::MaxPool2d(params) } else { Op::AveragePool2d(params) },
            vec![last],
            vec![1, height, width, shape[3]],
        );
        let zero_point = self.program.tensors[last].zero_point;
        self.program.tensors[last + 1].zero_point = zero_point;
        self
    }

    /// A table of the last tensor.
    pub fn lookup(&mut self) -> &mut Self {
        let table: [i8; 256] = std::array::from_fn(|i| (i as u8).wrapping_mul(73) as i8);
        let table = self.program.push_data(&table);
        let (last, shape) = (self.program.tensors.len() - 1, self.shape());
        self.step(Op::Lookup(LookupParams { function: Function::Other, table }), vec![last], shape.into());
        self
    }

    /// The sum of the last tensor and an earlier one of its shape, where there is one.
    pub fn add(&mut self) -> &mut Self {
        let last = self.program.tensors.len() - 1;
        let is_alike = |&other: &usize| self.program.tensors[other].shape == self.program.tensors[last].shape;
        if let Some(other) = (0..last).rev().find(is_alike) {
            let [a, b] = [other, last].map(|t| Quant { scale: 0.1, zero_point: self.program.tensors[t].zero_point });
            let output = Quant { scale: 0.17, zero_point: 5 };
            let params = sum_params([a, b], output, Clamp::NONE).unwrap();
            self.step(Op::Add(params), vec![other, last], self.program.tensors[last].shape.clone());
            self.program.tensors[last + 1].zero_point = 5;
        }
        self
    }

    /// A fully connected layer of all that the last tensor has.
    pub fn dense(&mut self, outputs: u32) -> &mut Self {
        let inputs = self.shape().iter().product();
        let last = self.program.tensors.len() - 1;
        let zero_point = self.program.tensors[last].zero_point;
        self.step(Op::Reshape, vec![last], vec![1, inputs]);
        self.program.tensors[last + 1].zero_point = zero_point;
        let params = FullyConnectedParams {
            clamp: self.clamp(),
            rounding: Rounding::Single,
            layout: Layout::Plain,
            weights: 0,
            channels: self.channels(outputs),
        };
        let weights = self.weights([outputs, 1, inputs]);
        let params = FullyConnectedParams { weights: self.program.push_data(&weights), ..params };
        self.step(Op::FullyConnected(params), vec![last + 1], vec![1, outputs]);
        self
    }
}

/// A few layers of any kind, and now and then a fully connected one.
#[must_use]
pub fn network(seed: u64, dead: f64) -> Program {
    let mut rng = StdRng::seed_from_u64(!seed);
    let shape = [1, rng.random_range(8..40), rng.random_range(1..9), 4 * rng.random_range(1..3)];
    let mut network = Network::new(seed, shape, dead);
    for _ in 0..rng.random_range(2..7) {
        match rng.random_range(0..9) {
            0..3 => {
                let outputs = *[4, 8, 16, 24, 7].choose(&mut rng).unwrap();
                let size = *[[1, 1], [3, 3], [5, 2]].choose(&mut rng).unwrap();
                network.conv(Some(outputs), size, rng.random_range(1..3));
            }
            3..5 => _ = network.conv(None, *[[3, 3], [3, 3], [2, 1]].choose(&mut rng).unwrap(), 1),
            5 => _ = network.pool(rng.random()),
            6 => _ = network.lookup(),
            _ => _ = network.add(),
        }
    }
    if network.program.steps.is_empty() {
        network.lookup();
    }
    if rng.random() {
        network.dense(3).dense(2);
    }
    network.program
}

/// The outputs of some random inputs, here or on a core.
///
/// # Panics
/// The program does not compile or run.
#[must_use]
pub fn answers(program: &Program, target: Target) -> Vec<u8> {
    let inputs = random_inputs(program, 3);
    let bytes = compile(program, &inputs[..1]).unwrap_or_else(|error| panic!("{error:#}: {program:?}")).bytes;
    run(&bytes, &inputs.concat(), target).unwrap_or_else(|error| panic!("{error:#}: {program:?}")).0
}
