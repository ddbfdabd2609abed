//! [`super::winograd_4x4`] for the DSP extension: two outputs by two tiles, as [`super::dsp_winograd`].
//!
//! Transforming inputs adds and shifts two values at once as one number, `65536·upper + lower`, which is what its operations keep: only
//! at the end its halves are made the two values, by `(n + 2^15) ^ 2^15`. Both have 128 added, so that the bytes of an image are
//! such numbers as they are read.

use core::arch::asm;

use super::Conv2d;
use super::dsp_winograd::{Plan, Tiles, position, round, rounds};
use super::winograd_tiles::{Distance, Patch};

/// `Bᵀ·d` of r2 to r7, in place.
macro_rules! along {
    () => {
        "sub r8, r6, r4\n\
         sub r2, r2, r4\n\
         add r2, r8, r2, lsl #2\n\
         sub r6, r6, r4, lsl #2\n\
         sub r9, r3, r5\n\
         sub r7, r7, r5\n\
         add r7, r7, r9, lsl #2\n\
         sub r5, r5, r3, lsl #2\n\
         add r3, r6, r5\n\
         sub r4, r6, r5\n\
         sub r5, r8, r9, lsl #1\n\
         add r6, r8, r9, lsl #1\n"
    };
}

/// Channels 0 and 2, or 1 and 3, of a column, to words that are one row apart, in the order in which positions are stored.
macro_rules! column {
    ($turn:literal, $($to:literal)*) => {
        concat!(
            "ldr r2, [r0]\n",
            "ldr r3, [r0, r1]\n",
            "ldr r4, [r0, r1, lsl #1]\n",
            "ldr r5, [r0, r10]\n",
            "ldr r6, [r0, r1, lsl #2]\n",
            "add r7, r0, r1, lsl #1\n",
            "ldr r7, [r7, r10]\n",
            "sxtab16 r2, r12, r2", $turn, "\n",
            "sxtab16 r3, r12, r3", $turn, "\n",
            "sxtab16 r4, r12, r4", $turn, "\n",
            "sxtab16 r5, r12, r5", $turn, "\n",
            "sxtab16 r6, r12, r6", $turn, "\n",
            "sxtab16 r7, r12, r7", $turn, "\n",
            along!(),
            column!(@store $($to)*),
        )
    };
    (@store $a:literal $b:literal $c:literal $d:literal $e:literal $f:literal) => {
        concat!(
            "str r3, [lr, #", $a, "]\n",
            "str r4, [lr, #", $b, "]\n",
            "str r2, [lr, #", $c, "]\n",
            "str r5, [lr, #", $d, "]\n",
            "str r6, [lr, #", $e, "]\n",
            "str r7, [lr, #", $f, "]\n",
        )
    };
}

/// A row of one tile and two channels, from where r0 points; `$next` is how that goes on.
macro_rules! row {
    ($next:literal) => {
        concat!(
            "ldm r0, {{r2, r3, r4, r5, r6, r7}}\n",
            $next,
            "\n",
            "add r6, r6, #0x8000\n",
            "add r7, r7, #0x8000\n",
            along!(),
            "sub r3, r3, r12\n",
            "eor r2, r2, #0x8000\n",
            "eor r3, r3, #0x8000\n",
            "eor r4, r4, #0x8000\n",
            "eor r5, r5, #0x8000\n",
            "eor r6, r6, #0x8000\n",
            "eor r7, r7, #0x8000\n",
            "str r3, [r1, r11]\n",
            "str r4, [r1, r11, lsl #1]\n",
            "str r2, [r1], #4\n",
            "str r6, [r10, r11]\n",
            "str r7, [r10, r11, lsl #1]\n",
            "str r5, [r10], #4\n",
        )
    };
}

/// Words of six rows of ten columns, twice.
const COLUMNS: usize = 2 * 6 * 10;

/// `Bᵀ·d·B` of two tiles. `false`: nothing was done.
#[allow(unsafe_code, reason = "SXTAB16 has no stable intrinsic")]
pub(super) fn transform_inputs(patch: Patch<'_>, zero_point: i32, tiles: &mut [i16]) -> bool {
    let groups = tiles.len() / (36 * 8);
    let reach = patch.row.checked_mul(5).zip(patch.pixel.checked_mul(9)).and_then(|(a, b)| a.checked_add(b));
    let end = reach.and_then(|reach| reach.checked_add(groups.checked_mul(4)?));
    if end.is_none_or(|end| end > patch.bytes.len()) || tiles.as_ptr().addr() & 3 != 0 {
        return false;
    }
    let mut columns = [0u32; COLUMNS];
    // Bytes from a position to the next one.
    let place = groups.wrapping_mul(16);
    for group in 0..groups {
        // SAFETY: ten columns of six rows are read, 4 bytes each, the last of which end at `end`; LDR takes any address. Each
        // column writes the word of its own number in twelve rows of ten words: all of `columns`. What is pushed is popped.
        unsafe {
            asm!(
                "push {{r2, r3, r6, r7}}",
                "2:",
                column!("", "0" "40" "80" "120" "160" "200"),
                column!(", ror #8", "240" "280" "320" "360" "400" "440"),
                "ldr r2, [sp, #4]",
                "add lr, #4",
                "add r0, r2",
                "subs r11, #1",
                "bne 2b",
                "add sp, #8",
                "pop {{r6, r7}}",
                inout("r0") patch.bytes.as_ptr().wrapping_add(4 * group) => _,
                in("r1") patch.row,
                inout("r3") patch.pixel => _,
                in("r10") patch.row * 3,
                inout("r11") 10 => _,
                in("r12") 0x80_0080,
                inout("lr") columns.as_mut_ptr() => _,
                out("r2") _, out("r4") _, out("r5") _, out("r8") _, out("r9") _,
            );
        }
        // SAFETY: reads the 120 words, six times two rows of two tiles, which overlap, and writes 36 places of 16 bytes, `place`
        // apart, which `tiles` has for every group. LDM needs the alignment of words, and so have both. What is pushed is popped.
        unsafe {
            asm!(
                "push {{r2, r3, r6, r7}}",
                "2:",
                row!("add r0, #16"),
                row!("add r0, #224"),
                row!("add r0, #16"),
                row!("sub r0, #216"),
                "ldr r2, [sp, #4]",
                "add r1, r2",
                "add r10, r2",
                // The zero point belongs to one position.
                "mov r12, #0",
                "subs lr, #1",
                "bne 2b",
                "add sp, #8",
                "pop {{r6, r7}}",
                inout("r0") columns.as_ptr() => _,
                inout("r1") tiles.as_mut_ptr().wrapping_add(8 * group) => _,
                inout("r3") place.wrapping_sub(16) => _,
                inout("r10") tiles.as_mut_ptr().wrapping_add(8 * group).wrapping_byte_add(place * 18) => _,
                in("r11") place * 6,
                inout("r12") (36 * (zero_point + 128)).wrapping_mul(0x1_0001) => _,
                inout("lr") 6 => _,
                out("r2") _, out("r4") _, out("r5") _, out("r8") _, out("r9") _,
            );
        }
    }
    true
}

/// The accumulators to the stack at `$at`.
macro_rules! keep {
    ($at:literal) => {
        concat!("add r12, sp, #", $at, "\nstm r12, {{r8, r9, r10, r11}}\n")
    };
}

macro_rules! zero {
    () => {
        "mov r8, #0\nmov r9, #0\nmov r10, #0\nmov r11, #0\n"
    };
}

/// `Aᵀ·m` down a column, of the accumulator `$last`, which has the last of its positions; what others were on the way is kept at five
/// places from `$a` to `$e`: `m1`, `m1 + m2`, `m0 + m1 + m2`, `m3`, `m3 + m4`.
macro_rules! down {
    ($last:literal, $a:literal, $b:literal, $c:literal, $d:literal, $e:literal) => {
        concat!(
            "ldr r2, [sp, #",
            $a,
            "]\n",
            "ldr r3, [sp, #",
            $b,
            "]\n",
            "ldr r4, [sp, #",
            $c,
            "]\n",
            "ldr r5, [sp, #",
            $d,
            "]\n",
            "ldr r6, [sp, #",
            $e,
            "]\n",
            "rsb r2, r3, r2, lsl #1\n",
            "rsb r5, r6, r5, lsl #1\n",
            "add r4, r4, r6\n",
            "add r7, r3, r6, lsl #2\n",
            "add r6, r2, r5, lsl #1\n",
            "add r2, r2, r5, lsl #3\n",
            "add ",
            $last,
            ", r2, ",
            $last,
            ", lsl #2\n",
            "stm r12!, {{r4, r6, r7, ",
            $last,
            "}}\n",
        )
    };
}

/// An output from 576 times its sum: r0 is the inverse of 9, r1 twice the bias, r10 the multiplier, r11 the shift less 1, r12 the constant.
macro_rules! requantize {
    ($($sum:literal)*) => {
        concat!($(
            "mul ", $sum, ", ", $sum, ", r0\n",
            "add ", $sum, ", r1, ", $sum, ", asr #5\n",
            "add r6, r12, ", $sum, ", asr #31\n",
            "smmlar ", $sum, ", ", $sum, ", r10, r6\n",
            "asr ", $sum, ", ", $sum, ", r11\n",
            "ssat ", $sum, ", #8, ", $sum, ", asr #1\n",
        )*)
    };
}

/// The whole loop over pairs of channels.
///
/// On the stack: 0: from a pixel to the next, from a row to the next, from a tile's last row to the next tile, the end of a tile's sums;
/// 16: a pointer into the sums; 20: the plan; 24: passes left, all passes; 32: five times four accumulators; 112: the sums,
/// `[column][output][tile][row]`.
macro_rules! pairs {
    ($unroll:tt, $plan:expr) => {
        asm!(
            "push {{r6, r7}}",
            "sub sp, #496",
            "str r1, [sp, #20]",
            "ldr r2, [r1, #32]",
            "strd r2, r2, [sp, #24]",
            // Per pair of channels.
            "50:",
            "ldr r5, [sp, #20]",
            "ldrd r0, r1, [r5]",
            "add r12, sp, #112",
            // Per column of positions.
            "20:",
            "str r12, [sp, #16]",
            zero!(),
            "ldr r2, [sp, #28]",
            "cmp r2, #1",
            position!($unroll upper, "21", "41", "31"),
            keep!("32"),
            position!($unroll upper, "22", "42", "32"),
            keep!("48"),
            position!($unroll upper, "23", "43", "33"),
            keep!("64"),
            zero!(),
            position!($unroll upper, "24", "44", "34"),
            keep!("80"),
            position!($unroll upper, "25", "45", "35"),
            keep!("96"),
            zero!(),
            position!($unroll upper, "26", "46", "36"),
            "ldr r12, [sp, #16]",
            down!("r8", "32", "48", "64", "80", "96"),
            down!("r9", "36", "52", "68", "84", "100"),
            down!("r10", "40", "56", "72", "88", "104"),
            down!("r11", "44", "60", "76", "92", "108"),
            "add r2, sp, #496",
            "cmp r12, r2",
            "bne 20b",
            "ldr r5, [sp, #20]",
            "str r0, [r5]",
            // From a row to the next one, and from the last one to the first one of the tile beside it.
            "ldrd r2, r3, [r5, #16]",
            "sub r4, r2, r3",
            "lsl r4, r4, #2",
            "strd r2, r3, [sp]",
            "str r4, [sp, #8]",
            "add r9, sp, #112",
            "movw r0, #0x8e39",
            "movt r0, #0x38e3",
            // Per channel.
            "60:",
            "ldrd r4, lr, [r5, #8]",
            "ldm r4!, {{r1, r10, r11}}",
            "add r6, lr, #1",
            "strd r4, r6, [r5, #8]",
            "ldr r12, [r5, #28]",
            "lsl r1, r1, #1",
            "mvn r11, r11",
            "lsl r12, r12, r11",
            "add r6, r9, #16",
            "str r6, [sp, #12]",
            // Per row of outputs.
            "65:",
            "ldr r2, [r9]",
            "ldr r3, [r9, #64]",
            "ldr r4, [r9, #128]",
            "ldr r5, [r9, #192]",
            "ldr r6, [r9, #256]",
            "ldr r7, [r9, #320]",
            "add r8, r3, r4",
            "sub r3, r3, r4",
            "add r4, r5, r6",
            "sub r5, r5, r6",
            "add r2, r2, r8",
            "add r2, r2, r4",
            "add r8, r8, r4, lsl #2",
            "add r4, r3, r5, lsl #1",
            "add r3, r3, r5, lsl #3",
            "add r3, r3, r7, lsl #2",
            requantize!("r2" "r4" "r8" "r3"),
            "ldrd r6, r7, [sp]",
            "add r5, lr, r6, lsl #1",
            "strb r2, [lr]",
            "strb r4, [lr, r6]",
            "strb r8, [r5]",
            "strb r3, [r5, r6]",
            "add lr, r7",
            "add r9, #4",
            "ldrd r6, r7, [sp, #8]",
            "cmp r9, r7",
            "bne 65b",
            "add lr, r6",
            "add r7, #16",
            "str r7, [sp, #12]",
            // Bit 4 of the distance tells the end of the second tile from that of the first one.
            "mov r6, sp",
            "sub r6, r9, r6",
            "tst r6, #16",
            "beq 65b",
            "ldr r5, [sp, #20]",
            "add r6, sp, #176",
            "cmp r9, r6",
            "bne 60b",
            "ldr r4, [r5, #24]",
            "subs r4, #1",
            "str r4, [r5, #24]",
            "bne 50b",
            "b 80f",
            position!(@again "21", "41", "31"),
            position!(@again "22", "42", "32"),
            position!(@again "23", "43", "33"),
            position!(@again "24", "44", "34"),
            position!(@again "25", "45", "35"),
            position!(@again "26", "46", "36"),
            "80:",
            "add sp, #496",
            "pop {{r6, r7}}",
            out("r0") _,
            inout("r1") $plan => _,
            out("r2") _, out("r3") _, out("r4") _, out("r5") _,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _, out("r12") _, out("lr") _,
        )
    };
}

/// Computes pairs of channels of two tiles, but for the clamp, and tells how many.
#[allow(unsafe_code, reason = "SMLAD and SMMLAR have no stable intrinsics")]
pub(super) fn pairs(p: &Conv2d<'_>, weights: &[i16], inputs: &[i16], y: &mut [i8], to: Distance) -> usize {
    let tiles = Tiles { numbers: 36, last: [7, 3] };
    let Some((mut plan, unroll)) = Plan::new(p, weights, inputs, y, to, &tiles) else { return 0 };
    let pairs = plan.pairs;
    let plan = &raw mut plan;
    // SAFETY: `Plan::new` has found what each pair reads, and 32 places of two bytes that it writes, the last `7·pixel + 3·row` behind
    // the first. LDM and LDRD need the alignment that was checked, and that a `Plan` and a `Channel` have. The stack is given back.
    unsafe {
        match unroll {
            8 => pairs!(8, plan),
            4 => pairs!(4, plan),
            _ => pairs!(1, plan),
        }
    }
    pairs
}
