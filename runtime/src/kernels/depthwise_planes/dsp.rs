//! The inner loops of `depthwise_planes` for the DSP extension (Cortex-M4, M7, M33).
//!
//! A word of a plane has two values, one above the other. With stride 1 and a window of 3×3, a column of the window adds to four
//! outputs from the three words `(x0, x1) (x2, x3) (x4, x5)`:
//!
//! `y0 += (w0, w1)·(x0, x1) + w2·x2`, `y1 += w0·x1 + (w1, w2)·(x2, x3)`, and `y2`, `y3` alike from the next two:
//!
//! eight instructions for twelve products. All pairs of neighbouring weights of a column are prepared for it. With stride 2 all
//! outputs are like `y0`.
//!
//! `smmlar` adds the constant to the high product. Where the clamp begins at the zero point or above it, as an activation's does,
//! one less for negative sums does not matter: they become the least output in any case, since half less than a whole is at most the
//! zero point. Then it is left out.

use core::arch::asm;

use super::Planes;
use super::assembly::{Kernel, Plan, kernel};
use super::bands::Source;

/// Copies pairs of rows of four channels; `to` starts with the first pair of the first column of the first plane.
pub(super) fn gather(from: &Source<'_>, planes: &Planes, to: &mut [u32]) {
    let Some(plane) = from.checked(planes, to) else { return };
    // Two pairs at a time, where all rows are equally far apart, and then what is left.
    let twos = if from.down == from.below.wrapping_mul(2) { from.pairs / 2 } else { 0 };
    if twos > 0 {
        gather_twos(from, planes, [twos, plane], to);
    }
    let done = twos.wrapping_mul(2);
    if done >= from.pairs {
        return;
    }
    let (x, to) = (from.x.get(done.wrapping_mul(from.down)..), to.get_mut(done..));
    if let (Some(x), Some(to)) = (x, to) {
        gather_pairs(&Source { x, pairs: from.pairs.wrapping_sub(done), ..*from }, planes, plane, to);
    }
}

/// Copies twice as many pairs of rows that are all `from.below` apart.
#[allow(unsafe_code, reason = "SXTB16 and PKHBT have no stable intrinsics")]
#[inline(always)]
fn gather_twos(from: &Source<'_>, planes: &Planes, [twos, plane]: [usize; 2], to: &mut [u32]) {
    let pairs = twos.wrapping_mul(2);
    // From behind a column to the next one, in values and words; columns; twos.
    let outer = [
        from.step.wrapping_sub(pairs.wrapping_mul(from.down)),
        planes.pairs.wrapping_sub(pairs).wrapping_mul(4),
        from.columns,
        twos,
    ];
    // SAFETY: `gather` has asked `checked`, for these pairs or more. LDR takes any address; words are written aligned. What is pushed is popped.
    unsafe {
        asm!(
            "push {{r6, r7}}",
            "ldm r10, {{r6, r7, r8, r9}}",
            "push {{r6, r7, r8, r9}}",
            "mov lr, r9",
            // Per column.
            "2:",
            // Per two pairs of rows.
            "3:",
            "ldr r6, [r0]",
            "ldr r7, [r0, r1]",
            "ldr r8, [r0, r1, lsl #1]",
            "ldr r9, [r0, r2]",
            "add r0, r0, r1, lsl #2",
            "pkhbt r10, r6, r7, lsl #16",
            "pkhtb r7, r7, r6, asr #16",
            "pkhbt r11, r8, r9, lsl #16",
            "pkhtb r9, r9, r8, asr #16",
            "sxtb16 r6, r10",
            "sxtb16 r8, r11",
            "strd r6, r8, [r3], #8",
            "sxtb16 r10, r10, ror #8",
            "sxtb16 r11, r11, ror #8",
            "strd r10, r11, [r4], #8",
            "sxtb16 r6, r7",
            "sxtb16 r8, r9",
            "strd r6, r8, [r5], #8",
            "sxtb16 r7, r7, ror #8",
            "sxtb16 r9, r9, ror #8",
            "strd r7, r9, [r12], #8",
            "subs lr, #1",
            "bne 3b",
            "ldrd r6, r7, [sp]",
            "add r0, r6",
            "add r3, r7",
            "add r4, r7",
            "add r5, r7",
            "add r12, r7",
            "ldrd r6, lr, [sp, #8]",
            "subs r6, #1",
            "str r6, [sp, #8]",
            "bne 2b",
            "add sp, #16",
            "pop {{r6, r7}}",
            inout("r0") from.x.as_ptr() => _,
            in("r1") from.below,
            in("r2") from.below.wrapping_mul(3),
            inout("r3") to.as_mut_ptr() => _,
            inout("r4") to.as_mut_ptr().wrapping_add(plane) => _,
            inout("r5") to.as_mut_ptr().wrapping_add(plane * 2) => _,
            inout("r12") to.as_mut_ptr().wrapping_add(plane * 3) => _,
            inout("r10") outer.as_ptr() => _,
            out("r8") _, out("r9") _, out("r11") _, out("lr") _,
        );
    }
}

/// Copies pairs of rows one by one.
#[allow(unsafe_code, reason = "SXTB16 and PKHBT have no stable intrinsics")]
#[inline(always)]
fn gather_pairs(from: &Source<'_>, planes: &Planes, plane: usize, to: &mut [u32]) {
    let outer = [from.step, planes.pairs.wrapping_mul(4), from.columns, from.pairs];
    // SAFETY: `gather` has asked `checked`, for these pairs or more. LDR takes any address; words are written aligned. What is pushed is popped.
    unsafe {
        asm!(
            "push {{r6, r7}}",
            "ldm r10, {{r6, r7, r8, r9}}",
            "push {{r6, r7, r8, r9}}",
            "mov r10, r0",
            "mov r11, r3",
            "mov lr, r9",
            // Per column.
            "2:",
            // Per pair of rows.
            "3:",
            "ldr r6, [r0]",
            "ldr r7, [r0, r1]",
            "add r0, r2",
            "pkhbt r8, r6, r7, lsl #16",
            "pkhtb r7, r7, r6, asr #16",
            "sxtb16 r6, r8",
            "sxtb16 r8, r8, ror #8",
            "sxtb16 r9, r7",
            "sxtb16 r7, r7, ror #8",
            "str r8, [r3, r4]",
            "str r9, [r3, r4, lsl #1]",
            "str r7, [r3, r5]",
            "str r6, [r3], #4",
            "subs lr, #1",
            "bne 3b",
            "ldrd r6, r7, [sp]",
            "add r10, r6",
            "add r11, r7",
            "mov r0, r10",
            "mov r3, r11",
            "ldrd r6, lr, [sp, #8]",
            "subs r6, #1",
            "str r6, [sp, #8]",
            "bne 2b",
            "add sp, #16",
            "pop {{r6, r7}}",
            inout("r0") from.x.as_ptr() => _,
            in("r1") from.below,
            in("r2") from.down,
            inout("r3") to.as_mut_ptr() => _,
            in("r4") plane * 4,
            in("r5") plane * 12,
            inout("r10") outer.as_ptr() => _,
            out("r8") _, out("r9") _, out("r11") _, out("lr") _,
        );
    }
}

/// Computes all rows of a plan.
#[inline(always)]
pub(super) fn rows(kernel: Kernel, plan: &Plan) {
    match kernel {
        Kernel::Any => {}
        Kernel::Activated3x3 => rows_3x3_activated(plan),
        Kernel::Rows3x3 => rows_3x3(plan),
        Kernel::Activated3x3Stride2 => rows_3x3_stride_2_activated(plan),
        Kernel::Rows3x3Stride2 => rows_3x3_stride_2(plan),
        Kernel::Rows5x5 => rows_5x5(plan),
        Kernel::Rows5x5Stride2 => rows_5x5_stride_2(plan),
    }
}

/// Pairs of neighbouring weights of three columns, doubled, to r12; the bias in r5 is corrected for the zero point.
macro_rules! prepare_3 {
    () => {
        concat!(
            "mov lr, #3\n",
            "mov r1, #0\n",
            "ldr r2, [sp, #96]\n",
            "8:\n",
            "ldrsb r9, [r6]\n",
            "ldrsb r10, [r6, r7]\n",
            "ldrsb r11, [r6, r7, lsl #1]\n",
            "add r6, r8\n",
            "pkhbt r9, r9, r10, lsl #16\n",
            "pkhbt r10, r10, r11, lsl #16\n",
            "sadd16 r9, r9, r9\n",
            "sadd16 r10, r10, r10\n",
            "smlad r1, r9, r2, r1\n",
            "smlatb r1, r10, r2, r1\n",
            "strd r9, r10, [r12], #8\n",
            "subs lr, #1\n",
            "bne 8b\n",
            "sub r5, r1\n",
        )
    };
}

/// The same of five columns.
macro_rules! prepare_5 {
    () => {
        concat!(
            "mov lr, #5\n",
            "mov r1, #0\n",
            "ldr r2, [sp, #96]\n",
            "8:\n",
            "ldrsb r9, [r6]\n",
            "ldrsb r10, [r6, r7]\n",
            "ldrsb r11, [r6, r7, lsl #1]\n",
            "add r3, r6, r7, lsl #1\n",
            "ldrsb r4, [r3, r7]\n",
            "ldrsb r3, [r3, r7, lsl #1]\n",
            "add r6, r8\n",
            "pkhbt r9, r9, r10, lsl #16\n",
            "pkhbt r10, r10, r11, lsl #16\n",
            "pkhbt r11, r11, r4, lsl #16\n",
            "pkhbt r4, r4, r3, lsl #16\n",
            "sadd16 r9, r9, r9\n",
            "sadd16 r10, r10, r10\n",
            "sadd16 r11, r11, r11\n",
            "sadd16 r4, r4, r4\n",
            "smlad r1, r9, r2, r1\n",
            "smlad r1, r11, r2, r1\n",
            "smlatb r1, r4, r2, r1\n",
            "strd r9, r10, [r12], #8\n",
            "strd r11, r4, [r12], #8\n",
            "subs lr, #1\n",
            "bne 8b\n",
            "sub r5, r1\n",
        )
    };
}

/// Weights of a column, two pairs, into r5 and r6.
macro_rules! weights {
    ($at:literal) => {
        concat!("ldrd r5, r6, [sp, #", $at, "]\n")
    };
}

/// Four outputs of a column of 3×3 with stride 1. `$a` to `$d` are what the sums start from.
macro_rules! column_3 {
    ($at:literal, $a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            weights!($at),
            "ldm r0, {{r7, r8, r9}}\n",
            "smlad r10, r5, r7, ",
            $a,
            "\n",
            "smlabt r11, r5, r7, ",
            $b,
            "\n",
            "smlad r12, r5, r8, ",
            $c,
            "\n",
            "smlabt lr, r5, r8, ",
            $d,
            "\n",
            "smlatb r10, r6, r8, r10\n",
            "smlad r11, r6, r8, r11\n",
            "smlatb r12, r6, r9, r12\n",
            "smlad lr, r6, r9, lr\n",
        )
    };
    ($at:literal, $a:literal, $b:literal) => {
        concat!(
            weights!($at),
            "ldrd r7, r8, [r0]\n",
            "smlad r10, r5, r7, ",
            $a,
            "\n",
            "smlabt r11, r5, r7, ",
            $b,
            "\n",
            "smlatb r10, r6, r8, r10\n",
            "smlad r11, r6, r8, r11\n",
        )
    };
}

/// The same with stride 2.
macro_rules! column_3_stride_2 {
    ($at:literal, $a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            weights!($at),
            "ldm r0, {{r7, r8, r9}}\n",
            "smlad r10, r5, r7, ",
            $a,
            "\n",
            "smlad r11, r5, r8, ",
            $b,
            "\n",
            "smlad r12, r5, r9, ",
            $c,
            "\n",
            "smlatb r10, r6, r8, r10\n",
            "smlatb r11, r6, r9, r11\n",
            "ldrd r7, r8, [r0, #12]\n",
            "smlad lr, r5, r7, ",
            $d,
            "\n",
            "smlatb r12, r6, r7, r12\n",
            "smlatb lr, r6, r8, lr\n",
        )
    };
    ($at:literal, $a:literal, $b:literal) => {
        concat!(
            weights!($at),
            "ldm r0, {{r7, r8, r9}}\n",
            "smlad r10, r5, r7, ",
            $a,
            "\n",
            "smlad r11, r5, r8, ",
            $b,
            "\n",
            "smlatb r10, r6, r8, r10\n",
            "smlatb r11, r6, r9, r11\n",
        )
    };
}

/// Weights of a column of 5×5, four pairs, into r5 to r8, and three words into r3, r4 and r9.
macro_rules! load_5 {
    ($at:literal, $next:literal) => {
        concat!("ldrd r5, r6, [sp, #", $at, "]\n", "ldrd r7, r8, [sp, #", $next, "]\n", "ldm r0, {{r3, r4, r9}}\n",)
    };
}

/// Four outputs of a column of 5×5 with stride 1; the second offset of weights is behind the first one's two.
macro_rules! column_5 {
    ($at:literal, $next:literal, $a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            load_5!($at, $next),
            "smlad r10, r5, r3, ",
            $a,
            "\n",
            "smlabt r11, r5, r3, ",
            $b,
            "\n",
            "smlad r12, r5, r4, ",
            $c,
            "\n",
            "smlabt lr, r5, r4, ",
            $d,
            "\n",
            "ldr r3, [r0, #12]\n",
            "smlad r10, r7, r4, r10\n",
            "smlad r11, r6, r4, r11\n",
            "smlad r12, r7, r9, r12\n",
            "smlad lr, r6, r9, lr\n",
            "smlatb r10, r8, r9, r10\n",
            "smlad r11, r8, r9, r11\n",
            "smlatb r12, r8, r3, r12\n",
            "smlad lr, r8, r3, lr\n",
        )
    };
    ($at:literal, $next:literal, $a:literal, $b:literal) => {
        concat!(
            load_5!($at, $next),
            "smlad r10, r5, r3, ",
            $a,
            "\n",
            "smlabt r11, r5, r3, ",
            $b,
            "\n",
            "smlad r10, r7, r4, r10\n",
            "smlad r11, r6, r4, r11\n",
            "smlatb r10, r8, r9, r10\n",
            "smlad r11, r8, r9, r11\n",
        )
    };
}

/// The same with stride 2.
macro_rules! column_5_stride_2 {
    ($at:literal, $next:literal, $a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            load_5!($at, $next),
            "smlad r10, r5, r3, ",
            $a,
            "\n",
            "smlad r11, r5, r4, ",
            $b,
            "\n",
            "smlad r12, r5, r9, ",
            $c,
            "\n",
            "smlad r10, r7, r4, r10\n",
            "smlad r11, r7, r9, r11\n",
            "smlatb r10, r8, r9, r10\n",
            "ldrd r3, r4, [r0, #12]\n",
            "ldr r9, [r0, #20]\n",
            "smlad lr, r5, r3, ",
            $d,
            "\n",
            "smlatb r11, r8, r3, r11\n",
            "smlad r12, r7, r3, r12\n",
            "smlad lr, r7, r4, lr\n",
            "smlatb r12, r8, r4, r12\n",
            "smlatb lr, r8, r9, lr\n",
        )
    };
    ($at:literal, $next:literal, $a:literal, $b:literal) => {
        concat!(
            load_5!($at, $next),
            "smlad r10, r5, r3, ",
            $a,
            "\n",
            "smlad r11, r5, r4, ",
            $b,
            "\n",
            "smlad r10, r7, r4, r10\n",
            "smlad r11, r7, r9, r11\n",
            "ldr r3, [r0, #12]\n",
            "smlatb r10, r8, r9, r10\n",
            "smlatb r11, r8, r3, r11\n",
        )
    };
}

/// Three columns; `$back` goes to the first column of the next output from the third one.
macro_rules! window_3 {
    ($column:ident, $back:literal, four) => {
        concat!(
            "ldr lr, [sp, #28]\n",
            $column!("100", "lr", "lr", "lr", "lr"),
            "add r0, r1\n",
            $column!("108", "r10", "r11", "r12", "lr"),
            "add r0, r1\n",
            $column!("116", "r10", "r11", "r12", "lr"),
            $back,
        )
    };
    ($column:ident, $back:literal, two) => {
        concat!(
            "ldr r11, [sp, #28]\n",
            $column!("100", "r11", "r11"),
            "add r0, r1\n",
            $column!("108", "r10", "r11"),
            "add r0, r1\n",
            $column!("116", "r10", "r11"),
            $back,
        )
    };
}

/// Five columns, and multiplier and constant into r3 and r4.
macro_rules! window_5 {
    ($column:ident, $back:literal, four) => {
        concat!(
            "ldr lr, [sp, #28]\n",
            $column!("100", "108", "lr", "lr", "lr", "lr"),
            "add r0, r1\n",
            $column!("116", "124", "r10", "r11", "r12", "lr"),
            "add r0, r1\n",
            $column!("132", "140", "r10", "r11", "r12", "lr"),
            "add r0, r1\n",
            $column!("148", "156", "r10", "r11", "r12", "lr"),
            "add r0, r1\n",
            $column!("164", "172", "r10", "r11", "r12", "lr"),
            $back,
            "ldrd r3, r4, [sp, #20]\n",
        )
    };
    ($column:ident, $back:literal, two) => {
        concat!(
            "ldr r11, [sp, #28]\n",
            $column!("100", "108", "r11", "r11"),
            "add r0, r1\n",
            $column!("116", "124", "r10", "r11"),
            "add r0, r1\n",
            $column!("132", "140", "r10", "r11"),
            "add r0, r1\n",
            $column!("148", "156", "r10", "r11"),
            "add r0, r1\n",
            $column!("164", "172", "r10", "r11"),
            $back,
            "ldrd r3, r4, [sp, #20]\n",
        )
    };
}

/// The high product of a sum, one less where it is negative, and the constant.
macro_rules! signed {
    ($sum:literal) => {
        concat!("add r5, r4, ", $sum, ", asr #31\n", "smmlar ", $sum, ", ", $sum, ", r3, r5\n")
    };
}

/// The same for sums whose negative outputs are clamped anyway.
macro_rules! activated {
    ($sum:literal) => {
        concat!("smmlar ", $sum, ", ", $sum, ", r3, r4\n")
    };
}

/// Shifts and saturates a sum.
macro_rules! saturated {
    ($sum:literal) => {
        concat!("asr ", $sum, ", r5\n", "ssat ", $sum, ", #8, ", $sum, "\n")
    };
}

/// Outputs of four or two sums, stored one below the other; r2 and the flags are those of the next output then.
macro_rules! finish {
    ($product:ident, four) => {
        concat!(
            $product!("r10"),
            $product!("r11"),
            $product!("r12"),
            $product!("lr"),
            "ldm sp, {{r5, r6, r7, r8, r9}}\n",
            saturated!("r10"),
            saturated!("r11"),
            saturated!("r12"),
            saturated!("lr"),
            "strb lr, [r2, r7]\n",
            "strb r12, [r2, r6, lsl #1]\n",
            "strb r11, [r2, r6]\n",
            "strb r10, [r2]\n",
            "add r2, r8\n",
            "cmp r0, r9\n",
        )
    };
    ($product:ident, two) => {
        concat!(
            $product!("r10"),
            $product!("r11"),
            "ldm sp, {{r5, r6, r7, r8, r9}}\n",
            saturated!("r10"),
            saturated!("r11"),
            "strb r11, [r2, r6]\n",
            "strb r10, [r2]\n",
            "add r2, r8\n",
            "cmp r0, r9\n",
        )
    };
}

kernel!(rows_3x3, prepare_3, window_3, column_3, "sub r0, r1\n", finish, signed, "8");
kernel!(rows_3x3_activated, prepare_3, window_3, column_3, "sub r0, r1\n", finish, activated, "8");
kernel!(rows_3x3_stride_2, prepare_3, window_3, column_3_stride_2, "", finish, signed, "16");
kernel!(rows_3x3_stride_2_activated, prepare_3, window_3, column_3_stride_2, "", finish, activated, "16");
kernel!(rows_5x5, prepare_5, window_5, column_5, "sub r0, r0, r1, lsl #1\nsub r0, r1\n", finish, signed, "8");
kernel!(rows_5x5_stride_2, prepare_5, window_5, column_5_stride_2, "sub r0, r0, r1, lsl #1\n", finish, signed, "16");
