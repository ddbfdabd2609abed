//! A network on the nRF52840: self-test at boot, then the golden input over and over, with core clocks per step.
//! `cargo --config boards/nrf52840.toml run --release --features nrf52840 --bin nrf52840` flashes it by probe-rs.

#![no_std]
#![no_main]

use cortex_m::peripheral::DWT;
use cortex_m_rt::entry;
use defmt_rtt as _;
use panic_probe as _;
use thumbnet::results::top_k;
use thumbnet::{Model, Observer, Session, self_test};

// `MODEL` and its `Memory`, for which build.rs has made sure that there is room.
include!(concat!(env!("OUT_DIR"), "/model.rs"));

#[entry]
fn main() -> ! {
    static mut MEMORY: Memory = Memory::new();
    match run(MEMORY) {
        Ok(()) => defmt::info!("done"),
        Err(error) => defmt::error!("{}", error),
    }
    loop {
        cortex_m::asm::wfi();
    }
}

fn run(memory: &mut Memory) -> Result<(), &'static str> {
    let mut peripherals = cortex_m::Peripherals::take().ok_or("peripherals were taken before")?;
    peripherals.DCB.enable_trace();
    peripherals.DWT.enable_cycle_counter();
    let model = Model::new(MODEL).map_err(|_| "the model does not check")?;
    let mut session = Session::new(&model, memory).map_err(|_| "the arena is too small")?;
    match self_test(&mut session) {
        Ok(()) => defmt::info!("self-test: bit-identical to the desktop"),
        Err(mismatch) => defmt::error!("self-test: {}", mismatch),
    }
    let case = model.golden_cases().next().ok_or("the model carries no golden case")?;
    let input: &[i8] = bytemuck::cast_slice(case.inputs);
    let own = session.input_mut(0).map_err(|_| "the input is not int8")?;
    own.iter_mut().zip(input).for_each(|(to, from)| *to = *from);
    session.run_observed(&mut Cycles { start: 0 });
    let scores = session.output(0).map_err(|_| "the output is not int8")?;
    for class in top_k::<3>(&model, scores) {
        defmt::info!("{} {}", class.label, class.score);
    }
    Ok(())
}

/// Prints the core clocks of every step.
struct Cycles {
    start: u32,
}

impl Observer for Cycles {
    fn before(&mut self, _: usize) {
        self.start = DWT::cycle_count();
    }

    fn after(&mut self, step: usize, _: &[u8]) {
        let cycles = DWT::cycle_count().wrapping_sub(self.start);
        if DWT::cycle_counter_enabled() {
            defmt::info!("step {}: {} cycles", step, cycles);
        }
    }
}
