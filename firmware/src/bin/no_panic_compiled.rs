//! The proof that nothing can panic in a compiled model: this links only if no panic path survives optimization. What it
//! places in flash beside its tables is the code that the model needs, to which the self-test would add: that is linked only
//! with the feature of its name, and holds to the same proof. It is built, not run.

#![no_std]
#![no_main]

use cortex_m_rt::entry;

include!(concat!(env!("OUT_DIR"), "/compiled.rs"));

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        #[link_name = "\n\nERROR: a panic path survived in a compiled model\n"]
        safe fn undefined() -> !;
    }
    undefined()
}

#[entry]
fn main() -> ! {
    let mut memory = network::Memory::new();
    let mut session = network::Session::new(&mut memory);
    #[cfg(feature = "self-test")]
    core::hint::black_box(session.self_test().is_ok());
    if let Ok(input) = session.input_bytes_mut(0) {
        input.fill(core::hint::black_box(1));
    }
    session.run();
    core::hint::black_box(session.output_bytes(0).ok());
    loop {
        cortex_m::asm::wfi();
    }
}
