//! The inner loops of `rows` for Helium (Cortex-M55, M85): four rows by sixteen taps, and what makes bytes of the sums.
//!
//! Bytes are multiplied as they are. That every value is too large by the zero point is made good in the same pass over the weights:
//! the sum of `−zero_point · w` goes into the same register. 128 is no byte; where it would be needed, all values are turned around
//! (`−x = !x + 1`), the constant is `1 + zero_point`, and the sums change their sign at the end.

use core::arch::asm;

use super::{Channel, Clamp};

/// Rows that are computed at the same time.
const ROWS: usize = 4;

/// `Σ w · (x − zero_point)` of `count` rows. `false`: nothing was done, the slices are too short.
pub(super) fn sums(weights: &[i8], count: usize, x: &[i8], zero_point: i32, sums: &mut [i32]) -> bool {
    let len = x.len();
    let has_weights = len.checked_mul(count).is_some_and(|needed| needed <= weights.len());
    let Some(sums) = sums.get_mut(..count).filter(|_| has_weights && len > 0) else { return false };
    if let Some(last) = count.checked_sub(ROWS) {
        rows(weights, len, x, zero_point, sums.as_chunks_mut().0);
        if !count.is_multiple_of(ROWS) {
            // Some of the last four once more.
            let (Some(weights), Some(sums)) = (weights.get(last.wrapping_mul(len)..), sums.get_mut(last..)) else {
                return false;
            };
            rows(weights, len, x, zero_point, sums.as_chunks_mut().0);
        }
        return true;
    }
    for (sum, weights) in sums.iter_mut().zip(weights.chunks_exact(len)) {
        // The same row four times.
        let mut same = [[0; ROWS]];
        rows(weights, 0, x, zero_point, &mut same);
        *sum = same[0][0];
    }
    true
}

/// The next sixteen weights of a row, times the values.
macro_rules! row {
    ($weights:literal, $sum:literal) => {
        concat!("vldrb.u8 q1, [", $weights, "], #16\n", "vmladava.s8 ", $sum, ", q1, q0\n")
    };
    ($weights:literal, $sum:literal, and constant) => {
        concat!(row!($weights, $sum), "vmladava.s8 ", $sum, ", q1, q4\n")
    };
}

/// Groups of four rows: `$taps` sums up in r0, r2, r4, r6, `$finish` ends the sums in q0.
macro_rules! groups {
    ($plan:expr, $taps:expr, $finish:literal) => {
        asm!(
            "push {{r6, r7}}",
            "ldm r0, {{r1, r2, r3, r4, r5, r8, r9, r10}}",
            "push {{r1, r2}}",
            "mov r11, r3",
            "mov r12, r4",
            "vdup.8 q4, r5",
            "vdup.8 q5, r9",
            // r8 is the length, r10 the values, r11 the rows, r12 the sums; on the stack are the last sums' end and the step.
            "2:",
            "ldr lr, [sp, #4]",
            "mov r1, r10",
            "mov r3, r11",
            "add r5, r3, lr",
            "add r7, r5, lr",
            "add r9, r7, lr",
            "add r11, r9, lr",
            "mov r0, #0",
            "mov r2, #0",
            "mov r4, #0",
            "mov r6, #0",
            "dlstp.8 lr, r8",
            "3:",
            "vldrb.u8 q0, [r1], #16",
            $taps,
            "letp lr, 3b",
            "vmov q0[2], q0[0], r0, r4",
            "vmov q0[3], q0[1], r2, r6",
            $finish,
            "vstrw.32 q0, [r12], #16",
            "ldr lr, [sp]",
            "cmp r12, lr",
            "bne 2b",
            "add sp, #8",
            "pop {{r6, r7}}",
            inout("r0") $plan => _,
            out("r1") _, out("r2") _, out("r3") _, out("r4") _, out("r5") _,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _, out("r12") _, out("lr") _,
            out("d0") _, out("d1") _, out("d2") _, out("d3") _, out("d8") _, out("d9") _, out("d10") _, out("d11") _,
        )
    };
}

/// What the assembly starts with; it counts on the order of the fields.
#[repr(C)]
struct Plan {
    sums_end: *const [i32; ROWS],
    step: usize,
    weights: *const i8,
    sums: *mut [i32; ROWS],
    constant: i32,
    len: usize,
    turned: i32,
    x: *const i8,
}

/// The sums of as many groups of four rows as `sums` has; the rows are `step` bytes apart.
#[allow(unsafe_code, reason = "Helium has no stable intrinsics")]
#[inline(never)]
fn rows(weights: &[i8], step: usize, x: &[i8], zero_point: i32, sums: &mut [[i32; ROWS]]) {
    let last = sums.len().wrapping_mul(ROWS).wrapping_sub(1).checked_mul(step);
    let has_last = last.and_then(|last| last.checked_add(x.len())).is_some_and(|needed| needed <= weights.len());
    if sums.is_empty() || x.is_empty() || !has_last {
        return;
    }
    let (turned, constant) = if zero_point == -128 { (-1, 1 + zero_point) } else { (0, -zero_point) };
    let sums = sums.as_mut_ptr_range();
    let (len, weights) = (x.len(), weights.as_ptr());
    let mut plan = Plan { sums_end: sums.end, step, weights, sums: sums.start, constant, len, turned, x: x.as_ptr() };
    let plan = &raw mut plan;
    // SAFETY: of each row as many weights are read as `x` has values, in vectors of sixteen whose predicate ends there; the last row is
    // within `weights`, as has been checked. Four words are written to each group of `sums`. What is pushed is popped.
    unsafe {
        if zero_point == 0 {
            // Nothing to make good.
            groups!(plan, concat!(row!("r3", "r0"), row!("r5", "r2"), row!("r7", "r4"), row!("r9", "r6")), "");
            return;
        }
        groups!(
            plan,
            concat!(
                "veor q0, q0, q5\n",
                row!("r3", "r0", and constant),
                row!("r5", "r2", and constant),
                row!("r7", "r4", and constant),
                row!("r9", "r6", and constant),
            ),
            "veor q0, q0, q5\nvsub.i32 q0, q0, q5"
        );
    }
}

/// Four sums at a time, each with its bias; `$scale` turns those in q0 into outputs, by the multipliers q2 and the shifts q3.
macro_rules! outputs {
    ($sums:expr, $channels:expr, $y:expr, $count:expr, $ends:expr, $scale:expr, $store:expr) => {
        asm!(
            // Where the same word of four channels lies: 0, 12, 24, 36.
            "mov r2, #0",
            "mov r3, #3",
            "vidup.u32 q7, r2, #4",
            "vmul.i32 q7, q7, r3",
            "vmov.i32 q6, #0",
            "vdup.32 q4, r8",
            "vdup.32 q5, r9",
            "mov r11, #48",
            "mov r5, #1",
            "add r2, r1, #4",
            "add r3, r1, #8",
            "dlstp.32 lr, lr",
            "2:",
            "vldrw.u32 q0, [r0], #16",
            "vldrw.u32 q1, [r1, q7]",
            "vldrw.u32 q2, [r2, q7]",
            "vldrw.u32 q3, [r3, q7]",
            "vadd.i32 q0, q0, q1",
            "vadd.i32 q7, q7, r11",
            $scale,
            $store,
            "letp lr, 2b",
            in("r0") $sums.as_ptr(),
            in("r1") $channels.as_ptr(),
            inout("r4") $y.as_mut_ptr() => _,
            inout("lr") $count => _,
            in("r8") $ends[0],
            in("r9") $ends[1],
            in("r10") $ends[2],
            out("r2") _, out("r3") _, out("r5") _, out("r11") _,
            out("d0") _, out("d1") _, out("d2") _, out("d3") _, out("d4") _, out("d5") _, out("d6") _, out("d7") _,
            out("d8") _, out("d9") _, out("d10") _, out("d11") _, out("d12") _, out("d13") _, out("d14") _, out("d15") _,
        )
    };
}

/// Rounded once, half up: the low half of the product is cut off, whatever it is, for a shift below −1.
macro_rules! single {
    () => {
        "vmulh.s32 q0, q0, q2\n\
         vadd.i32 q3, q3, r5\n\
         vrshl.s32 q0, q0, q3\n"
    };
}

/// Rounded twice: to the left before the product, to the right behind it, there half away from zero.
macro_rules! double {
    () => {
        "vmax.s32 q1, q3, q6\n\
         vmin.s32 q3, q3, q6\n\
         vshl.s32 q0, q0, q1\n\
         vqrdmulh.s32 q0, q0, q2\n\
         vand q1, q0, q3\n\
         vshr.s32 q1, q1, #31\n\
         vadd.i32 q0, q0, q1\n\
         vrshl.s32 q0, q0, q3\n"
    };
}

/// The zero point in r10, the clamp in q4 and q5.
macro_rules! bytes {
    () => {
        "vadd.i32 q0, q0, r10\n\
         vmax.s32 q0, q0, q4\n\
         vmin.s32 q0, q0, q5\n\
         vstrb.32 q0, [r4], #4"
    };
}

/// The ends of the clamp, and the zero point.
fn ends(zero_point: i32, clamp: Clamp) -> [i32; 3] {
    [clamp.min.into(), clamp.max.into(), zero_point]
}

/// `y[c] = clamp(zero_point + requantize(bias[c] + sums[c]))`, rounded once, up to the first channel whose shift is above −2; tells
/// how many.
#[allow(unsafe_code, reason = "Helium has no stable intrinsics")]
pub(super) fn finish_single(
    (zero_point, clamp): (i32, Clamp),
    sums: &[i32],
    channels: &[Channel],
    y: &mut [i8],
) -> usize {
    let taken = channels.iter().take_while(|channel| channel.shift <= -2).count();
    let count = sums.len().min(taken).min(y.len());
    if count > 0 {
        let ends = ends(zero_point, clamp);
        // SAFETY: the loop's predicate ends behind `count` words of `sums`, as many channels of three words (`repr(C)`) and bytes of `y`.
        unsafe { outputs!(sums, channels, y, count, ends, single!(), bytes!()) };
    }
    count
}

/// The same of all of them, rounded twice.
#[allow(unsafe_code, reason = "Helium has no stable intrinsics")]
pub(super) fn finish_double((zero_point, clamp): (i32, Clamp), sums: &[i32], channels: &[Channel], y: &mut [i8]) {
    let count = sums.len().min(channels.len()).min(y.len());
    if count > 0 {
        let ends = ends(zero_point, clamp);
        // SAFETY: as in `finish_single`.
        unsafe { outputs!(sums, channels, y, count, ends, double!(), bytes!()) };
    }
}

/// `y[c] = sat16(requantize(bias[c] + sums[c]))`, rounded twice.
#[allow(unsafe_code, reason = "Helium has no stable intrinsics")]
pub(super) fn finish_gates(sums: &[i32], channels: &[Channel], y: &mut [i16]) {
    let count = sums.len().min(channels.len()).min(y.len());
    if count > 0 {
        let ends = [0; 3];
        // SAFETY: as in `finish_single`, with halfwords of `y`.
        unsafe { outputs!(sums, channels, y, count, ends, double!(), "vqmovnb.s32 q0, q0\nvstrh.32 q0, [r4], #8") };
    }
}
