//! Streaming equals batch, bit for bit: a sequence at once, and in parts with what came before as a state.

use thumbnet::{Model, Session};
use thumbnet_host_tests::sequences::{front_end, motion, normalized, program};
use thumbnet_trainer::compile::{Family, Program, aligned, compile, pack, stream};
use thumbnet_trainer::run::{Target, run};
use thumbnet_trainer::verify::random_inputs;

/// Steps of a sequence.
const TIME: usize = 24;

/// Feeds all of `input` in parts; gives the outputs of all runs.
fn fed(bytes: &[u8], input: &[u8]) -> Vec<u8> {
    let copy = aligned(bytes);
    let model = Model::new(bytemuck::cast_slice(&copy)).unwrap();
    let mut arena = vec![0x5a5a_5a5a_5a5a_5a5au128; model.arena_len().div_ceil(16)];
    let mut session = Session::new(&model, bytemuck::cast_slice_mut(&mut arena)).unwrap();
    let part = session.input_bytes_mut(0).unwrap().len();
    let mut outputs = Vec::new();
    for input in input.chunks_exact(part) {
        session.input_bytes_mut(0).unwrap().copy_from_slice(input);
        session.run();
        outputs.extend_from_slice(session.output_bytes(0).unwrap());
    }
    outputs
}

/// Compares the parts' outputs with the whole's: all of them where the answer is a sequence, otherwise the last.
fn check(program: &Program, frames: usize, expected_whole: &[&str]) -> Vec<u8> {
    let whole = compile(program, &random_inputs(program, 1)).unwrap().bytes;
    let (parts, held) = stream(program, frames).unwrap();
    assert_eq!(held, expected_whole);
    let streamed = compile(&parts, &random_inputs(&parts, 1)).unwrap();
    assert!(streamed.plan.state_len > 0 || frames == TIME);
    for input in random_inputs(program, 3) {
        let (expected, _) = run(&whole, &input, Target::Host).unwrap();
        let found = fed(&streamed.bytes, &input);
        assert_eq!(found[found.len() - expected.len()..], expected, "{frames} frames per run");
    }
    streamed.bytes
}

const CAUSAL: &str = "conv1d filters = 6; kernel = 3; padding = \"causal\"; activation = \"relu\"
    conv1d filters = 5; kernel = 3; dilation = 4; padding = \"causal\"
    depthwise_conv1d kernel = 5; padding = \"causal\"
    tanh
    dense units = 4";

#[test]
fn causal_convolutions_stream() {
    let program = program(CAUSAL, &[TIME, 7], None);
    for frames in [1, 2, 3, 8, 24] {
        check(&program, frames, &[]);
    }
}

#[test]
fn strides_and_pools_stream() {
    let text = "conv1d filters = 6; kernel = 4; stride = 2; padding = { explicit = [2, 0] }
        batch_norm
        relu
        max_pool1d size = 2
        conv1d filters = 3; kernel = 2; padding = \"causal\"
        average_pool1d size = 2";
    let program = program(text, &[TIME, 5], None);
    check(&program, 8, &[]);
    check(&program, 24, &[]);
    // Four inputs are half of what the last pool takes: it is computed on all of them.
    let (_, held) = stream(&program, 4).unwrap();
    assert_eq!(held.len(), 1, "{held:?}");
}

#[test]
fn recurrent_layers_stream() {
    for cell in ["simple_rnn units = 9", "lstm units = 9", "gru units = 9", "gru units = 9; reset_after = false"] {
        let text = format!("{cell}; return_sequences = true\n{cell}; return_sequences = true");
        let every_step = program(&text, &[TIME, 6], None);
        let last = program(&format!("{text}\n{cell}\ndense units = 3"), &[TIME, 6], None);
        for frames in [1, 4, 24] {
            check(&every_step, frames, &[]);
            check(&last, frames, &[]);
        }
    }
}

#[test]
fn singular_value_filters_stream() {
    for text in
        ["svdf units = 7; memory = 6; activation = \"relu\"", "svdf units = 7; rank = 3; memory = 5\ndense units = 3"]
    {
        let program = program(text, &[TIME, 6], None);
        for frames in [1, 4, 24] {
            check(&program, frames, &[]);
        }
    }
}

/// Windows of sequences have rows of one pixel, which are most often no whole fours.
#[test]
fn packed_weights_give_sequences_the_same_bits() {
    let padded = "conv1d filters = 6; kernel = 3; padding = \"same\"\nconv1d filters = 5; kernel = 4; stride = 2; padding = \"same\"";
    for text in [CAUSAL, padded] {
        for channels in [1, 3, 7, 8] {
            let plain = program(text, &[TIME, channels], None);
            let mut packed = plain.clone();
            pack(&mut packed, Family::Dsp);
            assert_ne!(packed, plain);
            let bytes = [&plain, &packed].map(|program| compile(program, &random_inputs(program, 1)).unwrap().bytes);
            for input in random_inputs(&plain, 3) {
                let [expected, found] = bytes.each_ref().map(|bytes| run(bytes, &input, Target::Host).unwrap().0);
                assert_eq!(found, expected, "{text}, {channels} channels");
            }
        }
    }
}

#[test]
fn what_needs_the_whole_sequence_gets_it() {
    let pooled =
        program("gru units = 8; return_sequences = true\nglobal_average_pool1d\ndense units = 3", &[TIME, 6], None);
    check(&pooled, 2, &["gru_1"]);
    let both_ways = program("lstm units = 8; bidirectional = true", &[TIME, 6], None);
    check(&both_ways, 3, &["input"]);
    let ahead = program("conv1d filters = 4; kernel = 3; padding = \"same\"\nrelu", &[TIME, 6], None);
    check(&ahead, 6, &["input"]);
    let flat =
        program("conv1d filters = 4; kernel = 2; padding = \"causal\"\nflatten\ndense units = 3", &[TIME, 6], None);
    check(&flat, 1, &["conv1d_1"]);
}

#[test]
fn residual_and_two_dimensional_networks_stream() {
    let residual = "conv1d name = \"a\"; filters = 6; kernel = 3; padding = \"causal\"; activation = \"relu\"
        conv1d name = \"b\"; filters = 6; kernel = 3; padding = \"causal\"
        add inputs = [\"a\", \"b\"]; activation = \"relu\"
        concat inputs = [\"a\", \"b\"]";
    check(&program(residual, &[TIME, 6], None), 2, &[]);
    let image = "conv2d filters = 3; kernel = 3; padding = { explicit = [2, 0, 1, 1] }; activation = \"relu\"
        depthwise_conv2d kernel = 3; padding = { explicit = [2, 0, 0, 0] }";
    check(&program(image, &[TIME, 8, 2], None), 3, &[]);
}

#[test]
fn from_samples_to_answer_it_streams_on_cores_too() {
    let text =
        "conv1d filters = 8; kernel = 3; padding = \"causal\"; activation = \"relu\"\ngru units = 8\ndense units = 4";
    let program = program(text, &[TIME * 40], Some(front_end()));
    check(&program, 6, &[]);
    let bytes = check(&program, 1, &[]);
    let input = &random_inputs(&program, 1)[0];
    let expected = fed(&bytes, input);
    for core in [Target::M0, Target::M3, Target::M4, Target::M55] {
        assert_eq!(run(&bytes, input, core).unwrap().0, expected, "{core}");
    }
}

#[test]
fn normalized_energies_and_deltas_stream_on_cores_too() {
    let text = "delta name = \"slopes\"
        concat inputs = [\"input\", \"slopes\"]
        gru units = 8
        dense units = 4";
    for overlaps in [true, false] {
        let program = program(text, &[TIME * 40], Some(normalized(overlaps)));
        check(&program, 6, &[]);
        let bytes = check(&program, 1, &[]);
        let input = &random_inputs(&program, 1)[0];
        let expected = fed(&bytes, input);
        for core in [Target::M0, Target::M3, Target::M4, Target::M55] {
            assert_eq!(run(&bytes, input, core).unwrap().0, expected, "{core}");
        }
    }
}

#[test]
fn a_delta_that_looks_ahead_is_held_whole() {
    let program = program("delta width = 3; centered = true\nrelu", &[TIME, 5], None);
    check(&program, 4, &["input"]);
    let causal = self::program("delta width = 3\nrelu", &[TIME, 5], None);
    check(&causal, 4, &[]);
}

#[test]
fn motion_streams_on_cores_too() {
    let program = program("gru units = 8\ndense units = 4", &[TIME * 8, 3], Some(motion()));
    check(&program, 6, &[]);
    let bytes = check(&program, 1, &[]);
    let input = &random_inputs(&program, 1)[0];
    let expected = fed(&bytes, input);
    for core in [Target::M0, Target::M3, Target::M4, Target::M55] {
        assert_eq!(run(&bytes, input, core).unwrap().0, expected, "{core}");
    }
}

#[test]
fn what_cannot_stream_is_an_error() {
    let program = program(CAUSAL, &[TIME, 7], None);
    let error = stream(&program, 25).unwrap_err().to_string();
    assert!(error.contains("25") && error.contains("24"), "{error}");
    assert!(stream(&program, 0).is_err() && stream(&program, usize::MAX).is_err());
    let (parts, _) = stream(&program, 2).unwrap();
    assert!(stream(&parts, 1).unwrap_err().to_string().contains("already"));
}
