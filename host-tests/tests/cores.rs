//! The kernels that cores have of their own against the portable ones here, which are compared with dull references: random
//! chains of convolutions over odd shapes, paddings, zero points, clamps and every kind of shift.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use thumbnet::fixed::Rounding;
use thumbnet::format::{Border, ConvParams, DType, Op};
use thumbnet::kernels::{Channel, Clamp, Layout};
use thumbnet_trainer::compile::{Family, Optimize, Program, StepDesc, TensorDesc, compile, pack, transform};
use thumbnet_trainer::run::{Target, run};
use thumbnet_trainer::verify::random_inputs;

/// Chains of a pointwise, a depthwise and a full convolution, so that outputs grow into inputs.
fn chain(rng: &mut StdRng) -> Program {
    // One image in four is so wide that a depthwise convolution sees it in bands.
    let [height, width] = if rng.random_bool(0.25) { [5, 45] } else { [11, 9] }.map(|most| rng.random_range(1..=most));
    let shape = [1, height, width, rng.random_range(1..10)];
    let mut p = Program { name: "chain".into(), inputs: 1, gain: vec![1.0], offset: vec![0.0], ..Program::default() };
    p.tensors.push(tensor(rng, 0, shape));
    let channels = *[16, 32, 4 * rng.random_range(1..5), 4 * rng.random_range(1..5) + 1].choose(rng).unwrap();
    let shape = conv(rng, &mut p, shape, channels, [1, 1], [1, 1], false);
    let stride = *[[1, 1], [1, 1], [2, 2], [2, 1]].choose(rng).unwrap();
    let size = *[[3, 3], [3, 3], [5, 5], [2, 5]].choose(rng).unwrap();
    let shape = conv(rng, &mut p, shape, channels, size, stride, true);
    let (outputs, size) = (rng.random_range(1..9), [rng.random_range(1..4), rng.random_range(1..4)]);
    conv(rng, &mut p, shape, outputs, size, [1, 1], false);
    p.outputs = vec![3];
    p
}

fn tensor(rng: &mut StdRng, number: usize, shape: [u32; 4]) -> TensorDesc {
    let zero_point = *[-128, -1, 0, 127, rng.random_range(-128..128)].choose(rng).unwrap();
    TensorDesc {
        name: format!("t{number}"),
        dtype: DType::I8,
        shape: shape.into(),
        scale: 0.1,
        zero_point,
        constant: None,
    }
}

fn conv(
    rng: &mut StdRng,
    p: &mut Program,
    [n, height, width, inputs]: [u32; 4],
    outputs: u32,
    size: [u32; 2],
    stride: [u32; 2],
    depthwise: bool,
) -> [u32; 4] {
    // Half of the depthwise ones keep the size of the image, so that outputs may lie over inputs.
    let keeps_size = depthwise && rng.random_bool(0.5);
    let mut edge = |len: u32, size: u32| {
        if keeps_size {
            return (size / 2, size / 2);
        }
        let before = rng.random_range(0..size);
        (before, size.saturating_sub(len + before).max(rng.random_range(0..size)))
    };
    let ((top, bottom), (left, right)) = (edge(height, size[0]), edge(width, size[1]));
    let out = |len, before, after, axis: usize| (len + before + after - size[axis]) / stride[axis] + 1;
    let shape = [n, out(height, top, bottom, 0), out(width, left, right, 1), outputs];
    let taps = size[0] * size[1] * if depthwise { 1 } else { inputs };
    let weights: Vec<i8> = (0..taps * outputs).map(|_| rng.random_range(-127..128) as i8).collect();
    // One layer in three has shifts of every kind; the rest those that networks have.
    let is_odd = rng.random_bool(0.33);
    let channels: Vec<Channel> = (0..outputs)
        .map(|_| Channel {
            bias: rng.random_range(-20_000..20_000),
            multiplier: rng.random_range(1 << 30..=i32::MAX),
            shift: if is_odd {
                *[-31, -23, -22, -9, -1, 0, 1, 3].choose(rng).unwrap()
            } else {
                rng.random_range(-10..-5)
            },
        })
        .collect();
    let clamp = *[Clamp::NONE, Clamp { min: -128, max: 35 }, Clamp { min: -7, max: 127 }].choose(rng).unwrap();
    let params = ConvParams {
        size,
        stride,
        dilation: [1, 1],
        pad: Border { top, bottom, left, right },
        clamp,
        rounding: Rounding::Double,
        layout: Layout::Plain,
        weights: p.push_data(&weights),
        channels: p.push_data(&channels),
    };
    let input = p.tensors.len() - 1;
    let output = tensor(rng, input + 1, shape);
    p.tensors.push(output);
    let op = if depthwise { Op::DepthwiseConv2d(params) } else { Op::Conv2d(params) };
    p.steps.push(StepDesc { op, inputs: vec![input] });
    shape
}

#[test]
fn convolutions_are_the_same_on_every_core() {
    let mut rng = StdRng::seed_from_u64(7);
    let mut packed = 0;
    for number in 0..160 {
        let mut program = chain(&mut rng);
        let inputs = random_inputs(&program, 2);
        let mut model = compile(&program, &inputs).unwrap_or_else(|error| panic!("chain {number}: {error:#}")).bytes;
        let target =
            [Target::M4, Target::M55, Target::M7, Target::M3, Target::M4, Target::M55, Target::M33, Target::M0]
                [number % 8];
        let (expected, _) = run(&model, &inputs.concat(), Target::Host).unwrap();
        // Every other round of the cores has the weights of those with the DSP extension.
        if number / 8 % 2 == 1 {
            if number % 16 >= 12 {
                transform(&mut program, Optimize::Speed, None);
            }
            pack(&mut program, Family::Dsp);
            packed += program.steps.iter().filter(|step| is_packed(&step.op)).count();
            model = compile(&program, &inputs).unwrap_or_else(|error| panic!("chain {number}: {error:#}")).bytes;
            assert_eq!(run(&model, &inputs.concat(), Target::Host).unwrap().0, expected, "chain {number}, packed");
        }
        let found = run(&model, &inputs.concat(), target);
        let (found, _) = found.unwrap_or_else(|error| panic!("chain {number} on {target}: {error:#}\n{program:?}"));
        assert_eq!(found, expected, "chain {number} on {target}: {:?}", program.steps);
    }
    assert!(packed > 50, "only {packed} convolutions had packed weights");
}

fn is_packed(op: &Op) -> bool {
    matches!(op, Op::Conv2d(p) if p.layout != Layout::Plain)
}
