//! The curves of [`crate::gates`] over slices, for the recurrent layers on cores with the DSP extension.
//!
//! One load brings an entry of the table and the one behind it, and one `SMLAD` weighs both:
//! `(low·(2^b − f) + high·f + 2^(b−1)) >> b` is `low + (((high − low)·f + 2^(b−1)) >> b)`.

use core::arch::asm;

use crate::gates::TANH;

/// A loop over the values at r0, that takes one to r2 by `$first`, and puts back what is in r3 behind `$last`. In between r3 becomes
/// the table's value of the magnitude of r2, of which `$bits` are a fraction, with the sign of r2.
///
/// r8 is what rounds the weighed sum, r10 0xffff, r11 2^bits, r12 the table.
macro_rules! curve {
    ($bits:literal, $right:literal, $first:expr, $last:expr) => {
        concat!(
            "2:\n",
            "ldrsh r2, [r0]\n",
            $first,
            "eor r4, r2, r2, asr #31\n",
            "sub r4, r4, r2, asr #31\n",
            "lsr r3, r4, #",
            $bits,
            "\n",
            "ldr r3, [r12, r3, lsl #1]\n",
            "ubfx r4, r4, #0, #",
            $bits,
            "\n",
            // 2^bits − f in the lower half, f in the upper one.
            "mla r4, r4, r10, r11\n",
            "smlad r3, r3, r4, r8\n",
            "asr r3, #",
            $right,
            "\n",
            "eor r3, r3, r2, asr #31\n",
            "sub r3, r3, r2, asr #31\n",
            $last,
            "strh r3, [r0], #2\n",
            "subs lr, #1\n",
            "bne 2b\n",
        )
    };
}

/// Adds the next value at r1.
macro_rules! plus {
    () => {
        "ldrsh r3, [r1], #2\n\
         add r2, r3\n\
         ssat r2, #16, r2\n"
    };
}

/// Runs a loop of [`curve`] over `$values`, whose other operands are `$b` at r1 and `$c` at r5; all have as many values.
macro_rules! run {
    ($text:expr, $bits:literal, $half:literal, $values:ident, $b:expr, $c:expr) => {
        asm!(
            $text,
            inout("r0") $values.as_mut_ptr() => _,
            inout("r1") $b => _,
            inout("r5") $c => _,
            inout("lr") $values.len() => _,
            in("r8") $half,
            in("r10") 0xffff,
            in("r11") 1 << $bits,
            in("r12") TANH.as_ptr(),
            out("r2") _, out("r3") _, out("r4") _,
        )
    };
}

/// `a = σ(sat16(a + b))`, as far as both go.
#[allow(unsafe_code, reason = "SMLAD has no stable intrinsic")]
pub(super) fn sigmoid_of_sums(a: &mut [i16], b: &[i16]) {
    let count = a.len().min(b.len());
    let a = a.get_mut(..count).unwrap_or_default();
    if a.is_empty() {
        return;
    }
    // SAFETY: as many rounds as `a` has values, of which `b` has no fewer, read one of each and write one of `a`. A magnitude is at
    // most 2^15, so that two entries of the table are read from 2^15 >> 7 = 256 on; it has 514.
    unsafe {
        // (interpolated + 1) >> 1 is one more bit to the right with 2^7 more in front of it.
        run!(curve!("7", "8", plus!(), "add r3, #16384\nusat r3, #15, r3\n"), 7, 192, a, b.as_ptr(), b.as_ptr());
    }
}

/// `a = tanh(sat16(a + b))`, as far as both go.
#[allow(unsafe_code, reason = "SMLAD has no stable intrinsic")]
pub(super) fn tanh_of_sums(a: &mut [i16], b: &[i16]) {
    let count = a.len().min(b.len());
    let a = a.get_mut(..count).unwrap_or_default();
    if a.is_empty() {
        return;
    }
    // SAFETY: as in `sigmoid_of_sums`; entries are read from at most 2^15 >> 6 = 512 on.
    unsafe { run!(curve!("6", "6", plus!(), ""), 6, 32, a, b.as_ptr(), b.as_ptr()) }
}

/// `a = tanh(a)`.
#[allow(unsafe_code, reason = "SMLAD has no stable intrinsic")]
pub(super) fn tanh_of(a: &mut [i16]) {
    if a.is_empty() {
        return;
    }
    // SAFETY: as in `tanh_of_sums`, without another operand.
    unsafe { run!(curve!("6", "6", "", ""), 6, 32, a, TANH.as_ptr(), TANH.as_ptr()) }
}

/// `a = tanh(sat16(a + round(b·c / 2^15)))`, as far as all go.
#[allow(unsafe_code, reason = "SMLAD and SMLABB have no stable intrinsics")]
pub(super) fn tanh_of_reset(a: &mut [i16], b: &[i16], c: &[i16]) {
    let count = a.len().min(b.len()).min(c.len());
    let a = a.get_mut(..count).unwrap_or_default();
    if a.is_empty() {
        return;
    }
    // SAFETY: as in `tanh_of_sums`, and one value of `c` is read in each round.
    unsafe {
        run!(
            curve!(
                "6",
                "6",
                "ldrsh r3, [r1], #2\nldrsh r4, [r5], #2\nmul r3, r3, r4\nadd r3, #16384\nadd r2, r2, r3, asr #15\n\
                 ssat r2, #16, r2\n",
                ""
            ),
            6,
            32,
            a,
            b.as_ptr(),
            c.as_ptr()
        );
    }
}
