//! Runs a compiled model on an emulated board: its self-test, then inferences, whose time and memory it prints as one line of
//! JSON.

#![no_std]
#![no_main]

use cortex_m_rt::entry;
use semihosting::{println, process};
use thumbnet_firmware::qemu::fail;
use thumbnet_firmware::{meter, stack};

include!(concat!(env!("OUT_DIR"), "/compiled.rs"));

static mut MEMORY: network::Memory = network::Memory::new();

#[entry]
fn main() -> ! {
    if let Some(peripherals) = cortex_m::Peripherals::take() {
        meter::start(peripherals.SYST);
    }
    process::exit(i32::from(run().is_none()))
}

fn run() -> Option<()> {
    // SAFETY: `run` is called once, and this is the only reference to the static.
    let memory = unsafe { (&raw mut MEMORY).as_mut() }?;
    let mut session = network::Session::new(memory);
    if let Err(mismatch) = session.self_test() {
        return fail("self-test", &mismatch);
    }
    let start = meter::now();
    let overhead = meter::now() - start;
    let start = meter::now();
    session.run();
    let ticks = meter::now() - start - overhead;
    let stack = stack::high_water(|| session.run());
    println!("{{\"ticks\":{},\"memory\":{},\"stack\":{}}}", ticks, size_of::<network::Memory>(), stack);
    Some(())
}
