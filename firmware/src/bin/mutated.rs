//! Many model files in one run on an emulated board: each is checked, and run twice if it is accepted, with guard bytes around
//! the arena and around the file. They come from the file `models`: for each its length in four bytes, then its bytes, a
//! multiple of 16. The report is one line of JSON. A byte changed outside of an arena, a panic and a fault end it with an error.

#![no_std]
#![no_main]

use core::fmt;
use core::sync::atomic::Ordering;

use cortex_m_rt::entry;
use semihosting::fs::File;
use semihosting::io::Read;
use semihosting::{println, process};
use thumbnet::{Arena, Model, Session};
use thumbnet_firmware::qemu::{CASE, fail};

/// Bytes for the file and for the arena, guards included.
const SPACE: usize = 96 << 10;

/// Bytes on both sides that nothing may change.
const GUARD: usize = 256;

const PAINT: u8 = 0xa7;

/// More would take a minute.
const MOST_WORK: u64 = 1 << 20;

static mut MEMORY: [Arena<SPACE>; 2] = [const { Arena::new() }; 2];

#[entry]
fn main() -> ! {
    process::exit(i32::from(run().is_none()))
}

/// What became of the files.
#[derive(Default)]
struct Counts {
    refused: u32,
    too_large: u32,
    ran: u32,
}

fn run() -> Option<()> {
    // SAFETY: `run` is called once, and this is the only reference to the static.
    let [file_space, arena_space] = unsafe { (&raw mut MEMORY).as_mut() }?;
    let Ok(mut file) = File::open(c"models") else { return fail("models", &"cannot be opened") };
    let mut counts = Counts::default();
    for number in 0u32.. {
        CASE.store(number, Ordering::Relaxed);
        let mut len = [0; 4];
        if !fill(&mut file, &mut len)? {
            break;
        }
        file_space.fill(PAINT);
        let len = u32::from_le_bytes(len) as usize;
        let Some(bytes) = file_space.get_mut(GUARD..len.checked_add(GUARD)?).filter(|_| len <= SPACE - 2 * GUARD)
        else {
            return fail("models", &"a model is too long");
        };
        if !fill(&mut file, bytes)? {
            return fail("models", &"it ends within a model");
        }
        let before = thumbnet::digest(0, bytes);
        one(file_space.get(GUARD..len + GUARD)?, arena_space, &mut counts, number)?;
        let is_intact = thumbnet::digest(0, file_space.get(GUARD..len + GUARD)?) == before;
        if !is_intact || !guarded(file_space, len) {
            return fail("guards", &Case(number, "a byte of the model or around it was written to"));
        }
    }
    let Counts { refused, too_large, ran } = counts;
    println!("{{\"refused\":{},\"too_large\":{},\"ran\":{}}}", refused, too_large, ran);
    Some(())
}

fn one(bytes: &[u8], space: &mut [u8], counts: &mut Counts, number: u32) -> Option<()> {
    let Ok(model) = Model::new(bytes) else {
        counts.refused += 1;
        return Some(());
    };
    let len = model.arena_len();
    if len > SPACE - 2 * GUARD || model.work() > MOST_WORK {
        counts.too_large += 1;
        return Some(());
    }
    space.fill(PAINT);
    let Ok(mut session) = Session::new(&model, space.get_mut(GUARD..len + GUARD)?) else {
        return fail("session", &Case(number, "an arena of the length that the model states is refused"));
    };
    for round in 0..2u8 {
        for index in 0..model.input_count() {
            let input = session.input_bytes_mut(index).ok()?;
            input.iter_mut().zip((0u8..=255).cycle()).for_each(|(to, at)| *to = at.wrapping_mul(37) ^ round);
        }
        session.run();
    }
    if !guarded(space, len) {
        return fail("guards", &Case(number, "a byte outside of the arena was written to"));
    }
    counts.ran += 1;
    Some(())
}

/// Whether everything but the `len` bytes behind the first guard is as it was painted.
fn guarded(space: &[u8], len: usize) -> bool {
    let (front, rest) = space.split_at(GUARD);
    front.iter().chain(rest.get(len..).unwrap_or(&[])).all(|&byte| byte == PAINT)
}

/// Fills the buffer; `false` at the end of the file.
fn fill(file: &mut File, mut buffer: &mut [u8]) -> Option<bool> {
    while !buffer.is_empty() {
        match file.read(buffer) {
            Ok(0) => return Some(false),
            Ok(count) => buffer = buffer.get_mut(count..)?,
            Err(_) => return fail("models", &"cannot be read"),
        }
    }
    Some(true)
}

/// The number of a file, and what is wrong with it.
struct Case(u32, &'static str);

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "model {}: {}", self.0, self.1)
    }
}
