//! The kernels that cores have of their own against the portable ones here, which are compared with dull references: random
//! chains of convolutions over odd shapes, paddings, zero points, clamps and every kind of shift.

use rand::SeedableRng;
use rand::rngs::StdRng;
use thumbnet::format::Op;
use thumbnet::kernels::Layout;
use thumbnet_host_tests::graphs::{chain, wide};
use thumbnet_host_tests::sequences::program;
use thumbnet_trainer::compile::{Family, Optimize, compile, pack, transform};
use thumbnet_trainer::run::{Target, run};
use thumbnet_trainer::verify::random_inputs;

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

#[test]
fn wide_layers_are_the_same_on_every_core() {
    let mut rng = StdRng::seed_from_u64(11);
    for number in 0..24 {
        let program = wide(&mut rng);
        let inputs = random_inputs(&program, 2).concat();
        let model = compile(&program, &[]).unwrap().bytes;
        let target = [Target::M55, Target::M4, Target::M55, Target::M3][number % 4];
        let (expected, _) = run(&model, &inputs, Target::Host).unwrap();
        let (found, _) = run(&model, &inputs, target).unwrap();
        assert_eq!(found, expected, "network {number} on {target}: {:?}", program.steps);
    }
}

/// A file may have anything where rows of packed weights are filled up: it counts on no core.
#[test]
fn weights_beyond_a_row_do_not_count() {
    let mut program = program("dense units = 4", &[5], None);
    pack(&mut program, Family::Dsp);
    let starts = program.steps.iter().filter_map(|step| match step.op {
        Op::FullyConnected(p) if p.layout == Layout::Pairs => Some(p.weights as usize),
        _ => None,
    });
    let starts: Vec<usize> = starts.collect();
    assert_eq!(starts.len(), 1, "{:?}", program.steps);
    for pair in 0..2 {
        // A pair of rows has eight halfwords here; those of the taps 5, 6 and 7 come last.
        program.data[starts[0] + 16 * pair + 10..][..6].fill(0x11);
    }
    let inputs = random_inputs(&program, 2);
    let model = compile(&program, &inputs).unwrap().bytes;
    let (expected, _) = run(&model, &inputs.concat(), Target::Host).unwrap();
    assert_eq!(run(&model, &inputs.concat(), Target::M4).unwrap().0, expected);
}

fn is_packed(op: &Op) -> bool {
    matches!(op, Op::Conv2d(p) if p.layout != Layout::Plain)
}
