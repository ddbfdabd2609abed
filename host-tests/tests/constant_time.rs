//! The number of instructions that a step takes is the same for every input, on every core, for the operators that claim it
//! ([`thumbnet::format::Step::timing`]).

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use thumbnet::format::{DType, Tensor};
use thumbnet::{Model, Timing};
use thumbnet_host_tests::graphs::{chain, graph, layouts};
use thumbnet_host_tests::seeds::seeds;
use thumbnet_trainer::compile::{aligned, compile};
use thumbnet_trainer::run::{Target, run};

/// Inputs that kernels with a branch on data would treat differently: random, constant, extreme, alternating, sparse.
fn inputs(model: &Model<'_>) -> Vec<u8> {
    let mut rng = StdRng::seed_from_u64(3);
    let tensors: Vec<Tensor> = (0..model.input_count()).map(|index| model.input(index).unwrap()).collect();
    (0..12).flat_map(|case| tensors.iter().flat_map(|t| values(t, case, &mut rng)).collect::<Vec<u8>>()).collect()
}

/// One tensor of one case, in its bytes.
fn values(tensor: &Tensor, case: usize, rng: &mut StdRng) -> Vec<u8> {
    let (len, zero) = (tensor.elements().unwrap() as usize, tensor.zero_point);
    // From −1 to 1, of the whole range of the type.
    let mut unit = |at: usize| -> f64 {
        match case {
            0 => -1.0,
            1 => 1.0,
            2 => 0.0,
            3 => [-1.0, 1.0][at % 2],
            4 => at as f64 / len as f64 * 2.0 - 1.0,
            5 => 1.0 - at as f64 / len as f64 * 2.0,
            6 => f64::from(rng.random_bool(0.1)),
            7 => rng.random_range(-0.02..0.02),
            _ => rng.random_range(-1.0..1.0),
        }
    };
    let value = |at: usize| -> Vec<u8> {
        let unit = unit(at);
        match tensor.dtype {
            DType::I8 => vec![(f64::from(zero) + unit * 128.0).clamp(-128.0, 127.0) as i8 as u8],
            DType::U8 => vec![(f64::from(zero) + unit * 128.0).clamp(0.0, 255.0) as u8],
            DType::I16 => ((unit * 32767.0) as i16).to_le_bytes().to_vec(),
            // Numbers of elements: any is taken.
            DType::I32 => ((unit * 8.0) as i32).to_le_bytes().to_vec(),
            DType::F32 if case == 9 => [f32::NAN, f32::INFINITY, 1e-30, -1e30][at % 4].to_le_bytes().to_vec(),
            DType::F32 => ((unit * 100.0) as f32).to_le_bytes().to_vec(),
        }
    };
    (0..len).flat_map(value).collect()
}

/// How far the instructions of a step may seem apart where they are equal: the clock ticks once or twice an instruction, and is
/// read in the midst of a tick.
const RESOLUTION: u64 = 1;

/// Whether an operator has the same time for every input on a core.
fn is_claimed(timing: Timing, core: Target) -> bool {
    match timing {
        Timing::Constant => true,
        Timing::ConstantFromArmv7 => core != Target::M0,
        Timing::Varies(_) => false,
    }
}

/// What was found of an operator on a core.
#[derive(Default)]
struct Found {
    steps: usize,
    /// Most instructions that two inputs are apart.
    spread: u64,
    /// Of which model.
    worst: String,
}

/// Every operator, and random graphs in every order of weights, each with its name.
fn models() -> Vec<(String, Vec<u8>)> {
    let mut rng = StdRng::seed_from_u64(41);
    let random = (0..24).flat_map(|number| {
        let program = if number % 2 == 0 { graph(&mut rng) } else { chain(&mut rng) };
        layouts(&program).into_iter().map(move |(layout, program)| (format!("graph {number}, {layout}"), program))
    });
    let random: Vec<_> = random.map(|(name, program)| (name, compile(&program, &[]).unwrap().bytes)).collect();
    seeds().into_iter().chain(random).collect()
}

#[test]
fn instructions_do_not_depend_on_the_input() {
    let is_full = std::env::var_os("THUMBNET_FULL").is_some();
    let mut table: BTreeMap<(&str, String), Found> = BTreeMap::new();
    let mut broken = Vec::new();
    for (number, (name, bytes)) in models().iter().enumerate() {
        let copy = aligned(bytes);
        let model = Model::new(bytemuck::cast_slice(&copy)).unwrap();
        // All on the M4; the other families take turns.
        let others = [Target::M0, Target::M3, Target::M55];
        let others = if is_full { &others[..] } else { &others[number % 3..][..1] };
        for &core in [Target::M4].iter().chain(others) {
            let report = match run(bytes, &inputs(&model), core) {
                Ok((_, report)) => report,
                Err(error) => {
                    let error = format!("{error:#}");
                    assert!(core == Target::M0 && error.contains("arena"), "{name} on {core}: {error}");
                    continue;
                }
            };
            for (step, report) in model.steps().zip(&report.steps) {
                let (least, most) = (report.least.unwrap(), report.instructions.unwrap());
                let found = table.entry((step.op.name(), core.to_string())).or_default();
                found.steps += 1;
                if most - least > found.spread {
                    found.spread = most - least;
                    found.worst = format!("{name}: {least} to {most}");
                }
                if is_claimed(step.timing(), core) && most - least > RESOLUTION {
                    broken.push(format!("{} of {name} on {core}: {least} to {most}", step.op.name()));
                }
            }
        }
    }
    println!("operator             core  steps  apart");
    for ((operator, core), Found { steps, spread, worst }) in &table {
        println!("{operator:20} {core:4}  {steps:5}  {spread:5}  {worst}");
    }
    assert!(broken.is_empty(), "the time of these steps depends on their input:\n{}", broken.join("\n"));
}
