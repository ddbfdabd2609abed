//! Random graphs in every order of weights: each step of the kernels here against its dull equation. The fuzz target
//! `differential` goes on from there.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use thumbnet::Model;
use thumbnet_host_tests::graphs::{graph, layouts};
use thumbnet_host_tests::reference::compare;
use thumbnet_trainer::compile::{aligned, compile};

#[test]
fn every_step_of_random_graphs_is_its_equation() {
    let mut rng = StdRng::seed_from_u64(31);
    let (mut programs, mut steps) = (0, 0);
    for number in 0..400 {
        let program = graph(&mut rng);
        let mut input = vec![0; program.tensors[0].shape.iter().product::<u32>() as usize];
        rng.fill_bytes(&mut input);
        for (layout, program) in layouts(&program) {
            let written = compile(&program, std::slice::from_ref(&input));
            let written = written.unwrap_or_else(|error| panic!("graph {number}, {layout}: {error:#}\n{program:?}"));
            let copy = aligned(&written.bytes);
            let model = Model::new(bytemuck::cast_slice(&copy)).unwrap();
            compare(&model, &input).unwrap_or_else(|difference| panic!("graph {number}, {layout}: {difference}"));
            programs += 1;
            steps += program.steps.len();
        }
    }
    println!("{programs} programs of {steps} steps");
    assert!(programs > 500, "only {programs} programs: no order of weights but one");
}
