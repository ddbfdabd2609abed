//! Windows of pools for Helium (Cortex-M55, M85): 16 channels at a time for the maximum, 8 for averages.

use core::arch::asm;

use super::Clamp;
use super::pool::Taps;

/// Most taps whose sum has room in 16 bits.
const MOST: usize = 256;

/// Goes through the taps of each block of channels, of as many as the predicate `$lanes` leaves: `$init` in front of the first, `$tap`
/// with the address of each in r12, `$store` to r1 at the end.
macro_rules! windows {
    ($x:expr, $y:expr, $taps:expr, $ends:expr, $lanes:literal, $init:literal, $tap:literal, $store:expr, $bytes:literal) => {
        asm!(
            concat!("dlstp.", $lanes, " lr, lr"),
            "2:",
            "mov r2, r0",
            "mov r9, r5",
            $init,
            "3:",
            "mov r8, r4",
            "4:",
            $tap,
            "add r2, r3",
            "subs r8, #1",
            "bne 4b",
            "add r2, r12",
            "subs r9, #1",
            "bne 3b",
            $store,
            concat!("add r0, #", $bytes),
            "letp lr, 2b",
            inout("r0") $x.as_ptr() => _,
            inout("r1") $y.as_mut_ptr() => _,
            inout("lr") $y.len() => _,
            in("r3") $taps.step[0],
            in("r4") $taps.count[0],
            in("r5") $taps.count[1],
            in("r12") $taps.step[1],
            in("r10") $ends,
            out("r2") _, out("r8") _, out("r9") _, out("r11") _,
            out("d0") _, out("d1") _, out("d2") _, out("d3") _, out("d4") _, out("d5") _, out("d6") _, out("d7") _,
            out("d8") _, out("d9") _, out("d10") _, out("d11") _, out("d12") _, out("d13") _,
        )
    };
}

/// Whether there are taps, all of them of as many channels as `y` has.
#[inline(always)]
fn fits(x: &[i8], taps: &Taps, y: &[i8]) -> bool {
    !y.is_empty() && !taps.count.contains(&0) && taps.reach(y.len()).is_some_and(|reach| reach <= x.len())
}

/// `y[c] = max x[c]` over the taps. `false`: nothing was done.
#[allow(unsafe_code, reason = "Helium has no stable intrinsics")]
#[inline(always)]
pub(super) fn max(x: &[i8], taps: &Taps, y: &mut [i8]) -> bool {
    if !fits(x, taps, y) {
        return false;
    }
    // SAFETY: the predicate of the loop ends behind as many channels as `y` has, and so many does the last tap have, as `fits` says.
    unsafe {
        windows!(
            x,
            y,
            taps,
            0,
            "8",
            "vmvn.i32 q0, #0\nvshl.i8 q0, q0, #7",
            "vldrb.u8 q1, [r2]\nvmax.s8 q0, q0, q1",
            "vstrb.8 q0, [r1], #16",
            "16"
        );
    }
    true
}

/// What the assembly reads from memory; it counts on the order of the fields.
#[repr(C)]
struct Quotient {
    half: i32,
    /// `2^32 / count`, rounded up.
    reciprocal: u32,
    clamp: [i32; 2],
}

/// `y[c] = clamp(round(Σ x[c] / n))`, half away from zero, over the taps, of the first channels, an even number; tells how many.
///
/// `(|Σ| + n/2) / n` is the high half of a product with `2^32 / n`, rounded up: its error is below `n / 2^32` of the dividend, and their
/// product is below 1 while `n` times the dividend is below 2^32.
#[allow(unsafe_code, reason = "Helium has no stable intrinsics")]
#[inline(always)]
pub(super) fn average(x: &[i8], taps: &Taps, clamp: Clamp, y: &mut [i8]) -> usize {
    let count = taps.count[0].saturating_mul(taps.count[1]);
    // Two channels become halves of words that are written whole or not at all.
    let channels = y.len() & !1;
    let Some(y) = y.get_mut(..channels).filter(|y| count <= MOST && fits(x, taps, y)) else { return 0 };
    let (half, reciprocal) = match count {
        // 2^32 has no room: one more, times one less.
        1 => (1, u32::MAX),
        // It is not 0, which the compiler does not see.
        _ => (count as i32 / 2, u32::MAX.checked_div(count as u32).unwrap_or(0).wrapping_add(1)),
    };
    let quotient = Quotient { half, reciprocal, clamp: [clamp.min.into(), clamp.max.into()] };
    // SAFETY: as in `max`. `quotient` is read.
    unsafe {
        windows!(
            x,
            y,
            taps,
            &raw const quotient,
            "16",
            "vmov.i16 q0, #0",
            "vldrb.s16 q1, [r2]\nvadd.i16 q0, q0, q1",
            concat!(
                "ldrd r8, r9, [r10]\n",
                "vabs.s16 q1, q0\n",
                "vadd.i16 q1, q1, r8\n",
                "vdup.32 q4, r9\n",
                "vmovlb.u16 q2, q1\n",
                "vmovlt.u16 q3, q1\n",
                "vmulh.u32 q2, q2, q4\n",
                "vmulh.u32 q3, q3, q4\n",
                "ldrd r8, r9, [r10, #8]\n",
                "vmovnb.i32 q1, q2\n",
                "vmovnt.i32 q1, q3\n",
                "vdup.16 q2, r8\n",
                "vdup.16 q3, r9\n",
                "vpt.s16 lt, q0, zr\n",
                "vnegt.s16 q1, q1\n",
                "vmax.s16 q1, q1, q2\n",
                "vmin.s16 q1, q1, q3\n",
                "vstrb.16 q1, [r1], #8\n",
            ),
            "8"
        );
    }
    channels
}
