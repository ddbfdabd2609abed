//! Running a model between guard bytes.

use thumbnet::{FormatError, Model, Session};

/// Bytes on both sides of the arena, and of the model, that nothing may change.
const GUARD: usize = 256;

/// What they hold.
const PAINT: u8 = 0xa7;

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The check refused it.
    Refused(FormatError),
    /// It would take more memory or work than the caller has for it.
    TooLarge,
    /// It ran twice, and nothing outside of its arena changed.
    Ran,
}

/// Checks `bytes` and runs what is accepted twice, on inputs made from `seed`, if its arena and its work stay below a limit.
///
/// # Panics
/// A byte outside of the arena has changed, or the runtime panics: what may never happen.
pub fn run(bytes: &[u8], seed: u8, limits: Limits) -> Outcome {
    let mut file = guarded(bytes.len());
    let space = &mut bytemuck::cast_slice_mut::<u128, u8>(&mut file)[GUARD..];
    space[..bytes.len()].copy_from_slice(bytes);
    let model = match Model::new(&bytemuck::cast_slice(&file)[GUARD..GUARD + bytes.len()]) {
        Ok(model) => model,
        Err(error) => return Outcome::Refused(error),
    };
    if model.arena_len() > limits.arena || model.work() > limits.work {
        return Outcome::TooLarge;
    }
    let mut memory = guarded(model.arena_len());
    let len = model.arena_len();
    let arena = &mut bytemuck::cast_slice_mut(&mut memory)[GUARD..GUARD + len];
    arena.iter_mut().zip(0u8..=255).for_each(|(byte, at)| *byte = at.wrapping_mul(seed | 1) ^ seed);
    let mut session = Session::new(&model, arena).expect("the arena has the length that the model states");
    for round in 0..2 {
        for index in 0..model.input_count() {
            let input = session.input_bytes_mut(index).expect("the model has so many inputs");
            input.iter_mut().zip((0u8..=255).cycle()).for_each(|(to, at)| *to = at.wrapping_mul(seed | 1) ^ round);
        }
        session.run();
        for index in 0..model.output_count() {
            session.output_bytes(index).expect("the model has so many outputs");
        }
    }
    assert_guards(&memory, len, "arena");
    assert!(bytemuck::cast_slice::<u128, u8>(&file)[GUARD..].starts_with(bytes), "the model was written to");
    assert_guards(&file, bytes.len(), "model");
    Outcome::Ran
}

/// What a model may take at most in order to be run.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of arena.
    pub arena: usize,
    /// See [`Model::work`].
    pub work: u64,
}

/// Memory for `len` bytes with painted guards in front and behind.
fn guarded(len: usize) -> Vec<u128> {
    vec![u128::from_ne_bytes([PAINT; 16]); (len.next_multiple_of(16) + 2 * GUARD) / 16]
}

fn assert_guards(memory: &[u128], len: usize, what: &str) {
    let bytes: &[u8] = bytemuck::cast_slice(memory);
    let is_intact = bytes[..GUARD].iter().chain(&bytes[GUARD + len..]).all(|&byte| byte == PAINT);
    assert!(is_intact, "a byte outside of the {what} was written to");
}

/// A copy at an address that [`Model::new`] takes.
pub(crate) fn aligned(bytes: &[u8]) -> Vec<u128> {
    let mut copy = vec![0u128; bytes.len().div_ceil(16)];
    bytemuck::cast_slice_mut(&mut copy)[..bytes.len()].copy_from_slice(bytes);
    copy
}
