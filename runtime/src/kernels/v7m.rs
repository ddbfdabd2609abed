//! What kernels are made of on cores without the DSP extension (Cortex-M3): one product per instruction.

use core::arch::asm;

/// `round($a · r1 / 2^32)`, half up; uses r4.
macro_rules! high_product {
    ($a:literal) => {
        concat!("smull r4, ", $a, ", ", $a, ", r1\n", "add ", $a, ", ", $a, ", r4, lsr #31\n")
    };
}

pub(super) use high_product;

/// `round(a · b / 2^32)`, half up.
#[allow(unsafe_code, reason = "the compiler multiplies once more for the sign of what comes out")]
#[inline(always)]
pub(crate) fn rounded_high(a: i32, b: i32) -> i32 {
    let high: i32;
    // SAFETY: it reads two registers and writes two.
    unsafe {
        asm!(
            "smull {low}, {high}, {a}, {b}",
            "add {high}, {high}, {low}, lsr #31",
            a = in(reg) a,
            b = in(reg) b,
            low = out(reg) _,
            high = out(reg) high,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    high
}

/// A value by a weight of each of four rows.
macro_rules! one_by_4 {
    () => {
        concat!(
            "ldrsb r4, [r0], #1\n",
            "ldrsb r5, [r1, r2]\n",
            "sub r4, r4, r12\n",
            "mla r9, r5, r4, r9\n",
            "ldrsb r5, [r1, r2, lsl #1]\n",
            "mla r10, r5, r4, r10\n",
            "ldrsb r5, [r1, r3]\n",
            "mla r11, r5, r4, r11\n",
            "ldrsb r5, [r1], #1\n",
            "mla r8, r5, r4, r8\n",
        )
    };
}

/// `Σ w · (x − zero_point)` of four rows of weights that follow one another.
#[allow(unsafe_code, reason = "the compiler has a pointer for each row, which are too many")]
pub(super) fn dot_4(weights: &[i8], x: &[i8], zero_point: i32) -> [i32; 4] {
    let len = x.len();
    if len == 0 || weights.len() / 4 < len {
        return [0; 4];
    }
    let (a, b, c, d): (i32, i32, i32, i32);
    // SAFETY: `len` bytes of the vector and of each row are read, which starts `len` bytes behind the one before.
    unsafe {
        asm!(
            // Four values at a time, after what is more than whole fours.
            "ands lr, lr, #3",
            "beq 4f",
            "3:",
            one_by_4!(),
            "subs lr, #1",
            "bne 3b",
            "4:",
            "bics lr, r2, #3",
            "beq 6f",
            "5:",
            one_by_4!(),
            one_by_4!(),
            one_by_4!(),
            one_by_4!(),
            "subs lr, #4",
            "bne 5b",
            "6:",
            inout("r0") x.as_ptr() => _,
            inout("r1") weights.as_ptr() => _,
            in("r2") len,
            in("r3") len * 3,
            out("r4") _, out("r5") _,
            inout("r8") 0 => a,
            inout("r9") 0 => b,
            inout("r10") 0 => c,
            inout("r11") 0 => d,
            in("r12") zero_point,
            inout("lr") len => _,
        );
    }
    [a, b, c, d]
}
