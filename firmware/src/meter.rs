//! Time in core clocks by SysTick, with its 24 bits extended in its interrupt. In QEMU with `-icount` a tick is a fixed
//! number of instructions, so times are exact and repeat.

use core::sync::atomic::{AtomicU32, Ordering};

use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::peripheral::{SCB, SYST};
use cortex_m_rt::exception;

static WRAPS: AtomicU32 = AtomicU32::new(0);

const RELOAD: u32 = 0x00ff_ffff;

#[exception]
fn SysTick() {
    // One writer: the M0 has no atomic addition, and needs none here.
    WRAPS.store(WRAPS.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

/// Starts counting.
pub fn start(mut timer: SYST) {
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(RELOAD);
    timer.clear_current();
    timer.enable_interrupt();
    timer.enable_counter();
}

/// Ticks since the start.
#[inline(always)]
pub fn now() -> u64 {
    loop {
        let wraps = WRAPS.load(Ordering::Relaxed);
        let left = SYST::get_current();
        // A counter that has just wrapped may be read before its interrupt is taken.
        if !SCB::is_pendst_pending() && WRAPS.load(Ordering::Relaxed) == wraps {
            return u64::from(wraps) * u64::from(RELOAD + 1) + u64::from(RELOAD - left);
        }
    }
}

/// The time in front of what is measured.
#[inline(always)]
pub fn begin() -> u64 {
    thumbnet_edge();
    now()
}

/// The time behind what is measured.
#[inline(always)]
pub fn end() -> u64 {
    let time = now();
    thumbnet_edge();
    time
}

/// Where a plugin of the emulator sees both, by its address.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn thumbnet_edge() {
    // Keeps a function that does nothing from being left out.
    core::hint::black_box(());
}

/// Whether the timer's own interrupt came between two times: some ticks are then its own.
#[must_use]
pub const fn was_interrupted(from: u64, to: u64) -> bool {
    from / (RELOAD as u64 + 1) != to / (RELOAD as u64 + 1)
}
