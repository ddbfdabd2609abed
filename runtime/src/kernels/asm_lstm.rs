//! What goes into the gates of an LSTM, in assembly: two sums, each by a factor of its own.

use core::arch::asm;

use super::Scale;
use super::lstm::{BLOCK, CELLS};

/// How the sums of a gate are scaled; the assembly counts on the order of the fields.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Gate {
    input: Shrink,
    recurrent: Shrink,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Shrink {
    multiplier: i32,
    right: u32,
    half: i32,
}

impl Gate {
    /// `None` where a factor does not shift to the right by 1 to 30.
    pub fn new(input: Scale, recurrent: Scale) -> Option<Self> {
        Some(Self { input: Shrink::new(input)?, recurrent: Shrink::new(recurrent)? })
    }
}

impl Shrink {
    fn new(scale: Scale) -> Option<Self> {
        let right = scale.shift.checked_neg().filter(|right| (1..=30).contains(right))? as u32;
        Some(Self { multiplier: scale.multiplier, right, half: 1 << (right.wrapping_sub(1) & 31) })
    }
}

/// `$half + round($x · $multiplier / 2^32)`, one less where `$x` is negative; uses r1.
#[cfg(thumbnet_dsp)]
macro_rules! offset_product {
    ($x:literal, $multiplier:literal, $half:literal) => {
        concat!("add r1, ", $half, ", ", $x, ", asr #31\n", "smmlar ", $x, ", ", $x, ", ", $multiplier, ", r1\n")
    };
}

/// The same without SMMLAR; the sign is the product's, which is zero where the two differ.
#[cfg(thumbnet_v7m)]
macro_rules! offset_product {
    ($x:literal, $multiplier:literal, $half:literal) => {
        concat!(
            "smull r1, ",
            $x,
            ", ",
            $x,
            ", ",
            $multiplier,
            "\n",
            "add ",
            $x,
            ", ",
            $x,
            ", r1, lsr #31\n",
            "add ",
            $x,
            ", ",
            $x,
            ", ",
            $x,
            ", asr #31\n",
            "add ",
            $x,
            ", ",
            $half,
            "\n",
        )
    };
}

/// Requantizes `$x` by the three registers as `finish` says; uses r1.
macro_rules! shrink {
    ($x:literal, $multiplier:literal, $right:literal, $half:literal) => {
        concat!(
            "lsl ",
            $x,
            ", ",
            $x,
            ", #1\n",
            offset_product!($x, $multiplier, $half),
            "asr ",
            $x,
            ", ",
            $right,
            "\n",
        )
    };
}

/// `gates[k][j] = sat16(sat16(s_k·(sums[0] + biases)[j][k]) + r_k·sums[1][j][k])` for as many cells as there are biases, at most [`CELLS`].
#[allow(
    unsafe_code,
    reason = "SMMLAR and SSAT have no stable intrinsics, and the compiler keeps the factors of all gates on the stack"
)]
#[inline(always)]
pub(super) fn activate(scales: &[Gate; 4], sums: &[[i32; BLOCK]; 2], biases: &[i32], gates: &mut [[i16; CELLS]; 4]) {
    const {
        assert!(BLOCK == 64, "the sums of the hidden state lie 256 bytes behind the inputs'");
    }
    let cells = (biases.len() / 4).min(CELLS);
    if cells == 0 {
        return;
    }
    // SAFETY: for each of 4 gates, `cells` rounds read a word of both sums and of the biases, 4 words apart, the last of which is
    // word `4·(cells − 1) + 3`, and write a halfword of that gate's 16; six words are read of each of the 4 scales.
    unsafe {
        asm!(
            "push {{r6, r7}}",
            "push {{r5, r12}}",
            "2:",
            "ldm r4!, {{r8, r9, r10, r11, r12, lr}}",
            "ldr r7, [sp]",
            "3:",
            "ldr r5, [r0], #16",
            "ldr r6, [r2], #16",
            "add r5, r6",
            shrink!("r5", "r8", "r9", "r10"),
            "ssat r5, #16, r5",
            "ldr r6, [r0, #240]",
            shrink!("r6", "r11", "r12", "lr"),
            // Of 29 bits at most, as each factor is below 1/2.
            "add r5, r6",
            "ssat r5, #16, r5",
            "strh r5, [r3], #2",
            "subs r7, #1",
            "bne 3b",
            "ldrd r7, r5, [sp]",
            "sub r0, r0, r7, lsl #4",
            "add r0, #4",
            "sub r2, r2, r7, lsl #4",
            "add r2, #4",
            "sub r3, r3, r7, lsl #1",
            "add r3, #32",
            "cmp r4, r5",
            "bne 2b",
            "add sp, #8",
            "pop {{r6, r7}}",
            inout("r0") sums.as_ptr() => _,
            inout("r2") biases.as_ptr() => _,
            inout("r3") gates.as_mut_ptr() => _,
            inout("r4") scales.as_ptr() => _,
            inout("r5") cells => _,
            inout("r12") scales.as_ptr_range().end => _,
            out("r1") _, out("r8") _, out("r9") _, out("r10") _, out("r11") _, out("lr") _,
        );
    }
}
