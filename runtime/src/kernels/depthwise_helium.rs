//! Depthwise convolution of one pixel for Helium (Cortex-M55, M85): eight channels at a time over the whole window.

use core::arch::asm;

use super::depthwise_blocks::Grid;
use super::{Channel, Conv2d};

/// Channels that are computed at the same time.
pub(super) const LANES: usize = 8;

/// Shifts to the right, or none.
pub(super) fn takes(channel: &Channel) -> bool {
    (-31..=0).contains(&channel.shift)
}

/// What the assembly keeps in memory; it counts on the order of the fields.
#[repr(C)]
struct Plan {
    x: *const i8,
    w: *const i8,
    channels: *const Channel,
    y: *mut i8,
    blocks: usize,
    across: usize,
    rows: usize,
    /// From behind the last tap of a row to the next row.
    skip: [usize; 2],
    step: [usize; 2],
    input_zero_point: i32,
    output_zero_point: i32,
    clamp: [i32; 2],
}

/// `y[c]` for as many channels, in eights, as it has; `x` and `w` start at the first tap.
#[allow(unsafe_code, reason = "Helium has no stable intrinsics")]
pub(super) fn pixel(p: &Conv2d<'_>, x: &[i8], w: &[i8], grid: &Grid, _sums: &mut [i32], y: &mut [i8]) {
    let [across, rows] = grid.taps;
    let blocks = y.len().min(p.channels.len()) / LANES;
    let last = blocks.saturating_sub(1).saturating_mul(LANES);
    let fits = |slice: &[i8], of: usize| slice.len() >= grid.reach(of, LANES).saturating_add(last);
    if across == 0 || rows == 0 || blocks == 0 || !fits(x, 0) || !fits(w, 1) {
        return;
    }
    let mut plan = Plan {
        x: x.as_ptr(),
        w: w.as_ptr(),
        channels: p.channels.as_ptr(),
        y: y.as_mut_ptr(),
        blocks,
        across,
        rows,
        skip: grid.skip(),
        step: grid.step,
        input_zero_point: p.input_zero_point,
        output_zero_point: p.output_zero_point,
        clamp: [p.clamp.min.into(), p.clamp.max.into()],
    };
    // SAFETY: the last tap of the last block ends at `reach + last`, which both lengths allow; pointers beyond are made but not
    // read. Eight channels (three words each, `repr(C)`) are read and eight bytes written per block, which both have. What is
    // pushed is popped.
    unsafe {
        asm!(
            "push {{r6, r7}}",
            "mov r11, r0",
            // Where the same word of every second channel lies: 0, 24, 48, 72.
            "mov r2, #0",
            "mov r4, #3",
            "vidup.u32 q7, r2, #8",
            "vmul.i32 q7, q7, r4",
            "2:",
            "ldrd r1, r3, [r11]",
            "ldrd r5, r9, [r11, #36]",
            "ldr r4, [r11, #44]",
            "ldr r6, [r11, #24]",
            "vmov.i32 q4, #0",
            "vmov.i32 q5, #0",
            "3:",
            "ldr r12, [r11, #20]",
            "dls lr, r12",
            "4:",
            "vldrb.s16 q0, [r1]",
            "add r1, r5",
            "vldrb.s16 q1, [r3]",
            "add r3, r9",
            "vsub.i16 q0, q0, r4",
            "vmullb.s16 q2, q0, q1",
            "vmullt.s16 q3, q0, q1",
            "vadd.i32 q4, q4, q2",
            "vadd.i32 q5, q5, q3",
            "le lr, 4b",
            "ldrd r2, r8, [r11, #28]",
            "add r1, r2",
            "add r3, r8",
            "subs r6, #1",
            "bne 3b",
            // Even channels in q4, odd ones in q5: bias, multiplier, shift with half away from zero.
            "ldr r1, [r11, #8]",
            "add r2, r1, #12",
            "vldrw.u32 q0, [r1, q7]",
            "vldrw.u32 q1, [r2, q7]",
            "vadd.i32 q4, q4, q0",
            "vadd.i32 q5, q5, q1",
            "add r2, r1, #4",
            "add r3, r1, #16",
            "vldrw.u32 q0, [r2, q7]",
            "vldrw.u32 q1, [r3, q7]",
            "vqrdmulh.s32 q4, q4, q0",
            "vqrdmulh.s32 q5, q5, q1",
            "add r2, r1, #8",
            "add r3, r1, #20",
            "vldrw.u32 q0, [r2, q7]",
            "vldrw.u32 q1, [r3, q7]",
            "vand q2, q4, q0",
            "vand q3, q5, q1",
            "vshr.s32 q2, q2, #31",
            "vshr.s32 q3, q3, #31",
            "vadd.i32 q4, q4, q2",
            "vadd.i32 q5, q5, q3",
            "vrshl.s32 q4, q4, q0",
            "vrshl.s32 q5, q5, q1",
            "ldr r4, [r11, #48]",
            "vadd.i32 q4, q4, r4",
            "vadd.i32 q5, q5, r4",
            "vqmovnb.s32 q6, q4",
            "vqmovnt.s32 q6, q5",
            "ldrd r2, r8, [r11, #52]",
            "vdup.16 q0, r2",
            "vdup.16 q1, r8",
            "vmax.s16 q6, q6, q0",
            "vmin.s16 q6, q6, q1",
            "ldr r2, [r11, #12]",
            "vstrb.16 q6, [r2], #8",
            "str r2, [r11, #12]",
            "add r1, #96",
            "str r1, [r11, #8]",
            "ldrd r1, r3, [r11]",
            "add r1, #8",
            "add r3, #8",
            "strd r1, r3, [r11]",
            "ldr r1, [r11, #16]",
            "subs r1, #1",
            "str r1, [r11, #16]",
            "bne 2b",
            "pop {{r6, r7}}",
            inout("r0") &raw mut plan => _,
            out("r1") _, out("r2") _, out("r3") _, out("r4") _, out("r5") _,
            out("r8") _, out("r9") _, out("r11") _, out("r12") _, out("lr") _,
            out("d0") _, out("d1") _, out("d2") _, out("d3") _, out("d4") _, out("d5") _, out("d6") _, out("d7") _,
            out("d8") _, out("d9") _, out("d10") _, out("d11") _, out("d12") _, out("d13") _, out("d14") _, out("d15") _,
        );
    }
}
