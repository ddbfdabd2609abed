//! Convolution in assembly: two pixels by two channels, from the products to the bytes of the output.
//!
//! Everything that a pair of channels needs happens in one block of assembly, so that accumulators never leave their
//! registers: bias, products ([`four_by_2x2`]), requantization ([`finish`]), clamp, store.

use core::arch::asm;

use super::dsp::{four_by_2x2, one_by_2x2};
use super::finish::{between, finish, saturate};
use super::{Channel, Clamp, Conv2d};
use crate::fixed::Rounding;

/// What the assembly keeps in memory while every register is in use; it counts on the order of the fields.
#[repr(C)]
struct Plan {
    weights: *const i8,
    /// Weights of a row that are computed in fours, and the rest.
    fours: usize,
    tail: usize,
    columns: [*const i16; 2],
    channels: *const Channel,
    outputs: [*mut i8; 2],
    pairs: usize,
    /// `2·zero_point + 1`.
    twice_zero: i32,
    clamp: [i32; 2],
}

/// The whole loop over pairs of channels.
macro_rules! channel_pairs {
    ($clamp:ident, $plan:expr) => {
        asm!(
            "push {{r6, r7}}",
            "push {{r0, r1}}",
            "2:",
            "ldr r4, [sp]",
            "ldrd r0, r2, [r4]",
            "ldr r3, [r4, #8]",
            "ldrd r12, lr, [r4, #12]",
            "ldr r5, [r4, #20]",
            "ldr r8, [r5]",
            "ldr r10, [r5, #12]",
            "mov r9, r8",
            "mov r11, r10",
            "add r1, r0, r2",
            "str r1, [sp, #4]",
            "add r1, r1, r3",
            // What is left of four rounds enters in the middle: bit 3 of the length is in the carry, bit 2 is the sign.
            "lsls r2, r2, #29",
            "bcs 9f",
            "bmi 4f",
            "3:",
            four_by_2x2!(),
            "33:",
            four_by_2x2!(),
            "32:",
            four_by_2x2!(),
            "4:",
            four_by_2x2!(),
            "ldr r6, [sp, #4]",
            "cmp r0, r6",
            "bne 3b",
            "ldr r4, [sp]",
            "ldr r3, [r4, #8]",
            "cbz r3, 6f",
            "5:",
            one_by_2x2!(),
            "subs r3, #1",
            "bne 5b",
            "6:",
            "str r1, [r4]",
            "ldr r7, [r4, #20]",
            "ldrd r5, r6, [r4, #24]",
            "ldr lr, [r4, #36]",
            "ldrd r0, r12, [r4, #40]",
            finish!($clamp, "r8", "r9", "4", "20", "21"),
            finish!($clamp, "r10", "r11", "16", "30", "31"),
            "ldr r4, [sp]",
            "add r7, #24",
            "str r7, [r4, #20]",
            "strd r5, r6, [r4, #24]",
            "ldr r1, [r4, #32]",
            "subs r1, #1",
            "str r1, [r4, #32]",
            "bne 2b",
            "b 7f",
            "9:",
            "bmi 33b",
            "b 32b",
            finish!(@slow_pair $clamp, "r8", "r9", "20", "21"),
            finish!(@slow_pair $clamp, "r10", "r11", "30", "31"),
            "7:",
            "add sp, #8",
            "pop {{r6, r7}}",
            inout("r0") $plan => _,
            out("r1") _, out("r2") _, out("r3") _, out("r4") _, out("r5") _,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _, out("r12") _, out("lr") _,
        )
    };
}

/// Computes an even number of channels of two pixels, as many as there are, and tells how many. The columns are arranged
/// ([`super::dsp::arrange`]).
pub(super) fn two_pixels(p: &Conv2d<'_>, x: [&[i16]; 2], y0: &mut [i8], y1: &mut [i8]) -> usize {
    let outputs = y0.len().min(y1.len());
    pixels(p, x, [y0.as_mut_ptr(), y1.as_mut_ptr()], outputs)
}

/// The same of one pixel: both of the pair are it.
pub(super) fn one_pixel(p: &Conv2d<'_>, x: &[i16], y: &mut [i8]) -> usize {
    let outputs = y.len();
    pixels(p, [x, x], [y.as_mut_ptr(); 2], outputs)
}

/// `outputs` bytes can be written at both places.
#[allow(unsafe_code, reason = "SMLAD, SMMULR and SXTB16 have no stable intrinsics")]
#[inline(always)]
fn pixels(p: &Conv2d<'_>, x: [&[i16]; 2], y: [*mut i8; 2], outputs: usize) -> usize {
    let [first, second] = x;
    let len = first.len();
    let rows = p.channels.len().min(outputs);
    let has_weights = rows.checked_mul(len).is_some_and(|needed| needed <= p.weights.len());
    let is_aligned = (first.as_ptr().addr() | second.as_ptr().addr()) & 3 == 0;
    if len < 4 || second.len() != len || rows < 2 || !has_weights || !is_aligned || p.rounding != Rounding::Double {
        return 0;
    }
    let pairs = rows / 2;
    let mut plan = Plan {
        weights: p.weights.as_ptr(),
        fours: len & !3,
        tail: len & 3,
        columns: [first.as_ptr(), second.as_ptr()],
        channels: p.channels.as_ptr(),
        outputs: y,
        pairs,
        twice_zero: p.output_zero_point.wrapping_mul(2).wrapping_add(1),
        clamp: [p.clamp.min.into(), p.clamp.max.into()],
    };
    let plan = &raw mut plan;
    // SAFETY: `pairs` times two rows of `len` weights, two channels (three words each, `repr(C)`) and two bytes at each output
    // are read and written, which `rows` allows; each pair reads `len` values of both columns. LDR takes any address; LDRD
    // needs the alignment that was checked, and that a `Plan` and a `Channel` have. What `push` stores is popped.
    unsafe {
        if p.clamp == Clamp::NONE {
            channel_pairs!(saturate, plan);
        } else {
            channel_pairs!(between, plan);
        }
    }
    pairs * 2
}
