//! What an LSTM does behind its products, for Helium: what goes into the gates, and their curves.

use core::arch::asm;

use super::Scale;
use super::lstm::{BLOCK, CELLS};
use crate::fixed16::{POWERS, SLOPE, SMALL, START};

/// How the sums of a cell's four gates are scaled; the assembly counts on the order of the fields.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Factors {
    inputs: Shrink,
    recurrents: Shrink,
    /// Where a cell's four results lie, in bytes.
    places: [usize; 4],
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Shrink {
    multipliers: [i32; 4],
    shifts: [i32; 4],
}

impl Factors {
    /// `None` where a factor does not shift to the right by 1 to 31.
    pub fn new(inputs: &[Scale; 4], recurrents: &[Scale; 4]) -> Option<Self> {
        let places = [0, 1, 2, 3].map(|gate: usize| gate.wrapping_mul(CELLS * size_of::<i16>()));
        Some(Self { inputs: Shrink::new(inputs)?, recurrents: Shrink::new(recurrents)?, places })
    }
}

impl Shrink {
    fn new(scales: &[Scale; 4]) -> Option<Self> {
        let are_right = scales.iter().all(|scale| (-31..=-1).contains(&scale.shift));
        let (multipliers, shifts) = (scales.map(|scale| scale.multiplier), scales.map(|scale| scale.shift));
        are_right.then_some(Self { multipliers, shifts })
    }
}

/// `gates[k][j] = sat16(sat16(s_k·(sums[0] + biases)[j][k]) + r_k·sums[1][j][k])` for as many cells as there are biases, at most [`CELLS`].
#[allow(unsafe_code, reason = "Helium has no stable intrinsics")]
#[inline(always)]
pub(super) fn activate(scales: &Factors, sums: &[[i32; BLOCK]; 2], biases: &[i32], gates: &mut [[i16; CELLS]; 4]) {
    let [inputs, recurrents] = sums;
    let cells = (biases.len() / 4).min(CELLS);
    if cells == 0 {
        return;
    }
    // SAFETY: each of `cells` rounds reads four words of both sums and of the biases, and writes a halfword to each gate's 16. 20 words
    // are read of the scales.
    unsafe {
        asm!(
            "vldrw.u32 q4, [r4]",
            "vldrw.u32 q5, [r4, #16]",
            "vldrw.u32 q6, [r4, #32]",
            "vldrw.u32 q7, [r4, #48]",
            "vldrw.u32 q3, [r4, #64]",
            "dls lr, lr",
            "2:",
            "vldrw.u32 q0, [r0], #16",
            "vldrw.u32 q1, [r2], #16",
            "vadd.i32 q0, q0, q1",
            "vldrw.u32 q1, [r1], #16",
            "vqrdmulh.s32 q0, q0, q4",
            "vqrdmulh.s32 q1, q1, q6",
            // Half away from zero: half up of what is one less where it is negative.
            "vshr.s32 q2, q0, #31",
            "vadd.i32 q0, q0, q2",
            "vshr.s32 q2, q1, #31",
            "vadd.i32 q1, q1, q2",
            "vrshl.s32 q0, q0, q5",
            "vrshl.s32 q1, q1, q7",
            "vqmovnb.s32 q0, q0",
            "vmovlb.s16 q0, q0",
            "vqadd.s32 q0, q0, q1",
            "vqmovnb.s32 q0, q0",
            "vstrh.32 q0, [r3, q3]",
            "add r3, #2",
            "le lr, 2b",
            inout("r0") inputs.as_ptr() => _,
            inout("r1") recurrents.as_ptr() => _,
            inout("r2") biases.as_ptr() => _,
            inout("r3") gates.as_mut_ptr() => _,
            in("r4") &raw const *scales,
            inout("lr") cells => _,
            out("d0") _, out("d1") _, out("d2") _, out("d3") _, out("d4") _, out("d5") _, out("d6") _, out("d7") _,
            out("d8") _, out("d9") _, out("d10") _, out("d11") _, out("d12") _, out("d13") _, out("d14") _, out("d15") _,
        );
    }
}

/// [`crate::fixed16::sigmoid`] of every value.
pub(super) fn sigmoid(values: &mut [i16]) {
    curve(values, 0, [0, 1, i16::MAX.into()]);
}

/// [`crate::fixed16::tanh`] of every value with 2 to 6 bits before the point.
pub(super) fn tanh(values: &mut [i16], integer_bits: u32) {
    curve(values, integer_bits.wrapping_sub(2) & 7, [1 << 13, 2, 0]);
}

/// Times a power in a register where bit `$bit` of the index q1 is set.
macro_rules! power {
    (15, $power:literal) => {
        concat!("vpt.s16 lt, q1, zr\n", "vqrdmulht.s16 q3, q3, ", $power, "\n")
    };
    ($shift:literal, $power:literal) => {
        concat!("vshl.i16 q2, q1, #", $shift, "\n", "vpt.s16 lt, q2, zr\n", "vqrdmulht.s16 q3, q3, ", $power, "\n",)
    };
}

/// One step of the reciprocal q1 of q3: q1 + q1·(1 − q3·q1).
macro_rules! newton {
    () => {
        "vqrdmulh.s16 q2, q3, q1\n\
         vsub.i16 q2, q5, q2\n\
         vqrdmulh.s16 q2, q1, q2\n\
         vshl.i16 q2, q2, #2\n\
         vadd.i16 q1, q1, q2\n"
    };
}

/// `±sat15((2 / (1 + e^−(|x|·2^left)) − offset) · 2^bits)`, for negative values taken from `mirror`; eight at a time.
///
/// VQRDMULH rounds a product of two numbers in Q0.15 as [`crate::fixed16`] does, and nothing here leaves 16 bits. An index beyond
/// 16 bits is cut to the last but one; e^−m is 0 for both.
#[allow(unsafe_code, reason = "Helium has no stable intrinsics")]
#[inline(never)]
fn curve(values: &mut [i16], left: u32, [offset, bits, mirror]: [i32; 3]) {
    if values.is_empty() {
        return;
    }
    let [a, b, c, d, e, f] = POWERS;
    // In the order of the registers r2 to r12.
    let constants = [a, b, c, d, e, f, SLOPE, left as i32, offset, bits, 1];
    // SAFETY: the loop's predicate ends behind the values, which are read and written; of `SMALL` entries below 1024 are read, and
    // 11 words of `constants`. What is pushed is popped.
    unsafe {
        asm!(
            "push {{r6, r7}}",
            "vdup.16 q4, r2",
            "vdup.16 q5, r3",
            "vdup.16 q6, r4",
            "vdup.16 q7, r5",
            "ldm r12, {{r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, r12}}",
            "dlstp.16 lr, lr",
            "2:",
            "vldrh.u16 q0, [r0]",
            "vabs.s16 q1, q0",
            "vqshl.u16 q1, r9",
            "vqsub.u16 q1, q1, r12",
            "vmov q2, q1",
            "vbic.i16 q2, #0xfc00",
            "vldrh.u16 q3, [r1, q2, uxtw #1]",
            power!(5, "r2"),
            power!(4, "r3"),
            power!(3, "r4"),
            power!(2, "r5"),
            power!(1, "r6"),
            power!(15, "r7"),
            // (1 + e) / 2.
            "vrhadd.s16 q3, q3, q4",
            "vqrdmulh.s16 q1, q3, r8",
            "vadd.i16 q1, q1, q6",
            newton!(),
            newton!(),
            newton!(),
            "vsub.i16 q1, q1, r10",
            "vqshl.s16 q1, r11",
            "vpt.s16 lt, q0, zr",
            "vsubt.i16 q1, q7, q1",
            "vstrh.16 q1, [r0], #16",
            "letp lr, 2b",
            "pop {{r6, r7}}",
            inout("r0") values.as_mut_ptr() => _,
            in("r1") SMALL.entries.as_ptr(),
            inout("r2") i32::from(i16::MAX) => _,
            inout("r3") 1 << 13 => _,
            inout("r4") START => _,
            inout("r5") mirror => _,
            inout("r12") constants.as_ptr() => _,
            inout("lr") values.len() => _,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
            out("d0") _, out("d1") _, out("d2") _, out("d3") _, out("d4") _, out("d5") _, out("d6") _, out("d7") _,
            out("d8") _, out("d9") _, out("d10") _, out("d11") _, out("d12") _, out("d13") _, out("d14") _, out("d15") _,
        );
    }
}
