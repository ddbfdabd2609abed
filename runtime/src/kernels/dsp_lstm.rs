//! What an LSTM does behind its products, for the DSP extension: what goes into the gates, and their curves.

use core::arch::asm;

use super::Scale;
use super::lstm::{BLOCK, CELLS};
use crate::fixed16::SMALL;

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

/// Requantizes `$x` by the three registers; see `finish`.
macro_rules! shrink {
    ($x:literal, $multiplier:literal, $right:literal, $half:literal) => {
        concat!(
            "lsl ",
            $x,
            ", ",
            $x,
            ", #1\n",
            "smmulr ",
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
            ", ",
            $x,
            ", asr #31\n",
            "add ",
            $x,
            ", ",
            $x,
            ", ",
            $half,
            "\n",
            "asr ",
            $x,
            ", ",
            $x,
            ", ",
            $right,
            "\n",
        )
    };
}

/// `gates[k][j] = sat16(sat16(s_k·(inputs + biases)[j][k]) + r_k·recurrents[j][k])` for as many cells as there are biases, at most [`CELLS`].
#[allow(unsafe_code, reason = "SMMULR has no stable intrinsic")]
#[inline(always)]
pub(super) fn activate(
    scales: &[Gate; 4],
    inputs: &[i32; BLOCK],
    recurrents: &[i32; BLOCK],
    biases: &[i32],
    gates: &mut [[i16; CELLS]; 4],
) {
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
            "ldr r6, [r1], #16",
            shrink!("r6", "r11", "r12", "lr"),
            "qadd r5, r5, r6",
            "ssat r5, #16, r5",
            "strh r5, [r3], #2",
            "subs r7, #1",
            "bne 3b",
            "ldrd r7, r5, [sp]",
            "sub r0, r0, r7, lsl #4",
            "add r0, #4",
            "sub r1, r1, r7, lsl #4",
            "add r1, #4",
            "sub r2, r2, r7, lsl #4",
            "add r2, #4",
            "sub r3, r3, r7, lsl #1",
            "add r3, #32",
            "cmp r4, r5",
            "bne 2b",
            "add sp, #8",
            "pop {{r6, r7}}",
            inout("r0") inputs.as_ptr() => _,
            inout("r1") recurrents.as_ptr() => _,
            inout("r2") biases.as_ptr() => _,
            inout("r3") gates.as_mut_ptr() => _,
            inout("r4") scales.as_ptr() => _,
            inout("r5") cells => _,
            inout("r12") scales.as_ptr_range().end => _,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _, out("lr") _,
        );
    }
}

/// `e^−(2^k)` for k = −2..3, start and slope of the reciprocal, of [`crate::fixed16`]. All but the start have 17 bits more, so that
/// `round(a · b / 2^15)` is one `SMMULR`; the first two wrap, which `SMMLAR` makes good by adding `a`.
static FACTORS: [i32; 8] =
    [25520 << 17, 19875 << 17, 12055 << 17, 4435 << 17, 600 << 17, 11 << 17, 23130, -15420 << 17];

/// [`crate::fixed16::sigmoid`] of every value.
pub(super) fn sigmoid(values: &mut [i16]) {
    curve(values, 0, [0, 1, i16::MAX.into()]);
}

/// [`crate::fixed16::tanh`] of every value with 2 to 6 bits before the point.
pub(super) fn tanh(values: &mut [i16], integer_bits: u32) {
    curve(values, integer_bits.wrapping_sub(2) & 7, [1 << 13, 2, 0]);
}

/// One step of the reciprocal of r3: r4 + r4·(1 − r3·r4).
macro_rules! newton {
    () => {
        "smmulr r5, r3, r4\n\
         rsb r5, r5, #8192\n\
         smmulr r5, r5, r4\n\
         add r4, r4, r5, lsl #19\n"
    };
}

/// `±sat15((2 / (1 + e^−(|x|·2^left)) − offset) · 2^bits)`, for negative values taken from `mirror`.
#[allow(unsafe_code, reason = "SMMULR and SMMLAR have no stable intrinsics")]
#[inline(never)]
fn curve(values: &mut [i16], left: u32, [offset, bits, mirror]: [i32; 3]) {
    if values.is_empty() {
        return;
    }
    // SAFETY: each of as many rounds as there are values reads and writes one of them; of `SMALL` an entry below 1024 is read.
    // LDRD reads the 8 words of `FACTORS`, which are aligned.
    unsafe {
        asm!(
            "push {{r6}}",
            "mov r6, r1",
            "2:",
            "ldrsh r1, [r0]",
            "eor r2, r1, r1, asr #31",
            "sub r2, r2, r1, asr #31",
            "lsl r2, r11",
            "sub r2, #1",
            "usat r2, #16, r2",
            "ubfx r3, r2, #0, #10",
            "ldrh r3, [r6, r3, lsl #1]",
            "lsls r4, r2, #21",
            "ldrd r4, r5, [r12]",
            "it mi",
            "smmlarmi r3, r3, r4, r3",
            "it cs",
            "smmlarcs r3, r3, r5, r3",
            "lsrs r4, r2, #12",
            "beq 3f",
            "lsls r4, r2, #19",
            "ldrd r4, r5, [r12, #8]",
            "it mi",
            "smmulrmi r3, r3, r4",
            "it cs",
            "smmulrcs r3, r3, r5",
            "lsls r4, r2, #17",
            "ldrd r4, r5, [r12, #16]",
            "it mi",
            "smmulrmi r3, r3, r4",
            "it cs",
            "smmulrcs r3, r3, r5",
            "3:",
            "add r3, #32768",
            "lsrs r3, r3, #1",
            "ldrd r4, r5, [r12, #24]",
            "smmlar r4, r3, r5, r4",
            "lsl r4, r4, #17",
            newton!(),
            newton!(),
            newton!(),
            "rsb r4, r8, r4, lsr #17",
            "lsl r4, r9",
            "usat r4, #15, r4",
            "cmp r1, #0",
            "it lt",
            "rsblt r4, r4, r10",
            "strh r4, [r0], #2",
            "subs lr, #1",
            "bne 2b",
            "pop {{r6}}",
            inout("r0") values.as_mut_ptr() => _,
            inout("r1") SMALL.as_ptr() => _,
            inout("lr") values.len() => _,
            in("r8") offset,
            in("r9") bits,
            in("r10") mirror,
            in("r11") left,
            in("r12") FACTORS.as_ptr(),
            out("r2") _, out("r3") _, out("r4") _, out("r5") _,
        );
    }
}
