//! What every kernel costs, in instructions on emulated cores, against the snapshot `instructions.txt`: no count may grow by
//! more than 2 %. `THUMBNET_BLESS=1` writes the snapshot anew.
//!
//! Instructions are the same on every host, so this is not a timed test; a compiler of another version may need a new
//! snapshot, which is why the toolchain is pinned.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use thumbnet::fixed::Rounding;
use thumbnet::format::{
    Border, Cell, ConvParams, DType, FullyConnectedParams, LstmParams, MulParams, Op, PoolParams, RecurrentParams,
};
use thumbnet::kernels::{Channel, Clamp, Layout, Scale};
use thumbnet_host_tests::peers::beside_peers;
use thumbnet_host_tests::run_where_it_fits;
use thumbnet_trainer::compile::{Family, Program, StepDesc, TensorDesc, compile, pack};
use thumbnet_trainer::quantize::{PROBABILITY, Quant, softmax_params, sum_params};
use thumbnet_trainer::run::{Target, run};
use thumbnet_trainer::verify::random_inputs;

const CORES: [Target; 4] = [Target::M0, Target::M3, Target::M4, Target::M55];

/// A program of one step.
struct Kernel {
    p: Program,
    rng: StdRng,
}

impl Kernel {
    fn new(inputs: &[&[u32]]) -> Self {
        let p = Program { name: "kernel".into(), gain: vec![1.0], offset: vec![0.0], ..Program::default() };
        let mut kernel = Self { p, rng: StdRng::seed_from_u64(1) };
        inputs.iter().for_each(|shape| kernel.tensor(shape, Quant { scale: 0.1, zero_point: -3 }));
        kernel.p.inputs = inputs.len();
        kernel
    }

    fn tensor(&mut self, shape: &[u32], quant: Quant) {
        let Quant { scale, zero_point } = quant;
        let (name, shape) = (format!("t{}", self.p.tensors.len()), shape.to_vec());
        self.p.tensors.push(TensorDesc { name, dtype: DType::I8, shape, scale, zero_point, constant: None });
    }

    fn bytes(&mut self, len: u32) -> u32 {
        let bytes: Vec<i8> = (0..len).map(|_| self.rng.random_range(-127..=127)).collect();
        self.p.push_data(&bytes)
    }

    fn channels(&mut self, len: u32) -> u32 {
        let channel = |rng: &mut StdRng| Channel {
            bias: rng.random_range(-2000..2000),
            multiplier: rng.random_range(1 << 30..i32::MAX),
            shift: rng.random_range(-10..-6),
        };
        let channels: Vec<Channel> = (0..len).map(|_| channel(&mut self.rng)).collect();
        self.p.push_data(&channels)
    }

    fn step(mut self, op: Op, output: &[u32], quant: Quant) -> Program {
        self.tensor(output, quant);
        self.p.steps.push(StepDesc { op, inputs: (0..self.p.inputs).collect() });
        self.p.outputs = vec![self.p.inputs];
        self.p
    }
}

const OUTPUT: Quant = Quant { scale: 0.1, zero_point: -128 };

/// A convolution that keeps the size of the image, but for the stride.
fn conv(shape: [u32; 4], outputs: u32, size: [u32; 2], stride: u32, depthwise: bool) -> Program {
    let mut kernel = Kernel::new(&[&shape]);
    let [n, height, width, inputs] = shape;
    let total = |len: u32, size: u32| ((len.div_ceil(stride) - 1) * stride + size).saturating_sub(len);
    let (down, across) = (total(height, size[0]), total(width, size[1]));
    let pad = Border { top: down / 2, bottom: down - down / 2, left: across / 2, right: across - across / 2 };
    let params = ConvParams {
        size,
        stride: [stride; 2],
        dilation: [1, 1],
        pad,
        clamp: Clamp::NONE,
        rounding: Rounding::Double,
        layout: Layout::Plain,
        weights: kernel.bytes(size[0] * size[1] * outputs * if depthwise { 1 } else { inputs }),
        channels: kernel.channels(outputs),
    };
    let op = if depthwise { Op::DepthwiseConv2d(params) } else { Op::Conv2d(params) };
    kernel.step(op, &[n, height.div_ceil(stride), width.div_ceil(stride), outputs], OUTPUT)
}

fn fully_connected(inputs: u32, outputs: u32) -> Program {
    let mut kernel = Kernel::new(&[&[1, inputs]]);
    let params = FullyConnectedParams {
        clamp: Clamp::NONE,
        rounding: Rounding::Single,
        layout: Layout::Plain,
        weights: kernel.bytes(inputs * outputs),
        channels: kernel.channels(outputs),
    };
    kernel.step(Op::FullyConnected(params), &[1, outputs], OUTPUT)
}

fn lstm(time: u32, inputs: u32, cells: u32) -> Program {
    let mut kernel = Kernel::new(&[&[1, time, inputs]]);
    let scale = Scale { multiplier: 1_500_000_000, shift: -4 };
    let biases: Vec<i32> = (0..4 * cells).map(|_| kernel.rng.random_range(-2000..2000)).collect();
    let params = LstmParams {
        cell_fraction: 11,
        clip: 32767,
        hidden_offset: 0,
        input_scales: [scale; 4],
        recurrent_scales: [scale; 4],
        hidden: Scale { multiplier: 1 << 30, shift: -21 },
        layout: Layout::Plain,
        input_weights: kernel.bytes(4 * inputs * cells),
        recurrent_weights: kernel.bytes(4 * cells * cells),
        biases: kernel.p.push_data(&biases),
    };
    kernel.step(Op::Lstm(params), &[1, time, cells], Quant { scale: 1.0 / 128.0, zero_point: 0 })
}

fn gru(time: u32, inputs: u32, cells: u32) -> Program {
    let mut kernel = Kernel::new(&[&[1, time, inputs]]);
    let params = RecurrentParams {
        cell: Cell::Gru,
        reverse: 0,
        memory_fraction: 15,
        layout: Layout::Plain,
        input_weights: kernel.bytes(3 * inputs * cells),
        recurrent_weights: kernel.bytes(3 * cells * cells),
        input_channels: kernel.channels(3 * cells),
        recurrent_channels: kernel.channels(3 * cells),
    };
    kernel.step(Op::Recurrent(params), &[1, time, cells], Quant { scale: 1.0 / 128.0, zero_point: 0 })
}

fn softmax(len: u32) -> Program {
    let mut kernel = Kernel::new(&[&[1, len]]);
    let params = kernel.p.with_exponentials(softmax_params(0.1).unwrap());
    kernel.step(Op::Softmax(params), &[1, len], PROBABILITY)
}

fn add(shape: [u32; 4]) -> Program {
    let [a, output] = [0.1, 0.17].map(|scale| Quant { scale, zero_point: -3 });
    let params = sum_params([a, a], output, Clamp::NONE).unwrap();
    Kernel::new(&[&shape, &shape]).step(Op::Add(params), &shape, output)
}

fn mul(shape: [u32; 4]) -> Program {
    let (scale, rounding, clamp) = (Scale { multiplier: 1_500_000_000, shift: -3 }, Rounding::Double, Clamp::NONE);
    let output = Quant { scale: 0.17, zero_point: -3 };
    Kernel::new(&[&shape, &shape]).step(Op::Mul(MulParams { scale, rounding, clamp }), &shape, output)
}

/// A pool whose windows lie side by side.
fn pool(op: fn(PoolParams) -> Op, [n, height, width, channels]: [u32; 4], size: [u32; 2]) -> Program {
    let pad = Border { top: 0, bottom: 0, left: 0, right: 0 };
    let params = PoolParams { size, stride: size, pad, clamp: Clamp::NONE };
    let output = [n, height / size[0], width / size[1], channels];
    Kernel::new(&[&[n, height, width, channels]]).step(op(params), &output, Quant { scale: 0.1, zero_point: -3 })
}

fn kernels() -> Vec<(&'static str, Program)> {
    vec![
        ("pointwise 25x5 64-64", conv([1, 25, 5, 64], 64, [1, 1], 1, false)),
        ("pointwise 48x48 8-16", conv([1, 48, 48, 8], 16, [1, 1], 1, false)),
        ("conv 3x3 16x16 32-32", conv([1, 16, 16, 32], 32, [3, 3], 1, false)),
        ("conv 3x3 32x32 3-16", conv([1, 32, 32, 3], 16, [3, 3], 1, false)),
        ("depthwise 3x3 25x5 64", conv([1, 25, 5, 64], 64, [3, 3], 1, true)),
        ("depthwise 3x3 /2 48x48 16", conv([1, 48, 48, 16], 16, [3, 3], 2, true)),
        ("depthwise 5x5 16x16 32", conv([1, 16, 16, 32], 32, [5, 5], 1, true)),
        ("fully connected 640-128", fully_connected(640, 128)),
        ("fully connected 16-16", fully_connected(16, 16)),
        ("fully connected 4000-4", fully_connected(4000, 4)),
        ("lstm 64 x 32-64", lstm(64, 32, 64)),
        ("gru 100 x 24-72", gru(100, 24, 72)),
        ("gru 1 x 24-72", gru(1, 24, 72)),
        ("softmax 12", softmax(12)),
        ("add 16x16x32", add([1, 16, 16, 32])),
        ("mul 16x16x32", mul([1, 16, 16, 32])),
        ("max pool 2x2 16x16 32", pool(Op::MaxPool2d, [1, 16, 16, 32], [2, 2])),
        ("average pool 2x2 16x16 32", pool(Op::AveragePool2d, [1, 16, 16, 32], [2, 2])),
        ("average pool 25x5 64", pool(Op::AveragePool2d, [1, 25, 5, 64], [25, 5])),
    ]
}

/// Instructions of the step alone, by kernel and core; none where it does not fit.
fn measured() -> BTreeMap<(String, String), u64> {
    let mut counts = BTreeMap::new();
    for (name, program) in kernels() {
        let input = random_inputs(&program, 1);
        let plain = compile(&program, &[]).unwrap().bytes;
        let mut packed = program.clone();
        pack(&mut packed, Family::Dsp);
        let packed = compile(&packed, &[]).unwrap().bytes;
        let (expected, _) = run(&plain, &input[0], Target::Host).unwrap();
        for core in CORES {
            // Each core has the weights as its family reads them best.
            let model = if core == Target::M4 { &packed } else { &plain };
            let Some((found, report)) = run_where_it_fits(name, model, &input[0], core) else { continue };
            assert_eq!(found, expected, "{name} on {core}");
            counts.insert((name.to_owned(), core.to_string()), report.steps[0].instructions.unwrap());
        }
    }
    counts
}

fn table(counts: &BTreeMap<(String, String), u64>) -> String {
    let mut text = String::from("kernel                     core  instructions  per MAC or output\n");
    for (name, program) in kernels() {
        let outputs = program.tensors.last().unwrap().shape.iter().product::<u32>();
        let work = if program.macs() > 0 { program.macs() } else { outputs.into() };
        for core in CORES {
            if let Some(&count) = counts.get(&(name.to_owned(), core.to_string())) {
                writeln!(text, "{name:26} {core:4}  {count:12}  {:17.2}", count as f64 / work as f64).unwrap();
            }
        }
    }
    text
}

/// Name, core and count of every line of a table.
fn parsed(text: &str) -> Vec<(String, String, u64)> {
    let line = |line: &str| {
        let (name, rest) = line.split_at(26);
        let mut columns = rest.split_whitespace();
        (name.trim().to_owned(), columns.next().unwrap().to_owned(), columns.next().unwrap().parse().unwrap())
    };
    text.lines().skip(1).map(line).collect()
}

#[test]
fn no_kernel_became_slower() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.txt");
    let counts = measured();
    let now = table(&counts);
    println!("{}", beside_peers(&now));
    if std::env::var_os("THUMBNET_BLESS").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let snapshot = parsed(&fs::read_to_string(&path).unwrap());
    assert_eq!(
        snapshot.len(),
        counts.len(),
        "the snapshot has other kernels or cores: THUMBNET_BLESS=1 writes it anew"
    );
    let slower = snapshot.iter().filter_map(|(name, core, before)| {
        let now = counts[&(name.clone(), core.clone())];
        (now * 100 > before * 102).then(|| format!("{name} on {core}: {before} instructions before, {now} now"))
    });
    let slower: Vec<String> = slower.collect();
    assert!(slower.is_empty(), "{}", slower.join("\n"));
}
