//! States that go on from one run to the next: variables, SVDF, LSTM. The vectors come from LiteRT, one interpreter a case.

use thumbnet::{InputError, Model, Session};
use thumbnet_host_tests::oracle::{Case, cases, vectors};
use thumbnet_trainer::compile::{aligned, compile};
use thumbnet_trainer::import::{Options, import};
use thumbnet_trainer::run::{Target, run};
use thumbnet_trainer::verify::random_inputs;

const STATEFUL: [&str; 4] = ["variables", "started_variables", "svdf", "carried_lstm"];

fn imported(case: &Case) -> Vec<u8> {
    let options = Options { keep_lstm_states: true, ..Options::default() };
    let (program, _) = import(&case.model, options).unwrap();
    compile(&program, &random_inputs(&program, 2)).unwrap().bytes
}

/// Runs `test` in a session of every stateful operator's first cases, with the inputs of each run.
fn sessions(test: impl Fn(&mut Session<'_>, &[&[u8]])) {
    for name in STATEFUL {
        for case in cases(&vectors(name)).iter().take(6) {
            let bytes = imported(case);
            let copy = aligned(&bytes);
            let model = Model::new(bytemuck::cast_slice(&copy)).unwrap();
            assert!(model.state_len() > 0, "{name} has states");
            let mut arena = vec![0xa5a5_a5a5u32; model.arena_len().div_ceil(4)];
            let mut session = Session::new(&model, bytemuck::cast_slice_mut(&mut arena)).unwrap();
            let runs: Vec<&[u8]> = case.inputs.chunks(case.inputs.len() / 3).collect();
            test(&mut session, &runs);
        }
    }
}

fn infer(session: &mut Session<'_>, input: &[u8]) -> Vec<u8> {
    session.input_bytes_mut(0).unwrap().copy_from_slice(input);
    session.run();
    session.output_bytes(0).unwrap().to_vec()
}

#[test]
fn reset_starts_anew() {
    sessions(|session, runs| {
        let first: Vec<_> = runs.iter().map(|input| infer(session, input)).collect();
        session.reset();
        let again: Vec<_> = runs.iter().map(|input| infer(session, input)).collect();
        assert_eq!(first, again);
    });
}

#[test]
fn restore_goes_back_to_a_snapshot() {
    sessions(|session, runs| {
        infer(session, runs[0]);
        let snapshot = session.snapshot().to_vec();
        assert_eq!(snapshot.len(), session.model().state_len());
        let second = infer(session, runs[1]);
        infer(session, runs[2]);
        session.restore(&snapshot).unwrap();
        assert_eq!(infer(session, runs[1]), second);

        let before = session.snapshot().to_vec();
        let wrong = InputError::Length { found: before.len() - 1, expected: before.len() };
        assert_eq!(session.restore(&before[1..]), Err(wrong));
        assert_eq!(session.snapshot(), before, "an error changes nothing");
    });
}

/// The states matter: some output of the second run differs where they were reset in between.
#[test]
fn a_run_knows_of_the_one_before() {
    let differing = std::cell::Cell::new(0);
    sessions(|session, runs| {
        infer(session, runs[0]);
        let second = infer(session, runs[1]);
        session.reset();
        differing.set(differing.get() + usize::from(infer(session, runs[1]) != second));
    });
    assert!(differing.get() >= 12, "only {} of 24 cases remember anything", differing.get());
}

#[test]
fn states_go_on_alike_on_cores() {
    for name in STATEFUL {
        for (number, case) in cases(&vectors(name)).iter().enumerate() {
            let target = [Target::M0, Target::M3, Target::M4, Target::M55][number % 4];
            let (outputs, _) = run(&imported(case), &case.inputs, target).unwrap();
            assert_eq!(outputs, case.outputs, "{name} {number} on {target}");
        }
    }
}

/// With a right checksum every flipped bit of what describes the states is an error, or a model that runs.
#[test]
fn damaged_descriptions_of_states_are_errors_or_run() {
    for name in STATEFUL {
        let bytes = imported(&cases(&vectors(name))[0]);
        let (mut refused, mut ran) = (0, 0);
        for bit in 16 * 8..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let checksum = thumbnet::digest(0, &damaged[16..]);
            damaged[12..16].copy_from_slice(&checksum.to_le_bytes());
            let copy = aligned(&damaged);
            let Ok(model) = Model::new(bytemuck::cast_slice(&copy)) else {
                refused += 1;
                continue;
            };
            if model.arena_len() <= 1 << 20 {
                let mut arena = vec![0u32; model.arena_len().div_ceil(4)];
                let mut session = Session::new(&model, bytemuck::cast_slice_mut(&mut arena)).unwrap();
                session.run();
                session.run();
                ran += 1;
            }
        }
        assert!(refused > 100 && ran > 100, "{name}: {refused} refused, {ran} ran");
    }
}
