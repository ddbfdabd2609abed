//! Every accumulator of 15 bits, around a border between two outputs, at every shift and at the multipliers' edges: what each
//! core makes of it in its convolutions, depthwise convolutions and fully connected layers, against this machine, whose
//! primitives are tested exhaustively in `runtime/tests/exhaustive.rs`.
//!
//! The accumulator is `bias + x + 127·z` with all 256 values of `x` and of `z`: no number is left out.

use std::ops::RangeInclusive;

use thumbnet::fixed::Rounding;
use thumbnet::format::{Border, ConvParams, DType, FullyConnectedParams, Op};
use thumbnet::kernels::{Channel, Clamp, Layout};
use thumbnet_host_tests::graphs::layouts;
use thumbnet_trainer::compile::{Program, StepDesc, TensorDesc, compile};
use thumbnet_trainer::run::{Target, run};

/// Values of `z` in one inference: every second one, from −128 or from −127.
const ROWS: u32 = 128;

const WEIGHTS: [i8; 2] = [1, 127];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kernel {
    Conv,
    Depthwise,
    FullyConnected,
}

/// Whether to take every shift, multiplier and core.
fn is_full() -> bool {
    std::env::var_os("THUMBNET_FULL").is_some()
}

/// A channel for every shift, multiplier and number of a border, which it has in the middle of its accumulators.
fn channels(shifts: RangeInclusive<i32>) -> Vec<Channel> {
    let channel = |shift: i32, multiplier: i32, border: i32| {
        let middle = (f64::from(border) + 0.5) * 2f64.powi(31 - shift) / f64::from(multiplier);
        // Accumulators stay below 2^30, also when they are shifted to the left.
        let most = f64::from((1 << 30 >> shift.max(0)) - (1 << 15));
        Channel { bias: middle.round().clamp(-most, most) as i32, multiplier, shift }
    };
    let multipliers: &[i32] = if is_full() { &[1 << 30, 0x6aaa_aaab, i32::MAX] } else { &[0x6aaa_aaab] };
    let borders: &[i32] = if is_full() { &[-1, 0, 77, -100] } else { &[0, -100] };
    shifts
        .flat_map(|shift| multipliers.iter().map(move |&multiplier| (shift, multiplier)))
        .flat_map(|(shift, multiplier)| borders.iter().map(move |&border| channel(shift, multiplier, border)))
        .collect()
}

fn program(kernel: Kernel, rounding: Rounding, channels: &[Channel]) -> Program {
    let outputs = channels.len() as u32;
    let mut p = Program { name: "k".into(), inputs: 1, gain: vec![1.0], offset: vec![0.0], ..Program::default() };
    let weights: Vec<i8> = match kernel {
        // `[tap][channel]`, the others `[channel][tap]`.
        Kernel::Depthwise => WEIGHTS.into_iter().flat_map(|w| vec![w; channels.len()]).collect(),
        Kernel::Conv | Kernel::FullyConnected => channels.iter().flat_map(|_| WEIGHTS).collect(),
    };
    let (weights, channels) = (p.push_data(&weights), p.push_data(channels));
    let (clamp, layout) = (Clamp::NONE, Layout::Plain);
    let conv = |size: [u32; 2]| ConvParams {
        size,
        stride: size,
        dilation: [1, 1],
        pad: Border { top: 0, bottom: 0, left: 0, right: 0 },
        clamp,
        rounding,
        layout,
        weights,
        channels,
    };
    let (op, input, output) = match kernel {
        Kernel::Conv => (Op::Conv2d(conv([1, 1])), vec![1, ROWS, 256, 2], vec![1, ROWS, 256, outputs]),
        Kernel::Depthwise => {
            (Op::DepthwiseConv2d(conv([2, 1])), vec![1, 2 * ROWS, 256, outputs], vec![1, ROWS, 256, outputs])
        }
        Kernel::FullyConnected => {
            let params = FullyConnectedParams { clamp, rounding, layout, weights, channels };
            (Op::FullyConnected(params), vec![ROWS * 256, 2], vec![ROWS * 256, outputs])
        }
    };
    for (name, shape) in [("x", input), ("y", output)] {
        p.tensors.push(TensorDesc {
            name: name.into(),
            dtype: DType::I8,
            shape,
            scale: 0.1,
            zero_point: 0,
            constant: None,
        });
    }
    p.steps.push(StepDesc { op, inputs: vec![0] });
    p.outputs = vec![1];
    p
}

/// Both inferences: `x` runs through the columns, `z` through the rows.
fn inputs(kernel: Kernel, outputs: usize) -> Vec<u8> {
    let row = |z: i8| -> Vec<i8> {
        match kernel {
            Kernel::Depthwise => {
                let x = (i8::MIN..=i8::MAX).flat_map(|x| vec![x; outputs]);
                x.chain(std::iter::repeat_n(z, 256 * outputs)).collect()
            }
            Kernel::Conv | Kernel::FullyConnected => (i8::MIN..=i8::MAX).flat_map(|x| [x, z]).collect(),
        }
    };
    let first = (i8::MIN..=i8::MAX).step_by(2).flat_map(row);
    let all: Vec<i8> = first.chain((-127..=i8::MAX).step_by(2).flat_map(row)).collect();
    bytemuck::cast_slice(&all).to_vec()
}

#[test]
fn every_accumulator_of_15_bits_is_rounded_alike_on_every_core() {
    let cores: &[Target] = if is_full() { &[Target::M3, Target::M4, Target::M33, Target::M55] } else { &[Target::M4] };
    // Those that networks have, which every layout takes, and the rest.
    let shifts = if is_full() { vec![-22..=-1, -31..=-23, 0..=4] } else { vec![-14..=-4, -31..=-30, 0..=2] };
    let mut runs = 0;
    for (kernel, at_once) in [(Kernel::Conv, 8), (Kernel::Depthwise, 4), (Kernel::FullyConnected, 8)] {
        for rounding in [Rounding::Double, Rounding::Single] {
            for channels in shifts
                .iter()
                .flat_map(|shifts| channels(shifts.clone()).chunks(at_once).map(<[_]>::to_vec).collect::<Vec<_>>())
            {
                let plain = program(kernel, rounding, &channels);
                let inputs = inputs(kernel, channels.len());
                let host = compile(&plain, &[]).unwrap().bytes;
                let (expected, _) = run(&host, &inputs, Target::Host).unwrap();
                for (layout, program) in layouts(&plain) {
                    let model = compile(&program, &[]).unwrap().bytes;
                    for &core in cores.iter().filter(|&&core| !(core == Target::M55 && kernel == Kernel::Depthwise)) {
                        let (found, _) = run(&model, &inputs, core).unwrap();
                        let differing = found.iter().zip(&expected).position(|(found, expected)| found != expected);
                        assert!(
                            differing.is_none(),
                            "{kernel:?} in {layout}, {rounding:?}, on {core}: output {differing:?} of {channels:?}"
                        );
                        runs += 1;
                    }
                }
            }
        }
    }
    println!("{runs} runs of {} accumulators a channel", 2 * ROWS * 256);
}
