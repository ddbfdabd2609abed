//! Random valid graphs, drawn by the numbers of the input, in every order of weights that the exporter writes: each step of
//! the kernels of this build against its dull equation.

#![no_main]

use std::convert::Infallible;

use libfuzzer_sys::fuzz_target;
use rand::TryRng;
use thumbnet::Model;
use thumbnet_host_tests::graphs::{graph, layouts};
use thumbnet_host_tests::reference::compare;
use thumbnet_trainer::compile::{aligned, compile};

/// Random numbers that are the bytes of an input, and behind its end those of a generator that it seeds.
struct Bytes<'a> {
    rest: &'a [u8],
    state: u64,
}

impl TryRng for Bytes<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|number| (number >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        // Two bytes decide: choices are of few, and what is larger need not be chosen.
        let (now, rest) = self.rest.split_at(self.rest.len().min(2));
        self.rest = rest;
        let drawn = now.iter().fold(0u64, |number, &byte| number << 8 | u64::from(byte));
        // SplitMix64: the low bits are noise, and so is everything behind the end of the input.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15) ^ drawn;
        let mut mixed = self.state;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        Ok(if now.is_empty() { mixed } else { drawn << 48 | mixed >> 16 })
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        for part in to.chunks_mut(8) {
            part.copy_from_slice(&self.try_next_u64()?.to_le_bytes()[..part.len()]);
        }
        Ok(())
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut rng = Bytes { rest: bytes, state: 0 };
    let program = graph(&mut rng);
    let input_len = program.tensors[0].shape.iter().product::<u32>() as usize;
    let mut input = vec![0; input_len];
    rng.try_fill_bytes(&mut input).unwrap_or_else(|never| match never {});
    for (layout, program) in layouts(&program) {
        let written = compile(&program, &[input.clone()]).unwrap_or_else(|error| panic!("{layout}: {error:#}"));
        let copy = aligned(&written.bytes);
        let model = Model::new(bytemuck::cast_slice(&copy)).expect("the exporter's own file");
        compare(&model, &input).unwrap_or_else(|difference| panic!("{layout}: {difference}"));
    }
});
