//! The proof that nothing can panic: this links only if no panic path of checking and running a model survives
//! optimization. It is built, not run.

#![no_std]
#![no_main]

use cortex_m_rt::entry;
use thumbnet::{Arena, Model, Session, self_test};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        #[link_name = "\n\nERROR: a panic path survived in the runtime\n"]
        safe fn undefined() -> !;
    }
    undefined()
}

static MODEL: &[u8] = thumbnet::include_model!(env!("THUMBNET_MODEL"));

#[entry]
fn main() -> ! {
    static mut ARENA: Arena<8192> = Arena::new();
    let ok = check_and_run(core::hint::black_box(MODEL), ARENA);
    core::hint::black_box(ok);
    loop {
        cortex_m::asm::wfi();
    }
}

fn check_and_run(bytes: &[u8], arena: &mut [u8]) -> Option<i8> {
    let model = Model::new(bytes).ok()?;
    let mut session = Session::new(&model, arena).ok()?;
    self_test(&mut session).ok()?;
    session.write_raw(&[0.5; 784]).ok()?;
    session.run();
    let scores = session.output(0).ok()?;
    #[cfg(feature = "planted-panic")]
    core::hint::black_box(scores[scores[0] as u8 as usize]);
    scores.first().copied()
}
