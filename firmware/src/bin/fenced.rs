//! Models whose buffers lie between fences, which the memory protection unit guards while a step runs: an access next to a
//! buffer is a fault. They come from the file `cases`: for each, in words, the length of the model, that of its inputs and the
//! number of fences, then the fences as offsets in the arena or, with the highest bit set, in the model; then the bytes of the
//! model and of the inputs, both multiples of 4. Outputs go to the file `out`, and the report is one line of JSON.
//!
//! With the argument 1 every case reads its first fence in the end, which must fault.

#![no_std]
#![no_main]

use core::fmt;
use core::sync::atomic::Ordering;

use cortex_m::peripheral::MPU;
use cortex_m_rt::entry;
use semihosting::fs::File;
use semihosting::io::{Read, Write};
use semihosting::{println, process};
use thumbnet::{Model, Observer, Session};
use thumbnet_firmware::fence;
use thumbnet_firmware::qemu::{self, fail};

/// Bytes for the model, the arena and the inputs.
const SPACE: usize = 96 << 10;

/// Most fences of a case.
const FENCES: usize = 16;

/// Marks a fence in the model.
const IN_MODEL: u32 = 1 << 31;

#[repr(C, align(256))]
struct Space([u8; SPACE]);

static mut MEMORY: [Space; 3] = [const { Space([0; SPACE]) }; 3];

#[entry]
fn main() -> ! {
    process::exit(i32::from(run().is_none()))
}

fn run() -> Option<()> {
    let mut unit = cortex_m::Peripherals::take()?.MPU;
    // SAFETY: `run` is called once, and this is the only reference to the static.
    let [model, arena, inputs] = unsafe { (&raw mut MEMORY).as_mut() }?;
    let (mut file, mut out) = match (File::open(c"cases"), File::create(c"out")) {
        (Ok(file), Ok(out)) => (file, out),
        _ => return fail("files", &"cannot open \"cases\" and \"out\""),
    };
    let (mut cases, mut fences) = (0u32, 0);
    let reads_a_fence = qemu::argument(2) == Some(1);
    loop {
        let mut head = [0u32; 3];
        if !fill(&mut file, bytemuck::bytes_of_mut(&mut head))? {
            break;
        }
        let [model_len, input_len, count] = head.map(|word| word as usize);
        let mut own = [0; FENCES];
        let mut part = |bytes: Option<&mut [u8]>| match bytes.map(|bytes| fill(&mut file, bytes)) {
            Some(Some(true)) => Some(()),
            _ => fail("cases", &Case(cases, "is too long, or cut")),
        };
        part(own.get_mut(..count).map(bytemuck::cast_slice_mut))?;
        part(model.0.get_mut(..model_len))?;
        part(inputs.0.get_mut(..input_len))?;
        let case = Fenced {
            unit: &mut unit,
            fences: own,
            count,
            addresses: [arena.0.as_ptr().addr() as u32, model.0.as_ptr().addr() as u32],
            has_failed: false,
        };
        qemu::CASE.store(cases, Ordering::Relaxed);
        one(case, model.0.get(..model_len)?, &mut arena.0, inputs.0.get(..input_len)?, &mut out, cases)?;
        if reads_a_fence {
            return fail("fence", &"it was read, and that was no fault");
        }
        cases += 1;
        fences += count;
    }
    println!("{{\"cases\":{},\"fences\":{}}}", cases, fences);
    Some(())
}

/// Puts fences up around every step.
struct Fenced<'u> {
    unit: &'u mut MPU,
    fences: [u32; FENCES],
    count: usize,
    /// Of the arena and of the model.
    addresses: [u32; 2],
    has_failed: bool,
}

impl Fenced<'_> {
    fn put_up(&mut self) {
        let [arena, model] = self.addresses;
        let address = |fence: u32| if fence & IN_MODEL == 0 { arena + fence } else { model + (fence & !IN_MODEL) };
        let mut addresses = self.fences.map(address);
        let addresses = addresses.get_mut(..self.count).unwrap_or(&mut []);
        addresses.sort_unstable();
        self.has_failed |= !fence::put_up(self.unit, addresses);
    }
}

impl Observer for Fenced<'_> {
    fn before(&mut self, _: usize) {
        self.put_up();
    }

    fn after(&mut self, _: usize, _: &[u8]) {
        fence::take_down(self.unit);
    }
}

fn one(mut case: Fenced<'_>, bytes: &[u8], arena: &mut [u8], inputs: &[u8], out: &mut File, number: u32) -> Option<()> {
    let model = match Model::new(bytes) {
        Ok(model) => model,
        Err(error) => return fail("model", &error),
    };
    let Some(arena) = arena.get_mut(..model.arena_len()) else {
        return fail("arena", &Case(number, "needs more than there is"));
    };
    let mut session = match Session::new(&model, arena) {
        Ok(session) => session,
        Err(error) => return fail("arena", &error),
    };
    let mut rest = inputs;
    for index in 0..model.input_count() {
        let input = session.input_bytes_mut(index).ok()?;
        let (own, later) = rest.split_at_checked(input.len())?;
        input.copy_from_slice(own);
        rest = later;
    }
    session.run_observed(&mut case);
    for index in 0..model.output_count() {
        if out.write_all(session.output_bytes(index).ok()?).is_err() {
            return fail("output", &"cannot write the file \"out\"");
        }
    }
    if qemu::argument(2) == Some(1) {
        case.put_up();
        let [arena, model] = case.addresses;
        let at =
            case.fences.first().map(|&at| if at & IN_MODEL == 0 { arena + at } else { model + (at & !IN_MODEL) })?;
        // SAFETY: fences lie in the arena or in the model, both of which are memory of this program.
        let read = unsafe { core::ptr::read_volatile(at as usize as *const u8) };
        core::hint::black_box(read);
        fence::take_down(case.unit);
    }
    if case.has_failed {
        fail("fences", &Case(number, "has more than this core's memory protection unit"))
    } else {
        Some(())
    }
}

/// Fills the buffer; `false` at the end of the file.
fn fill(file: &mut File, mut buffer: &mut [u8]) -> Option<bool> {
    while !buffer.is_empty() {
        match file.read(buffer) {
            Ok(0) => return Some(false),
            Ok(count) => buffer = buffer.get_mut(count..)?,
            Err(_) => return fail("cases", &"cannot be read"),
        }
    }
    Some(true)
}

/// The number of a case, and what is wrong with it.
struct Case(u32, &'static str);

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "case {} {}", self.0, self.1)
    }
}
