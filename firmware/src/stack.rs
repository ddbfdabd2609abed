//! The most stack that some work uses: paint what is free, work, and look how far the paint is gone.

use core::ptr;

unsafe extern "C" {
    /// Lowest address of the stack, from cortex-m-rt's linker script.
    static mut _stack_end: u32;
}

const PAINT: u32 = 0xc5c5_c5c5;

/// Bytes below the stack pointer that painting itself may use.
const MARGIN: usize = 128;

/// Runs `work` and gives the bytes of stack that it used below its caller.
pub fn high_water(work: impl FnOnce()) -> usize {
    let bottom = &raw mut _stack_end;
    let top = stack_pointer() - MARGIN;
    let words = (top - bottom as usize) / 4;
    for index in 0..words {
        // SAFETY: from `_stack_end` to below the stack pointer lies free stack, which nothing else refers to.
        unsafe { ptr::write_volatile(bottom.add(index), PAINT) };
    }
    work();
    // SAFETY: the same words as above; nothing runs below the stack pointer now.
    let untouched = (0..words).take_while(|&index| unsafe { ptr::read_volatile(bottom.add(index)) } == PAINT).count();
    top + MARGIN - bottom as usize - 4 * untouched
}

#[inline(always)]
fn stack_pointer() -> usize {
    cortex_m::register::msp::read() as usize
}
