//! Sequences that end before their place does: what is behind the end changes nothing, and the answer is that of a shorter place.

use thumbnet::format::Op;
use thumbnet_host_tests::sequences::{front_end, masked, program};
use thumbnet_trainer::compile::{Program, compile, stream};
use thumbnet_trainer::run::{Target, run};
use thumbnet_trainer::verify::random_inputs;

/// Steps of a place, and elements of a step.
const TIME: usize = 24;
const WIDTH: usize = 6;

const NETWORKS: [&str; 7] = [
    "gru units = 8\ndense units = 3",
    "lstm units = 8; return_sequences = true\nlstm units = 5\ndense units = 3",
    "gru units = 8; reset_after = false; bidirectional = true\ndense units = 3",
    "simple_rnn units = 8; return_sequences = true; bidirectional = true\ndense units = 5\nglobal_average_pool1d",
    "conv1d filters = 7; kernel = 3; dilation = 2; padding = \"causal\"; activation = \"relu\"\nglobal_max_pool1d\ndense units = 3",
    "delta\ngru units = 8; return_sequences = true; go_backwards = true\nglobal_average_pool1d",
    "lstm units = 8; return_sequences = true; bidirectional = true\ndense units = 3\nsoftmax",
];

fn bytes(program: &Program) -> Vec<u8> {
    compile(program, &random_inputs(program, 1)).unwrap().bytes
}

/// The program of the whole sequence in a place of so many steps.
fn shortened(program: &Program, time: usize) -> Program {
    let mut program = program.clone();
    let fit = |size: &mut u32| *size = if *size == TIME as u32 { time as u32 } else { *size };
    program.tensors.iter_mut().filter(|tensor| tensor.shape.len() > 2).for_each(|tensor| fit(&mut tensor.shape[1]));
    for step in &mut program.steps {
        if let Op::MaxPool2d(p) | Op::AveragePool2d(p) = &mut step.op {
            fit(&mut p.size[0]);
        }
    }
    program
}

fn with_length(values: &[u8], length: i32) -> Vec<u8> {
    [values, &length.to_le_bytes()].concat()
}

#[test]
fn the_answer_is_that_of_a_place_as_long_as_the_sequence() {
    for text in NETWORKS {
        let (whole, cut) = (program(text, &[TIME, WIDTH], None), masked(text, &[TIME, WIDTH], None));
        let is_sequence = whole.tensors[whole.outputs[0]].shape.len() == 3;
        let model = bytes(&cut);
        for time in [1, 2, 7, TIME - 1, TIME] {
            let short = bytes(&shortened(&whole, time));
            for mut values in random_inputs(&whole, 3) {
                let (expected, _) = run(&short, &values[..time * WIDTH], Target::Host).unwrap();
                let (found, _) = run(&model, &with_length(&values, time as i32), Target::Host).unwrap();
                assert_eq!(found[..expected.len()], expected, "{text}, {time} steps");
                assert!(is_sequence || found.len() == expected.len());
                values[time * WIDTH..].iter_mut().for_each(|x| *x ^= 0x5a);
                let (other, _) = run(&model, &with_length(&values, time as i32), Target::Host).unwrap();
                assert_eq!(other, found, "{text}: what is behind the end is not looked at");
            }
        }
    }
}

#[test]
fn a_length_beyond_the_place_is_brought_into_it() {
    let program = masked(NETWORKS[0], &[TIME, WIDTH], None);
    let model = bytes(&program);
    let values = &random_inputs(&program, 1)[0][..TIME * WIDTH];
    let answer = |length| run(&model, &with_length(values, length), Target::Host).unwrap().0;
    assert_eq!([answer(i32::MIN), answer(0)], [answer(1), answer(1)]);
    assert_eq!([answer(i32::MAX), answer(25)], [answer(24), answer(24)]);
    assert_ne!(answer(1), answer(24));
}

#[test]
fn masked_sequences_are_the_same_on_cores() {
    let sound = masked(
        "gru units = 8; return_sequences = true\nglobal_average_pool1d\ndense units = 3",
        &[TIME * 40],
        Some(front_end()),
    );
    let steps = masked(NETWORKS[3], &[TIME, WIDTH], None);
    for program in [sound, steps] {
        let model = bytes(&program);
        let mut inputs = Vec::new();
        for (input, length) in random_inputs(&program, 3).iter().zip([5, 1, 20]) {
            inputs.extend(with_length(&input[..input.len() - 4], length));
        }
        let (expected, _) = run(&model, &inputs, Target::Host).unwrap();
        for core in [Target::M0, Target::M3, Target::M4, Target::M55] {
            assert_eq!(run(&model, &inputs, core).unwrap().0, expected, "{core}");
        }
    }
}

#[test]
fn a_stream_ends_where_nothing_more_is_fed() {
    let text = NETWORKS[1];
    let (parts, held) = stream(&masked(text, &[TIME, WIDTH], None), 1).unwrap();
    assert!(held.is_empty() && parts.inputs == 1);
    assert_eq!(parts, stream(&program(text, &[TIME, WIDTH], None), 1).unwrap().0);
    let pooled = masked(NETWORKS[3], &[TIME, WIDTH], None);
    let error = stream(&pooled, 1).unwrap_err().to_string();
    assert!(error.contains("cannot stream") && error.contains("recurrent"), "{error}");
}
