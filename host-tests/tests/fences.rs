//! No step touches memory beside its buffers: each tensor, scratch, state and table lies between fences that the memory
//! protection unit of an emulated core guards, once flush with the fence in front and once with the one behind. It is what
//! Miri would show if it knew assembly: the kernels run here as they run on chips.

use rand::SeedableRng;
use rand::rngs::StdRng;
use thumbnet_host_tests::fences::{Flush, fenced};
use thumbnet_host_tests::graphs::{chain, graph, layouts};
use thumbnet_host_tests::seeds::programs;
use thumbnet_trainer::compile::{Program, compile};
use thumbnet_trainer::run::{self, Fenced, Target, run};
use thumbnet_trainer::verify::random_inputs;

/// Every operator, and random graphs, in every order of weights.
fn all_programs() -> Vec<Program> {
    let mut rng = StdRng::seed_from_u64(21);
    let count = if std::env::var_os("THUMBNET_FULL").is_some() { 400 } else { 40 };
    let random: Vec<Program> = (0..count).flat_map(|_| [graph(&mut rng), chain(&mut rng)]).collect();
    let named = programs().into_iter().map(|(_, program)| program);
    named.chain(random).flat_map(|program| layouts(&program)).map(|(_, program)| program).collect()
}

#[test]
fn no_step_touches_memory_beside_its_buffers() {
    let (mut cases, mut expected) = (Vec::new(), Vec::new());
    for program in all_programs() {
        let inputs = random_inputs(&program, 1).concat();
        let (outputs, _) = run(&compile(&program, &[]).unwrap().bytes, &inputs, Target::Host).unwrap();
        for flush in [Flush::Start, Flush::End] {
            for case in fenced(&program, &inputs, flush) {
                cases.push(case);
                expected.extend_from_slice(&outputs);
            }
        }
    }
    for core in [Target::M3, Target::M4, Target::M33, Target::M55] {
        let found = run::fenced(&cases, core, false).unwrap();
        assert_eq!(found.len(), expected.len());
        let differing = found.iter().zip(&expected).filter(|(found, expected)| found != expected).count();
        assert_eq!(differing, 0, "bytes of {} differ between fences on {core}", expected.len());
        println!("{core}: {} cases between fences", cases.len());
    }
}

#[test]
fn what_touches_a_fence_is_found() {
    let (_, program) = programs().remove(0);
    let inputs = random_inputs(&program, 1).concat();
    let cases: Vec<Fenced> = fenced(&program, &inputs, Flush::Start);
    for core in [Target::M3, Target::M4, Target::M33, Target::M55] {
        let error = run::fenced(&cases, core, true).unwrap_err().to_string();
        assert!(error.contains("hard fault"), "{core}: {error}");
    }
}
