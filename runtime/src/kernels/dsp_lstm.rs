//! What an LSTM does behind its gates' sums, for the DSP extension: their curves, the next states, the outputs.

use core::arch::asm;

use super::Scale;
use super::lstm::CELLS;
use crate::fixed16::{SLOPE, SMALL, START};

/// `2 / (1 + e^−m)` in Q2.13 for `m = (r2 + 1) / 2^12` in r4, in its upper 15 bits; see `logistic` of [`crate::fixed16`]. Uses r3 and r5.
///
/// Powers and slope have 17 bits more, so that `round(a · b / 2^15)` is the rounded high half of a product. So has the reciprocal: at 2,
/// the largest there is, it wraps, and so do its products, to the same end. A step of it is `x + x·(1 − h·x)`: one SMMLAR gives
/// `round(h·x) − 1`, one SMMLSR the product with the sign that it needs, rounded half up.
///
/// Of [`SMALL`], whose entries r12 points at, one below their number of 2^12 is read, and the four powers in front of them.
macro_rules! logistic {
    () => {
        concat!(
            "ubfx r3, r2, #0, #12\n\
             ldrh r3, [r12, r3, lsl #1]\n\
             lsrs r4, r2, #12\n\
             beq 3f\n\
             lsls r4, r2, #19\n\
             ldrd r4, r5, [r12, #-16]\n\
             it mi\n\
             smmulrmi r3, r3, r4\n\
             it cs\n\
             smmulrcs r3, r3, r5\n\
             lsrs r4, r2, #14\n\
             beq 3f\n\
             lsls r4, r2, #17\n\
             ldrd r4, r5, [r12, #-8]\n\
             it mi\n\
             smmulrmi r3, r3, r4\n\
             it cs\n\
             smmulrcs r3, r3, r5\n\
             3:\n\
             add r3, r8, r3, lsr #1\n\
             smmlar r4, r3, r6, r11\n\
             lsl r4, r4, #17\n",
            newton!(),
            newton!(),
            newton!(),
        )
    };
}

/// A step of the reciprocal.
macro_rules! newton {
    () => {
        "smmlar r5, r3, r4, r9\n\
         smmlsr r5, r5, r4, r10\n\
         add r4, r4, r5, lsl #19\n"
    };
}

/// Goes through `$values`: `$index` makes the index r2 of a value r1, by the second of `$constants` in r7, `$last` the curve's value r4 of `logistic`'s.
macro_rules! curve {
    ($values:ident, $constants:ident, $index:expr, $last:expr) => {
        asm!(
            "push {{r6, r7}}",
            "ldrd r6, r7, [r5]",
            "2:",
            "ldrsh r1, [r0]",
            $index,
            logistic!(),
            $last,
            "strh r4, [r0], #2",
            "subs lr, #1",
            "bne 2b",
            "pop {{r6, r7}}",
            inout("r0") $values.as_mut_ptr() => _,
            inout("lr") $values.len() => _,
            inout("r5") $constants.as_ptr() => _,
            in("r8") 1 << 14,
            in("r9") -(1 << 13),
            in("r10") 0,
            in("r11") START,
            in("r12") (&raw const SMALL).cast::<u16>().wrapping_add(8),
            out("r1") _, out("r2") _, out("r3") _, out("r4") _,
        )
    };
}

/// [`crate::fixed16::sigmoid`] of every value.
#[allow(unsafe_code, reason = "SMMLAR and SMMLSR have no stable intrinsics")]
#[inline(never)]
pub(super) fn sigmoid(values: &mut [i16]) {
    if values.is_empty() {
        return;
    }
    let constants = [SLOPE << 17, 0];
    // SAFETY: each of as many rounds as there are values reads and writes one of them. Two constants are read; what
    // `logistic` reads is said there.
    unsafe {
        curve!(
            values,
            constants,
            // |x| − 1, but 0 for 0.
            "rsb r2, r1, #0\n\
             add r2, r1, r2, asr #31\n\
             eor r2, r2, r1, asr #31\n",
            // Half of `2 / (1 + e)` in Q0.15; of negative values what is left to the largest.
            "lsr r4, r4, #16\n\
             usat r4, #15, r4\n\
             asr r1, r1, #31\n\
             eor r4, r4, r1, lsr #17\n"
        );
    }
}

/// [`crate::fixed16::tanh`] of every value with 2 to 6 bits before the point.
#[allow(unsafe_code, reason = "SMMLAR and SMMLSR have no stable intrinsics")]
#[inline(never)]
pub(super) fn tanh(values: &mut [i16], integer_bits: u32) {
    if values.is_empty() {
        return;
    }
    let constants = [SLOPE << 17, (integer_bits.wrapping_sub(2) & 7).cast_signed()];
    // SAFETY: as in `sigmoid`.
    unsafe {
        curve!(
            values,
            constants,
            "eor r2, r1, r1, asr #31\n\
             sub r2, r2, r1, asr #31\n\
             lsl r2, r7\n\
             sub r2, #1\n\
             usat r2, #16, r2\n",
            // `2 / (1 + e) − 1` in Q0.15, with the sign.
            "sub r4, r4, #0x40000000\n\
             usat r4, #15, r4, asr #15\n\
             eor r4, r4, r1, asr #31\n\
             sub r4, r4, r1, asr #31\n"
        );
    }
}

/// `c = clip(sat16(round(f·c / 2^15) + round(i·g / 2^right)))`, also in the place of `i`, half away from zero.
#[allow(unsafe_code, reason = "SSAT has no stable intrinsic, and LLVM unpacks the halfwords of four slices one by one")]
#[inline(always)]
pub(super) fn update(right: u32, clip: i16, gates: &mut [[i16; CELLS]; 4], cell: &mut [i16]) {
    let count = cell.len().min(CELLS);
    if count == 0 {
        return;
    }
    const { assert!(CELLS == 16, "the gates lie 32 bytes behind one another") }
    // SAFETY: each of `count` rounds reads and writes a halfword of `cell` and of the first gate, and reads one of the two behind
    // it; all of them have as many.
    unsafe {
        asm!(
            "2:",
            "ldrsh r9, [r0]",
            "ldrsh r10, [r1, #32]",
            "ldrsh r11, [r1]",
            "ldrsh r12, [r1, #64]",
            "smulbb r9, r9, r10",
            "smulbb r11, r11, r12",
            "add r9, r9, r9, asr #31",
            "add r11, r11, r11, asr #31",
            "add r9, #16384",
            "add r11, r8",
            "asr r11, r5",
            "add r9, r11, r9, asr #15",
            "ssat r9, #16, r9",
            "cmp r9, r3",
            "it gt",
            "movgt r9, r3",
            "cmp r9, r4",
            "it lt",
            "movlt r9, r4",
            "strh r9, [r0], #2",
            "strh r9, [r1], #2",
            "subs r2, #1",
            "bne 2b",
            inout("r0") cell.as_mut_ptr() => _,
            inout("r1") gates.as_mut_ptr() => _,
            inout("r2") count => _,
            in("r3") i32::from(clip),
            in("r4") i32::from(clip.saturating_neg()),
            in("r5") right,
            in("r8") 1 << (right.wrapping_sub(1) & 31),
            out("r9") _, out("r10") _, out("r11") _, out("r12") _,
        );
    }
}

/// `y = sat8(offset + round(hidden·gates[3]·gates[0]))`, rounded twice as `finish` says. `false`: nothing was done, the factor does not
/// shift to the right by 1 to 23, or the offset has more than 8 bits.
#[allow(unsafe_code, reason = "SMMLAR has no stable intrinsic")]
#[inline(always)]
pub(super) fn outputs(hidden: Scale, offset: i32, gates: &[[i16; CELLS]; 4], y: &mut [i8]) -> bool {
    let count = y.len().min(CELLS);
    let Some(right) = hidden.shift.checked_neg().filter(|right| (1..=23).contains(right)) else { return false };
    if count == 0 || i8::try_from(offset).is_err() {
        return false;
    }
    // SAFETY: each of `count` rounds reads a halfword of the first gate and one of the last, and writes a byte of `y`; all have as
    // many.
    unsafe {
        asm!(
            "2:",
            "ldrsh r9, [r1, #96]",
            "ldrsh r10, [r1], #2",
            "smulbb r9, r9, r10",
            "lsl r9, #1",
            "add r10, r8, r9, asr #31",
            "smmlar r9, r9, r3, r10",
            "asr r9, r5",
            "ssat r9, #8, r9",
            "strb r9, [r0], #1",
            "subs r2, #1",
            "bne 2b",
            inout("r0") y.as_mut_ptr() => _,
            inout("r1") gates.as_ptr() => _,
            inout("r2") count => _,
            in("r3") hidden.multiplier,
            in("r5") right,
            in("r8") offset.wrapping_mul(2).wrapping_add(1) << (right.wrapping_sub(1) & 31),
            out("r9") _, out("r10") _,
        );
    }
    true
}
