//! What kernels are made of on Armv6-M (Cortex-M0), which multiplies to 32 bits and has eight registers for nearly everything.

use core::arch::asm;

/// What `finish` of the other cores makes of `2a` in r0: `r3·2^16 + r4` is the multiplier, r5 how far to the right, r10 the constant,
/// where the least output is 0; r11 is the least output minus the greatest, r12 the greatest, lr 2^15. Uses r1, r2 and r7.
///
/// With `2a = h·2^16 + l` and the multiplier likewise `m·2^16 + n`, the high word is
/// `h·m + (h·n >> 16) + ((l·m + (l·n >> 16) + 2^15 + (h·n mod 2^16)) >> 16)`, the last sum being below 2^32 without its sign.
macro_rules! requantize {
    () => {
        concat!(
            "uxth r1, r0\n",
            "asrs r0, r0, #16\n",
            "movs r2, r1\n",
            "muls r2, r4, r2\n",
            "lsrs r2, r2, #16\n",
            "muls r1, r3, r1\n",
            "adds r1, r1, r2\n",
            "add r1, lr\n",
            "movs r2, r0\n",
            "muls r2, r4, r2\n",
            "muls r0, r3, r0\n",
            "uxth r7, r2\n",
            "adds r1, r1, r7\n",
            "lsrs r1, r1, #16\n",
            "asrs r2, r2, #16\n",
            "adds r0, r0, r1\n",
            "adds r0, r0, r2\n",
            "asrs r1, r0, #31\n",
            "adds r0, r0, r1\n",
            "add r0, r10\n",
            "asrs r0, r5\n",
            "asrs r1, r0, #31\n",
            "bics r0, r1\n",
            "add r0, r11\n",
            "asrs r1, r0, #31\n",
            "ands r0, r1\n",
            "add r0, r12\n",
        )
    };
}

/// Saves the registers from r6 on, but for the stack's; r0 stays.
macro_rules! save_high {
    () => {
        concat!(
            "push {{r6, r7}}\n",
            "mov r1, r8\n",
            "mov r2, r9\n",
            "mov r3, r10\n",
            "mov r4, r11\n",
            "mov r5, r12\n",
            "mov r6, lr\n",
            "push {{r1, r2, r3, r4, r5, r6}}\n",
        )
    };
}

/// The other way round.
macro_rules! restore_high {
    () => {
        concat!(
            "pop {{r1, r2, r3, r4, r5, r6}}\n",
            "mov r8, r1\n",
            "mov r9, r2\n",
            "mov r10, r3\n",
            "mov r11, r4\n",
            "mov r12, r5\n",
            "mov lr, r6\n",
            "pop {{r6, r7}}\n",
        )
    };
}

pub(super) use {requantize, restore_high, save_high};

/// A value by the weight of one row.
macro_rules! one_by_1 {
    ($row:literal, $sum:literal) => {
        concat!("ldrsb r6, [", $row, ", r4]\n", "muls r6, r5, r6\n", "add ", $sum, ", r6\n")
    };
}

/// `Σ w · (x − zero_point)` of four rows of weights that follow one another.
#[allow(unsafe_code, reason = "the compiler has no registers left for the sums")]
pub(super) fn dot_4(weights: &[i8], x: &[i8], zero_point: i32) -> [i32; 4] {
    let len = x.len();
    if len == 0 || weights.len() / 4 < len {
        return [0; 4];
    }
    // What is read of the vector and added to it; the sums.
    let mut plan = (x.as_ptr().wrapping_add(len), zero_point.wrapping_neg());
    let mut sums = [0; 4];
    let end = |row: usize| weights.as_ptr().wrapping_add(row * len);
    // SAFETY: `len` bytes of the vector and of each row are read, backwards from their ends in the index; `sums` has four words. What
    // `push` stores is popped.
    unsafe {
        asm!(
            "push {{r5, r6, r7}}",
            "mov r6, r8",
            "mov r7, r9",
            "push {{r6, r7}}",
            "mov r6, r10",
            "mov r7, r11",
            "push {{r6, r7}}",
            "mov r6, r12",
            "push {{r6, r7}}",
            "ldr r7, [r5]",
            "ldr r6, [r5, #4]",
            "mov r12, r6",
            "movs r6, #0",
            "mov r8, r6",
            "mov r9, r6",
            "mov r10, r6",
            "mov r11, r6",
            "2:",
            "ldrsb r5, [r7, r4]",
            "add r5, r12",
            one_by_1!("r0", "r8"),
            one_by_1!("r1", "r9"),
            one_by_1!("r2", "r10"),
            one_by_1!("r3", "r11"),
            "adds r4, #1",
            "bne 2b",
            "mov r0, r8",
            "mov r1, r9",
            "mov r2, r10",
            "mov r3, r11",
            "pop {{r6, r7}}",
            "mov r12, r6",
            "pop {{r6, r7}}",
            "mov r10, r6",
            "mov r11, r7",
            "pop {{r6, r7}}",
            "mov r8, r6",
            "mov r9, r7",
            "pop {{r5, r6, r7}}",
            inout("r0") end(1) => sums[0],
            inout("r1") end(2) => sums[1],
            inout("r2") end(3) => sums[2],
            inout("r3") end(4) => sums[3],
            inout("r4") len.wrapping_neg() => _,
            in("r5") &raw mut plan,
        );
    }
    sums
}
