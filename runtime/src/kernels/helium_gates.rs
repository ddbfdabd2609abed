//! The curves of [`crate::gates`] over slices, for the recurrent layers on cores with Helium: eight values at a time.
//!
//! Two loads gather the entries of the table on both sides of the values, and VQRDMULH weighs their difference:
//! `round(difference · fraction / 2^bits)`, the fraction being brought to 15 bits.

use core::arch::asm;

use crate::gates::TANH;

/// A loop over the values at r0, that takes some to q0 by `$first`, and puts back what is in q1 behind `$last`. In between q1 becomes the
/// table's value of the magnitudes of q0, of which `$bits` are a fraction, `$left` bits short of 16, and `$sign` gives it their sign.
macro_rules! curve {
    ($bits:literal, $left:literal, $first:literal, $round:literal, $last:literal) => {
        concat!(
            "dlstp.16 lr, lr\n",
            "2:\n",
            "vldrh.u16 q0, [r0]\n",
            $first,
            "vabs.s16 q1, q0\n",
            "vshr.u16 q2, q1, #",
            $bits,
            "\n",
            "vshl.i16 q3, q1, #",
            $left,
            "\n",
            "vbic.i16 q3, #0x8000\n",
            "vldrh.u16 q1, [r12, q2, uxtw #1]\n",
            "vldrh.u16 q4, [r4, q2, uxtw #1]\n",
            "vsub.i16 q2, q4, q1\n",
            "vqrdmulh.s16 q2, q2, q3\n",
            "vadd.i16 q1, q1, q2\n",
            $round,
            "vpt.s16 lt, q0, zr\n",
            "vnegt.s16 q1, q1\n",
            $last,
            "vstrh.16 q1, [r0], #16\n",
            "letp lr, 2b\n",
        )
    };
}

/// Runs a loop of [`curve`] over `$values`, whose other operands are `$b` at r1 and `$c` at r5; all have as many values.
macro_rules! run {
    ($text:expr, $values:ident, $b:expr, $c:expr) => {
        asm!(
            $text,
            inout("r0") $values.as_mut_ptr() => _,
            inout("r1") $b => _,
            inout("r5") $c => _,
            in("r3") 1 << 14,
            in("r4") TANH.as_ptr().wrapping_add(1),
            in("r12") TANH.as_ptr(),
            inout("lr") $values.len() => _,
            out("d0") _, out("d1") _, out("d2") _, out("d3") _, out("d4") _, out("d5") _, out("d6") _, out("d7") _,
            out("d8") _, out("d9") _,
        )
    };
}

/// As many values as all slices have; `None` where that is none.
fn common<'a>(a: &'a mut [i16], others: [&[i16]; 2]) -> Option<&'a mut [i16]> {
    let len = others.iter().fold(a.len(), |len, other| len.min(other.len()));
    a.get_mut(..len).filter(|a| !a.is_empty())
}

/// `a = σ(sat16(a + b))`.
#[allow(unsafe_code, reason = "Helium has no stable intrinsics")]
pub(super) fn sigmoid_of_sums(a: &mut [i16], b: &[i16]) {
    let Some(a) = common(a, [b, b]) else { return };
    // SAFETY: the loop's predicate ends behind the values of `a`, of which `b` has as many. A magnitude is at most 2^15: the table has an
    // entry for it, and one behind that.
    unsafe {
        run!(
            curve!(
                "7",
                "8",
                "vldrh.u16 q1, [r1], #16\nvqadd.s16 q0, q0, q1\n",
                "vrshr.s16 q1, q1, #1\n",
                "vqadd.s16 q1, q1, r3\n"
            ),
            a,
            b.as_ptr(),
            b.as_ptr()
        );
    }
}

/// `a = tanh(sat16(a + b))`.
#[allow(unsafe_code, reason = "Helium has no stable intrinsics")]
pub(super) fn tanh_of_sums(a: &mut [i16], b: &[i16]) {
    let Some(a) = common(a, [b, b]) else { return };
    // SAFETY: as in `sigmoid_of_sums`.
    unsafe {
        run!(curve!("6", "9", "vldrh.u16 q1, [r1], #16\nvqadd.s16 q0, q0, q1\n", "", ""), a, b.as_ptr(), b.as_ptr());
    }
}

/// `a = tanh(a)`.
#[allow(unsafe_code, reason = "Helium has no stable intrinsics")]
pub(super) fn tanh_of(a: &mut [i16]) {
    if a.is_empty() {
        return;
    }
    let none = core::ptr::null::<i16>();
    // SAFETY: as in `sigmoid_of_sums`; nothing else is read.
    unsafe { run!(curve!("6", "9", "", "", ""), a, none, none) };
}

/// `a = tanh(sat16(a + round(b·c / 2^15)))`.
#[allow(unsafe_code, reason = "Helium has no stable intrinsics")]
pub(super) fn tanh_of_reset(a: &mut [i16], b: &[i16], c: &[i16]) {
    let Some(a) = common(a, [b, c]) else { return };
    // SAFETY: as in `sigmoid_of_sums`; `c` has as many values, too.
    unsafe {
        run!(
            curve!(
                "6",
                "9",
                "vldrh.u16 q1, [r1], #16\nvldrh.u16 q2, [r5], #16\nvqrdmulh.s16 q1, q1, q2\nvqadd.s16 q0, q0, q1\n",
                "",
                ""
            ),
            a,
            b.as_ptr(),
            c.as_ptr()
        );
    }
}
