//! The inner loops of `depthwise_planes` for Armv6-M (Cortex-M0): two outputs, one below the other, whose windows share the values
//! that they have in common.
//!
//! Registers: r0 is the column of the window, r6 and r7 are the sums of the upper and the lower output; r1 to r5 hold values and a
//! weight at a time, which lie on the stack.

use core::arch::asm;

use super::bands::{Rows, Source};
use super::{BLOCK, Planes, any};
use crate::fixed::Rounding;
use crate::kernels::v6m::{requantize, restore_high, save_high};
use crate::kernels::{Channel, Conv2d};

pub(super) use super::any::{finish, keep};

/// What the assembly keeps in registers, the first four, and what it copies to its stack; it counts on the order of the fields.
#[repr(C)]
struct Plan {
    /// Bytes of a column, what `requantize` adds, least minus greatest output, and the greatest.
    column_len: usize,
    constant: i32,
    range: i32,
    most: i32,
    /// The first column of the window, and bytes to the one of the next output.
    column: *const u32,
    step: usize,
    /// Outputs of a row that are left.
    left: usize,
    /// Where both outputs go. The lower one is written first, so that where there is none it goes to the place of the upper one.
    y: [*mut i8; 2],
    /// From output to output.
    y_step: usize,
    bias: i32,
    /// Both halves of the multiplier, and how far to the right.
    multiplier: [u32; 2],
    shift: i32,
    /// `[column][row]`, as many as the window has.
    weights: [i32; MOST],
}

/// Taps of the largest window.
const MOST: usize = 25;

/// A value and the one below it of channel `$channel`, to its plane.
macro_rules! in_pair {
    ($channel:literal) => {
        concat!(
            "movs r7, #",
            $channel,
            "\n",
            "ldrsb r5, [r0, r7]\n",
            "ldrsb r6, [r1, r7]\n",
            "uxth r5, r5\n",
            "lsls r6, r6, #16\n",
            "orrs r5, r6\n",
            "str r5, [r2]\n",
        )
    };
}

/// Copies pairs of rows; `to` starts with the first pair of the first column of the first plane.
#[allow(unsafe_code, reason = "a loop in Rust checks every index")]
pub(super) fn gather(from: &Source<'_>, planes: &Planes, to: &mut [u32]) {
    let Some(plane) = from.checked(planes, to) else { return };
    for column in 0..from.columns {
        let x = from.x.as_ptr().wrapping_add(column.wrapping_mul(from.step));
        let first = to.as_mut_ptr().wrapping_add(column.wrapping_mul(planes.pairs));
        // SAFETY: as `Source::checked` says; words are written aligned. What is pushed is popped.
        unsafe {
            asm!(
                "push {{r6, r7}}",
                "mov r6, r8",
                "push {{r5, r6}}",
                "mov r8, r5",
                "2:",
                in_pair!("0"),
                "adds r2, r2, r3",
                in_pair!("1"),
                "adds r2, r2, r3",
                in_pair!("2"),
                "adds r2, r2, r3",
                in_pair!("3"),
                // Back to the first plane, one word on.
                "subs r2, r2, r3",
                "subs r2, r2, r3",
                "subs r2, r2, r3",
                "adds r2, #4",
                "add r0, r8",
                "add r1, r8",
                "subs r4, #1",
                "bne 2b",
                "pop {{r5, r6}}",
                "mov r8, r6",
                "pop {{r6, r7}}",
                inout("r0") x => _,
                inout("r1") x.wrapping_add(from.below) => _,
                inout("r2") first => _,
                in("r3") plane * 4,
                inout("r4") from.pairs => _,
                in("r5") from.down,
            );
        }
    }
}

/// What computes four channels of a band.
#[derive(Clone, Copy)]
pub(in super::super) struct Kernel {
    is_assembly: bool,
}

impl Kernel {
    /// Windows and shifts to the right that the assembly can do. Always inlined: where the convolution is a constant, no other kernel is
    /// linked.
    #[inline(always)]
    pub fn of(p: &Conv2d<'_>, _: &Planes) -> Self {
        let is_window = matches!((p.window.size, p.window.stride), ([3, 3], _) | ([5, 5], [1, 1]));
        Self { is_assembly: is_window && p.rounding == Rounding::Double && p.right_shifts }
    }

    /// Computes four channels of a band; `y` starts with the first output of the first one.
    #[inline(always)]
    pub(super) fn run(self, p: &Conv2d<'_>, planes: &Planes, words: &[u32], rows_of: &Rows, y: &mut [i8]) {
        if self.is_assembly {
            rows(p, planes, words, rows_of, y);
        } else {
            any::rows(p, planes, words, rows_of, y);
        }
    }
}

/// Computes four channels of a band.
fn rows(p: &Conv2d<'_>, planes: &Planes, words: &[u32], rows: &Rows, y: &mut [i8]) {
    let planes_of_channels = words.chunks_exact(planes.plane().max(1)).zip(rows.first..);
    for ((plane, number), first) in planes_of_channels.zip(0..BLOCK) {
        let (Some(channel), Some(weights)) = (p.channels.get(number), p.weights.get(number..)) else { return };
        let Some(y) = y.get_mut(first..) else { return };
        convolve(p, planes, (channel, weights), plane, rows, y);
    }
}

/// Computes one channel, two rows at the same time.
#[allow(unsafe_code, reason = "assembly")]
fn convolve(
    p: &Conv2d<'_>,
    planes: &Planes,
    (channel, weights): (&Channel, &[i8]),
    plane: &[u32],
    rows: &Rows,
    y: &mut [i8],
) {
    if !has_all(planes, plane, rows, y) {
        return;
    }
    let mut columns = [0i32; MOST];
    let mut in_rows = weights.iter().step_by(rows.step.max(1));
    for row in 0..planes.size {
        for (to, &w) in columns.iter_mut().skip(row).step_by(planes.size.max(1)).zip(in_rows.by_ref().take(planes.size))
        {
            *to = w.into();
        }
    }
    let all = columns.iter().fold(0i32, |sum, w| sum.wrapping_add(*w));
    let bias = channel.bias.wrapping_sub(all.wrapping_mul(p.input_zero_point));
    let [least, most] = [p.clamp.min, p.clamp.max].map(i32::from);
    let row = rows.width.wrapping_mul(rows.step);
    let column_len = planes.pairs.wrapping_mul(size_of::<u32>());
    let mut plan = Plan {
        column_len,
        constant: p.output_zero_point.wrapping_sub(least).wrapping_mul(2).wrapping_add(1) << (!channel.shift & 31),
        range: least.wrapping_sub(most),
        most,
        column: plane.as_ptr(),
        step: column_len.wrapping_mul(planes.stride),
        left: rows.width,
        y: [y.as_mut_ptr(); 2],
        y_step: rows.step,
        bias,
        multiplier: [channel.multiplier as u32 >> 16, channel.multiplier as u32 & 0xffff],
        shift: channel.shift.wrapping_neg(),
        weights: columns,
    };
    for oy in (0..rows.count).step_by(2) {
        let upper = y.as_mut_ptr().wrapping_add(oy.wrapping_mul(row));
        let is_last = oy.wrapping_add(1) == rows.count;
        plan.column = plane.as_ptr().wrapping_add(oy / 2 * planes.stride);
        plan.y = [upper, if is_last { upper } else { upper.wrapping_add(row) }];
        // SAFETY: `has_all` says that all columns of the windows of both rows have their words, and each output its byte.
        unsafe {
            match (planes.size, planes.stride) {
                (3, 1) => two_rows_3x3(&plan),
                (3, _) => two_rows_3x3_stride_2(&plan),
                (_, _) => two_rows_5x5(&plan),
            }
        }
    }
}

/// Whether the windows of all rows lie in the plane, which the assembly reads in whole words, and the outputs in `y`.
fn has_all(planes: &Planes, plane: &[u32], rows: &Rows, y: &[i8]) -> bool {
    let all = || {
        let last_column = rows.width.checked_sub(1)?.checked_mul(planes.stride)?.checked_add(planes.size)?;
        let pairs = rows.count.checked_add(1)? / 2;
        let last_word = pairs.checked_sub(1)?.checked_mul(planes.stride)?;
        let last_pair = last_word.checked_add((planes.size + planes.stride).div_ceil(2))?;
        let last_output = rows.count.checked_mul(rows.width)?.checked_sub(1)?.checked_mul(rows.step)?;
        let is_inside = last_column <= planes.columns && last_pair <= planes.pairs && planes.plane() <= plane.len();
        Some(is_inside && last_output < y.len())
    };
    all().unwrap_or(false)
}

/// Adds the product of the weight in r4 and the value in `$x` to the upper sum; the value is lost.
macro_rules! upper {
    ($x:literal) => {
        concat!("muls ", $x, ", r4, ", $x, "\n", "adds r6, r6, ", $x, "\n")
    };
}

/// The same to the lower sum; the weight is lost.
macro_rules! lower {
    ($x:literal) => {
        concat!("muls r4, ", $x, ", r4\n", "adds r7, r7, r4\n")
    };
}

/// The weight at a place of the stack.
macro_rules! weight {
    ($at:literal) => {
        concat!("ldr r4, [sp, #", $at, "]\n")
    };
}

/// A column of 3×3 with stride 1: `$a` to `$c` are where its weights lie.
macro_rules! column_3 {
    ($a:literal, $b:literal, $c:literal) => {
        concat!(
            "ldr r1, [r0]\n",
            "ldr r2, [r0, #4]\n",
            "sxth r3, r1\n",
            "asrs r1, r1, #16\n",
            weight!($a),
            upper!("r3"),
            lower!("r1"),
            weight!($b),
            upper!("r1"),
            "sxth r3, r2\n",
            lower!("r3"),
            weight!($c),
            upper!("r3"),
            "asrs r2, r2, #16\n",
            lower!("r2"),
        )
    };
}

/// A column of 3×3 with stride 2.
macro_rules! column_3_stride_2 {
    ($a:literal, $b:literal, $c:literal) => {
        concat!(
            "ldr r1, [r0]\n",
            "ldr r2, [r0, #4]\n",
            "ldr r5, [r0, #8]\n",
            weight!($a),
            "sxth r3, r1\n",
            upper!("r3"),
            "sxth r3, r2\n",
            lower!("r3"),
            weight!($b),
            "asrs r1, r1, #16\n",
            upper!("r1"),
            "asrs r2, r2, #16\n",
            lower!("r2"),
            weight!($c),
            upper!("r3"),
            "sxth r5, r5\n",
            lower!("r5"),
        )
    };
}

/// A column of 5×5 with stride 1.
macro_rules! column_5 {
    ($a:literal, $b:literal, $c:literal, $d:literal, $e:literal) => {
        concat!(
            "ldr r1, [r0]\n",
            "ldr r2, [r0, #4]\n",
            "ldr r5, [r0, #8]\n",
            "sxth r3, r1\n",
            "asrs r1, r1, #16\n",
            weight!($a),
            upper!("r3"),
            lower!("r1"),
            weight!($b),
            upper!("r1"),
            "sxth r3, r2\n",
            lower!("r3"),
            weight!($c),
            upper!("r3"),
            "asrs r2, r2, #16\n",
            lower!("r2"),
            weight!($d),
            upper!("r2"),
            "sxth r3, r5\n",
            lower!("r3"),
            weight!($e),
            upper!("r3"),
            "asrs r5, r5, #16\n",
            lower!("r5"),
        )
    };
}

/// Requantizes r0 and stores it at the place that lies at `[sp, $y]`, which moves on.
macro_rules! output {
    ($y:literal) => {
        concat!(
            "lsls r0, r0, #1\n",
            requantize!(),
            "ldr r1, [sp, #",
            $y,
            "]\n",
            "ldr r2, [sp, #20]\n",
            "strb r0, [r1]\n",
            "adds r1, r1, r2\n",
            "str r1, [sp, #",
            $y,
            "]\n",
        )
    };
}

/// A function that computes two rows: how it copies what is on the stack, how long that is, and the window.
macro_rules! two_rows {
    ($name:ident, $copy:expr, $len:literal, $window:expr) => {
        /// Computes two rows of outputs.
        ///
        /// # Safety
        /// The windows of all outputs are there, and the outputs.
        #[allow(unsafe_code, reason = "the compiler keeps sums, weights and pointers in memory")]
        #[inline(never)]
        unsafe fn $name(plan: &Plan) {
            // SAFETY: the plan is copied to the stack, which is left as it was, and so are all registers above r5. What lies where the
            // plan says is read and written as whoever made it has proven; words are aligned.
            unsafe {
                asm!(
                    save_high!(),
                    concat!("sub sp, #", $len),
                    "ldm r0!, {{r2, r3, r4, r5}}",
                    "mov r8, r2",
                    "mov r10, r3",
                    "mov r11, r4",
                    "mov r12, r5",
                    "mov r1, sp",
                    $copy,
                    "movs r2, #128",
                    "lsls r2, r2, #8",
                    "mov lr, r2",
                    // Per output.
                    "2:",
                    "ldr r0, [sp]",
                    "ldr r1, [sp, #4]",
                    "adds r1, r1, r0",
                    "str r1, [sp]",
                    "ldr r6, [sp, #24]",
                    "movs r7, r6",
                    $window,
                    "ldr r3, [sp, #28]",
                    "ldr r4, [sp, #32]",
                    "ldr r5, [sp, #36]",
                    "movs r0, r7",
                    output!("16"),
                    "movs r0, r6",
                    output!("12"),
                    "ldr r1, [sp, #8]",
                    "subs r1, #1",
                    "str r1, [sp, #8]",
                    "beq 3f",
                    "b 2b",
                    "3:",
                    concat!("add sp, #", $len),
                    restore_high!(),
                    inout("r0") plan => _,
                    out("r1") _, out("r2") _, out("r3") _, out("r4") _, out("r5") _,
                );
            }
        }
    };
}

/// Copies six words.
macro_rules! copy_6 {
    () => {
        "ldm r0!, {{r2, r3, r4, r5, r6, r7}}\nstm r1!, {{r2, r3, r4, r5, r6, r7}}\n"
    };
}

two_rows!(
    two_rows_3x3,
    concat!(copy_6!(), copy_6!(), copy_6!(), "ldm r0!, {{r2}}\n", "stm r1!, {{r2}}\n"),
    "80",
    concat!(
        column_3!("40", "44", "48"),
        "add r0, r8\n",
        column_3!("52", "56", "60"),
        "add r0, r8\n",
        column_3!("64", "68", "72"),
    )
);

two_rows!(
    two_rows_3x3_stride_2,
    concat!(copy_6!(), copy_6!(), copy_6!(), "ldm r0!, {{r2}}\n", "stm r1!, {{r2}}\n"),
    "80",
    concat!(
        column_3_stride_2!("40", "44", "48"),
        "add r0, r8\n",
        column_3_stride_2!("52", "56", "60"),
        "add r0, r8\n",
        column_3_stride_2!("64", "68", "72"),
    )
);

two_rows!(
    two_rows_5x5,
    concat!(
        copy_6!(),
        copy_6!(),
        copy_6!(),
        copy_6!(),
        copy_6!(),
        "ldm r0!, {{r2, r3, r4, r5, r6}}\n",
        "stm r1!, {{r2, r3, r4, r5, r6}}\n",
    ),
    "144",
    concat!(
        column_5!("40", "44", "48", "52", "56"),
        "add r0, r8\n",
        column_5!("60", "64", "68", "72", "76"),
        "add r0, r8\n",
        column_5!("80", "84", "88", "92", "96"),
        "add r0, r8\n",
        column_5!("100", "104", "108", "112", "116"),
        "add r0, r8\n",
        column_5!("120", "124", "128", "132", "136"),
    )
);
