//! The inner loops of `depthwise_planes` for cores without the DSP extension (Cortex-M3): a value is loaded once for all products
//! of a column that it has a part in, with four outputs about three.
//!
//! The constant, less one where the sum is negative, is the high word of what `smlal` adds to, half a unit of the high word the low
//! one.

use core::arch::asm;

use super::Planes;
use super::assembly::{Kernel, Plan, kernel};
use super::bands::Source;

/// Copies pairs of rows of four channels; `to` starts with the first pair of the first column of the first plane.
#[allow(unsafe_code, reason = "a loop in Rust checks every index")]
pub(super) fn gather(from: &Source<'_>, planes: &Planes, to: &mut [u32]) {
    let Some(plane) = from.checked(planes, to) else { return };
    let outer = [from.step, planes.pairs.wrapping_mul(4), from.columns, from.pairs];
    // SAFETY: as `Source::checked` says; words are written aligned. What is pushed is popped.
    unsafe {
        asm!(
            "push {{r6, r7}}",
            "ldm r10, {{r6, r7, r8, r9}}",
            "push {{r6, r7, r8, r9}}",
            "mov r10, r0",
            "mov r11, r3",
            "mov lr, r9",
            "add r12, r0, r1",
            // Per column.
            "2:",
            // Per pair of rows.
            "3:",
            "ldrsb r6, [r0, #1]",
            "ldrsb r7, [r12, #1]",
            "ldrsb r8, [r0, #2]",
            "ldrsb r9, [r12, #2]",
            "bfi r6, r7, #16, #16",
            "bfi r8, r9, #16, #16",
            "str r6, [r3, r4]",
            "str r8, [r3, r4, lsl #1]",
            "ldrsb r6, [r0, #3]",
            "ldrsb r7, [r12, #3]",
            "ldrsb r8, [r0]",
            "ldrsb r9, [r12]",
            "add r0, r2",
            "add r12, r2",
            "bfi r6, r7, #16, #16",
            "bfi r8, r9, #16, #16",
            "str r6, [r3, r5]",
            "str r8, [r3], #4",
            "subs lr, #1",
            "bne 3b",
            "ldrd r6, r7, [sp]",
            "add r10, r6",
            "add r11, r7",
            "mov r0, r10",
            "mov r3, r11",
            "add r12, r0, r1",
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
            out("r8") _, out("r9") _, out("r11") _, out("r12") _, out("lr") _,
        );
    }
}

/// Computes all rows of a plan.
#[inline(always)]
pub(super) fn rows(kernel: Kernel, plan: &Plan) {
    match kernel {
        Kernel::Any => {}
        Kernel::Activated3x3 | Kernel::Rows3x3 => rows_3x3(plan),
        Kernel::Activated3x3Stride2 | Kernel::Rows3x3Stride2 => rows_3x3_stride_2(plan),
        Kernel::Rows5x5 => rows_5x5(plan),
        Kernel::Rows5x5Stride2 => rows_5x5_stride_2(plan),
    }
}

/// Weights of three columns, doubled, to r12; their sum times the input's zero point is taken away from the bias in r5.
macro_rules! prepare_3 {
    () => {
        concat!(
            "mov lr, #3\n",
            "mov r3, #0\n",
            "8:\n",
            "ldrsb r9, [r6]\n",
            "ldrsb r10, [r6, r7]\n",
            "ldrsb r11, [r6, r7, lsl #1]\n",
            "add r6, r8\n",
            "lsl r9, r9, #1\n",
            "lsl r10, r10, #1\n",
            "lsl r11, r11, #1\n",
            "stm r12!, {{r9, r10, r11}}\n",
            "add r3, r9\n",
            "add r10, r11\n",
            "add r3, r10\n",
            "subs lr, #1\n",
            "bne 8b\n",
            "ldrsh r4, [sp, #96]\n",
            "mls r5, r3, r4, r5\n",
        )
    };
}

/// The same of five columns.
macro_rules! prepare_5 {
    () => {
        concat!(
            "mov lr, #25\n",
            "mov r3, #0\n",
            "sub r8, r8, r7, lsl #2\n",
            "sub r8, r7\n",
            // Five weights down, and on to the next column.
            "8:\n",
            "mov r9, #5\n",
            "9:\n",
            "ldrsb r10, [r6]\n",
            "add r6, r7\n",
            "lsl r10, r10, #1\n",
            "add r3, r10\n",
            "str r10, [r12], #4\n",
            "subs r9, #1\n",
            "bne 9b\n",
            "add r6, r8\n",
            "subs lr, #5\n",
            "bne 8b\n",
            "ldrsh r4, [sp, #96]\n",
            "mls r5, r3, r4, r5\n",
        )
    };
}

/// Weights of a column of three.
macro_rules! weights_3 {
    ($at:literal) => {
        concat!("add r5, sp, #", $at, "\n", "ldm r5, {{r5, r6, r7}}\n")
    };
}

/// Weights of a column of five.
macro_rules! weights_5 {
    ($at:literal) => {
        concat!("add r3, sp, #", $at, "\n", "ldm r3, {{r3, r4, r5, r6, r7}}\n")
    };
}

/// Four or two outputs of a column of 3×3 with stride 1. `$a` to `$d` are what the sums start from.
macro_rules! column_3 {
    ($at:literal, $a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            weights_3!($at),
            "ldrsh r8, [r0]\n",
            "mla r10, r5, r8, ",
            $a,
            "\n",
            "ldrsh r9, [r0, #2]\n",
            "mla r10, r6, r9, r10\n",
            "mla r11, r5, r9, ",
            $b,
            "\n",
            "ldrsh r8, [r0, #4]\n",
            "mla r10, r7, r8, r10\n",
            "mla r11, r6, r8, r11\n",
            "mla r12, r5, r8, ",
            $c,
            "\n",
            "ldrsh r9, [r0, #6]\n",
            "mla r11, r7, r9, r11\n",
            "mla r12, r6, r9, r12\n",
            "mla lr, r5, r9, ",
            $d,
            "\n",
            "ldrsh r8, [r0, #8]\n",
            "mla r12, r7, r8, r12\n",
            "mla lr, r6, r8, lr\n",
            "ldrsh r9, [r0, #10]\n",
            "mla lr, r7, r9, lr\n",
        )
    };
    ($at:literal, $a:literal, $b:literal) => {
        concat!(
            weights_3!($at),
            "ldrsh r8, [r0]\n",
            "mla r10, r5, r8, ",
            $a,
            "\n",
            "ldrsh r9, [r0, #2]\n",
            "mla r10, r6, r9, r10\n",
            "mla r11, r5, r9, ",
            $b,
            "\n",
            "ldrsh r8, [r0, #4]\n",
            "mla r10, r7, r8, r10\n",
            "mla r11, r6, r8, r11\n",
            "ldrsh r9, [r0, #6]\n",
            "mla r11, r7, r9, r11\n",
        )
    };
}

/// The same with stride 2.
macro_rules! column_3_stride_2 {
    ($at:literal, $a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            weights_3!($at),
            "ldrsh r8, [r0]\n",
            "mla r10, r5, r8, ",
            $a,
            "\n",
            "ldrsh r9, [r0, #2]\n",
            "mla r10, r6, r9, r10\n",
            "ldrsh r8, [r0, #4]\n",
            "mla r10, r7, r8, r10\n",
            "mla r11, r5, r8, ",
            $b,
            "\n",
            "ldrsh r9, [r0, #6]\n",
            "mla r11, r6, r9, r11\n",
            "ldrsh r8, [r0, #8]\n",
            "mla r11, r7, r8, r11\n",
            "mla r12, r5, r8, ",
            $c,
            "\n",
            "ldrsh r9, [r0, #10]\n",
            "mla r12, r6, r9, r12\n",
            "ldrsh r8, [r0, #12]\n",
            "mla r12, r7, r8, r12\n",
            "mla lr, r5, r8, ",
            $d,
            "\n",
            "ldrsh r9, [r0, #14]\n",
            "mla lr, r6, r9, lr\n",
            "ldrsh r8, [r0, #16]\n",
            "mla lr, r7, r8, lr\n",
        )
    };
    ($at:literal, $a:literal, $b:literal) => {
        concat!(
            weights_3!($at),
            "ldrsh r8, [r0]\n",
            "mla r10, r5, r8, ",
            $a,
            "\n",
            "ldrsh r9, [r0, #2]\n",
            "mla r10, r6, r9, r10\n",
            "ldrsh r8, [r0, #4]\n",
            "mla r10, r7, r8, r10\n",
            "mla r11, r5, r8, ",
            $b,
            "\n",
            "ldrsh r9, [r0, #6]\n",
            "mla r11, r6, r9, r11\n",
            "ldrsh r8, [r0, #8]\n",
            "mla r11, r7, r8, r11\n",
        )
    };
}

/// Four or two outputs of a column of 5×5 with stride 1.
macro_rules! column_5 {
    ($at:literal, $a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            weights_5!($at),
            "ldrsh r8, [r0]\n",
            "mla r10, r3, r8, ",
            $a,
            "\n",
            "ldrsh r9, [r0, #2]\n",
            "mla r10, r4, r9, r10\n",
            "mla r11, r3, r9, ",
            $b,
            "\n",
            "ldrsh r8, [r0, #4]\n",
            "mla r10, r5, r8, r10\n",
            "mla r11, r4, r8, r11\n",
            "mla r12, r3, r8, ",
            $c,
            "\n",
            "ldrsh r9, [r0, #6]\n",
            "mla r10, r6, r9, r10\n",
            "mla r11, r5, r9, r11\n",
            "mla r12, r4, r9, r12\n",
            "mla lr, r3, r9, ",
            $d,
            "\n",
            "ldrsh r8, [r0, #8]\n",
            "mla r10, r7, r8, r10\n",
            "mla r11, r6, r8, r11\n",
            "mla r12, r5, r8, r12\n",
            "mla lr, r4, r8, lr\n",
            "ldrsh r9, [r0, #10]\n",
            "mla r11, r7, r9, r11\n",
            "mla r12, r6, r9, r12\n",
            "mla lr, r5, r9, lr\n",
            "ldrsh r8, [r0, #12]\n",
            "mla r12, r7, r8, r12\n",
            "mla lr, r6, r8, lr\n",
            "ldrsh r9, [r0, #14]\n",
            "mla lr, r7, r9, lr\n",
        )
    };
    ($at:literal, $a:literal, $b:literal) => {
        concat!(
            weights_5!($at),
            "ldrsh r8, [r0]\n",
            "mla r10, r3, r8, ",
            $a,
            "\n",
            "ldrsh r9, [r0, #2]\n",
            "mla r10, r4, r9, r10\n",
            "mla r11, r3, r9, ",
            $b,
            "\n",
            "ldrsh r8, [r0, #4]\n",
            "mla r10, r5, r8, r10\n",
            "mla r11, r4, r8, r11\n",
            "ldrsh r9, [r0, #6]\n",
            "mla r10, r6, r9, r10\n",
            "mla r11, r5, r9, r11\n",
            "ldrsh r8, [r0, #8]\n",
            "mla r10, r7, r8, r10\n",
            "mla r11, r6, r8, r11\n",
            "ldrsh r9, [r0, #10]\n",
            "mla r11, r7, r9, r11\n",
        )
    };
}

/// The same with stride 2.
macro_rules! column_5_stride_2 {
    ($at:literal, $a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            weights_5!($at),
            "ldrsh r8, [r0]\n",
            "mla r10, r3, r8, ",
            $a,
            "\n",
            "ldrsh r9, [r0, #2]\n",
            "mla r10, r4, r9, r10\n",
            "ldrsh r8, [r0, #4]\n",
            "mla r10, r5, r8, r10\n",
            "mla r11, r3, r8, ",
            $b,
            "\n",
            "ldrsh r9, [r0, #6]\n",
            "mla r10, r6, r9, r10\n",
            "mla r11, r4, r9, r11\n",
            "ldrsh r8, [r0, #8]\n",
            "mla r10, r7, r8, r10\n",
            "mla r11, r5, r8, r11\n",
            "mla r12, r3, r8, ",
            $c,
            "\n",
            "ldrsh r9, [r0, #10]\n",
            "mla r11, r6, r9, r11\n",
            "mla r12, r4, r9, r12\n",
            "ldrsh r8, [r0, #12]\n",
            "mla r11, r7, r8, r11\n",
            "mla r12, r5, r8, r12\n",
            "mla lr, r3, r8, ",
            $d,
            "\n",
            "ldrsh r9, [r0, #14]\n",
            "mla r12, r6, r9, r12\n",
            "mla lr, r4, r9, lr\n",
            "ldrsh r8, [r0, #16]\n",
            "mla r12, r7, r8, r12\n",
            "mla lr, r5, r8, lr\n",
            "ldrsh r9, [r0, #18]\n",
            "mla lr, r6, r9, lr\n",
            "ldrsh r8, [r0, #20]\n",
            "mla lr, r7, r8, lr\n",
        )
    };
    ($at:literal, $a:literal, $b:literal) => {
        concat!(
            weights_5!($at),
            "ldrsh r8, [r0]\n",
            "mla r10, r3, r8, ",
            $a,
            "\n",
            "ldrsh r9, [r0, #2]\n",
            "mla r10, r4, r9, r10\n",
            "ldrsh r8, [r0, #4]\n",
            "mla r10, r5, r8, r10\n",
            "mla r11, r3, r8, ",
            $b,
            "\n",
            "ldrsh r9, [r0, #6]\n",
            "mla r10, r6, r9, r10\n",
            "mla r11, r4, r9, r11\n",
            "ldrsh r8, [r0, #8]\n",
            "mla r10, r7, r8, r10\n",
            "mla r11, r5, r8, r11\n",
            "ldrsh r9, [r0, #10]\n",
            "mla r11, r6, r9, r11\n",
            "ldrsh r8, [r0, #12]\n",
            "mla r11, r7, r8, r11\n",
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
            $column!("112", "r10", "r11", "r12", "lr"),
            "add r0, r1\n",
            $column!("124", "r10", "r11", "r12", "lr"),
            $back,
        )
    };
    ($column:ident, $back:literal, two) => {
        concat!(
            "ldr r11, [sp, #28]\n",
            $column!("100", "r11", "r11"),
            "add r0, r1\n",
            $column!("112", "r10", "r11"),
            "add r0, r1\n",
            $column!("124", "r10", "r11"),
            $back,
        )
    };
}

/// Five columns, and multiplier and constant into r3 and r4.
macro_rules! window_5 {
    ($column:ident, $back:literal, four) => {
        concat!(
            "ldr lr, [sp, #28]\n",
            $column!("100", "lr", "lr", "lr", "lr"),
            "add r0, r1\n",
            $column!("120", "r10", "r11", "r12", "lr"),
            "add r0, r1\n",
            $column!("140", "r10", "r11", "r12", "lr"),
            "add r0, r1\n",
            $column!("160", "r10", "r11", "r12", "lr"),
            "add r0, r1\n",
            $column!("180", "r10", "r11", "r12", "lr"),
            $back,
            "ldrd r3, r4, [sp, #20]\n",
        )
    };
    ($column:ident, $back:literal, two) => {
        concat!(
            "ldr r11, [sp, #28]\n",
            $column!("100", "r11", "r11"),
            "add r0, r1\n",
            $column!("120", "r10", "r11"),
            "add r0, r1\n",
            $column!("140", "r10", "r11"),
            "add r0, r1\n",
            $column!("160", "r10", "r11"),
            "add r0, r1\n",
            $column!("180", "r10", "r11"),
            $back,
            "ldrd r3, r4, [sp, #20]\n",
        )
    };
}

/// The output of a sum; r5 is how far to the right. Uses r8 and r9.
macro_rules! output {
    ($sum:literal) => {
        concat!(
            "mov r8, #0x80000000\n",
            "add r9, r4, ",
            $sum,
            ", asr #31\n",
            "smlal r8, r9, ",
            $sum,
            ", r3\n",
            "asr ",
            $sum,
            ", r9, r5\n",
            "ssat ",
            $sum,
            ", #8, ",
            $sum,
            "\n",
        )
    };
}

/// Outputs of four or two sums, stored one below the other; r2 and the flags are those of the next output then.
macro_rules! finish {
    ($output:ident, four) => {
        concat!(
            "ldm sp, {{r5, r6, r7}}\n",
            $output!("r10"),
            $output!("r11"),
            $output!("r12"),
            $output!("lr"),
            "ldrd r8, r9, [sp, #12]\n",
            "strb lr, [r2, r7]\n",
            "strb r12, [r2, r6, lsl #1]\n",
            "strb r11, [r2, r6]\n",
            "strb r10, [r2]\n",
            "add r2, r8\n",
            "cmp r0, r9\n",
        )
    };
    ($output:ident, two) => {
        concat!(
            "ldm sp, {{r5, r6, r7}}\n",
            $output!("r10"),
            $output!("r11"),
            "ldrd r8, r9, [sp, #12]\n",
            "strb r11, [r2, r6]\n",
            "strb r10, [r2]\n",
            "add r2, r8\n",
            "cmp r0, r9\n",
        )
    };
}

kernel!(rows_3x3, prepare_3, window_3, column_3, "sub r0, r1\n", finish, output, "8");
kernel!(rows_3x3_stride_2, prepare_3, window_3, column_3_stride_2, "", finish, output, "16");
kernel!(rows_5x5, prepare_5, window_5, column_5, "sub r0, r0, r1, lsl #1\nsub r0, r1\n", finish, output, "8");
kernel!(rows_5x5_stride_2, prepare_5, window_5, column_5_stride_2, "sub r0, r0, r1, lsl #1\n", finish, output, "16");
