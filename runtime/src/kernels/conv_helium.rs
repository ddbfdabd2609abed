//! Convolution for Helium (Cortex-M55, M85): three pixels by two channels, sixteen products an instruction.
//!
//! Bytes are multiplied as they are, and padding is the zero point: `Σ (x − zp)·w = Σ x·w − zp·Σ w`, of which the second part goes into
//! a copy of the biases before the first pixel. The loop is tail-predicated, so that rows of any length need no rest. The sums of a
//! channel become bytes side by side in one vector, as the module `finish` has it one by one: VQRDMULH rounds and doubles.

use core::arch::asm;
use core::ptr;

use super::conv2d::column_len;
use super::helium_columns::Columns;
use super::{Channel, Conv2d, Stream, helium_rows};
use crate::fixed::Rounding;

/// Pixels that are computed at the same time: `scratch` of the plain layout has room for four windows of bytes.
const PIXELS: usize = 3;

/// Channels whose corrected biases are kept. Where there are more, they are computed for each three pixels anew.
const GROUP: usize = 64;

/// Whether it can be computed here.
pub(super) fn fits(p: &Conv2d<'_>) -> bool {
    p.rounding == Rounding::Double
        && (1..=MOST_OUTPUTS).contains(&p.output[3])
        && p.channels.iter().all(Channel::is_shifted_right)
}

/// The third pixel's outputs lie within 64 KB of the first one's.
const MOST_OUTPUTS: usize = 0x7fff;

/// Convolves; `scratch` has room for four windows.
pub(super) fn conv2d(p: &Conv2d<'_>, mut io: Stream<'_>, scratch: &mut [i8]) {
    let (len, outputs) = (column_len(p), p.output[3]);
    let Some((columns, ones)) = scratch.split_at_mut_checked(len.saturating_mul(PIXELS)) else { return };
    let Some(ones) = ones.get_mut(..len) else { return };
    ones.fill(1);
    let mut windows = Columns::new(p);
    let mut group = Group { first: outputs, count: 0, channels: [EMPTY; GROUP], pairs: None, odd: None };
    let mut start = 0usize;
    loop {
        let count = windows.next(io.x(), len, columns);
        let all = outputs.wrapping_mul(count);
        let Some(y) = io.outputs(start, all).filter(|_| count > 0) else { return };
        let mut first = 0usize;
        while first < outputs {
            if (group.first, group.count) != (first, count) {
                group.fill(p, [first, count], ones);
            }
            group.convolve(columns, y.get_mut(first..).unwrap_or_default());
            first = first.saturating_add(GROUP);
        }
        start = start.wrapping_add(all);
    }
}

const EMPTY: Channel = Channel { bias: 0, multiplier: 0, shift: 0 };

/// Some channels, their biases less the zero point times the sum of their weights.
struct Group<'m> {
    first: usize,
    /// Pixels at a time.
    count: usize,
    channels: [Channel; GROUP],
    /// All that go in twos.
    pairs: Option<Pairs<'m>>,
    /// An odd last one with the one in front of it.
    odd: Option<Pairs<'m>>,
}

impl<'m> Group<'m> {
    /// Makes it the channels from `first` on, of `count` pixels at a time; `ones` is a window of them.
    #[inline(never)]
    fn fill(&mut self, p: &Conv2d<'m>, [first, count]: [usize; 2], ones: &[i8]) {
        const BLOCK: usize = 16;
        let mut sums = [0; BLOCK];
        let channels = p.channels.get(first..).unwrap_or(&[]);
        let firsts = (first..).step_by(BLOCK);
        for ((own, channels), first) in self.channels.chunks_mut(BLOCK).zip(channels.chunks(BLOCK)).zip(firsts) {
            let weights = p.weights.get(first.saturating_mul(ones.len())..).unwrap_or(&[]);
            helium_rows::sums(weights, channels.len(), ones, 0, &mut sums);
            for ((own, channel), sum) in own.iter_mut().zip(channels).zip(sums) {
                *own = Channel { bias: channel.bias.wrapping_sub(sum.wrapping_mul(p.input_zero_point)), ..*channel };
            }
        }
        let here = channels.len().min(GROUP);
        let last = here.saturating_sub(2);
        if let [only, other, ..] = &mut self.channels
            && here == 1
        {
            *other = *only;
        }
        self.pairs = Pairs::new(p, first, [0, here / 2], true, count);
        self.odd = Pairs::new(p, first, [last, here % 2], here > 1, count);
        (self.first, self.count) = (first, count);
    }

    #[inline(always)]
    fn convolve(&mut self, columns: &[i8], y: &mut [i8]) {
        if let Some(pairs) = &mut self.pairs {
            pairs.convolve(&self.channels, columns, y);
        }
        if let Some(odd) = &mut self.odd {
            odd.convolve(&self.channels, columns, y);
        }
    }
}

/// What the assembly starts with; it counts on the order of the fields.
#[repr(C)]
struct Plan {
    /// Loaded at once in front of each two channels, to r0 to r6, r8 to r10 and lr: the sums, which are zero, between them the columns;
    /// the distance between the two rows of weights, and their length.
    registers: [*const i8; 11],
    channels: *const Channel,
    output: *mut i8,
    channels_end: *const Channel,
    weights: *const i8,
    /// From the first output to that of each pixel and channel, the last pixel twice.
    offsets: [[u16; 2]; PIXELS + 1],
    zero_point: i32,
    clamp: [i32; 2],
}

/// Channels in twos.
struct Pairs<'m> {
    plan: Plan,
    /// The first one in its group, and how many there are.
    first: usize,
    channels: usize,
    /// Rows of all of them.
    weights: &'m [i8],
    /// From one column to the next, the last of fewer than three being the same, and bytes of all.
    columns: [usize; PIXELS],
    columns_len: usize,
    /// Bytes of outputs, from the first one to behind the last.
    reach: usize,
}

impl<'m> Pairs<'m> {
    /// So many pairs of the group that starts with channel `group`, from its channel `first` on; those of a pair may be one and the same.
    /// `None` where there are none, or weights are missing.
    fn new(p: &Conv2d<'m>, group: usize, [first, pairs]: [usize; 2], are_two: bool, count: usize) -> Option<Self> {
        let (len, outputs, apart) = (column_len(p), p.output[3], usize::from(are_two));
        let channels = pairs.checked_mul(2).filter(|&channels| channels > 0 && len > 0)?;
        let rows = if are_two { channels } else { 1 };
        let last = count.checked_sub(1).filter(|&last| last < PIXELS && outputs <= MOST_OUTPUTS)?;
        let start = group.checked_add(first)?.checked_mul(len)?;
        let weights = p.weights.get(start..start.checked_add(rows.checked_mul(len)?)?)?;
        let place = |pixel: usize| pixel.min(last);
        let offset =
            |pixel: usize| [0, apart].map(|channel| place(pixel).wrapping_mul(outputs).wrapping_add(channel) as u16);
        let mut registers = [ptr::null(); 11];
        let [.., second, _, length] = &mut registers;
        (*second, *length) = (ptr::without_provenance(len.wrapping_mul(apart)), ptr::without_provenance(len));
        let plan = Plan {
            registers,
            channels: ptr::null(),
            output: ptr::null_mut(),
            channels_end: ptr::null(),
            weights: ptr::null(),
            offsets: [offset(0), offset(1), offset(2), offset(2)],
            zero_point: p.output_zero_point,
            clamp: [p.clamp.min.into(), p.clamp.max.into()],
        };
        Some(Self {
            plan,
            first,
            channels,
            weights,
            columns: [0, 1, 2].map(|pixel| place(pixel).wrapping_mul(len)),
            columns_len: count.checked_mul(len)?,
            reach: last.checked_mul(outputs)?.checked_add(rows)?,
        })
    }

    /// Convolves channels of its group; `y` starts with the group's first one of the first pixel.
    #[allow(unsafe_code, reason = "Helium has no stable intrinsics")]
    #[inline(always)]
    fn convolve(&mut self, channels: &[Channel], columns: &[i8], y: &mut [i8]) {
        let (channels, y) = (channels.get(self.first..).unwrap_or(&[]), y.get_mut(self.first..).unwrap_or_default());
        let Some(channels) = channels.get(..self.channels).filter(|_| y.len() >= self.reach) else { return };
        if columns.len() < self.columns_len {
            return;
        }
        let [first, second, third] = self.columns.map(|column| columns.as_ptr().wrapping_add(column));
        let plan = &mut self.plan;
        (plan.registers[1], plan.registers[3], plan.registers[5]) = (first, second, third);
        (plan.channels, plan.channels_end) = (channels.as_ptr(), channels.as_ptr_range().end);
        (plan.weights, plan.output) = (self.weights.as_ptr(), y.as_mut_ptr());
        // SAFETY: `new` has built the plan from these lengths, and they are as it says.
        unsafe { two_channels(plan) };
    }
}

/// Pairs of channels of three pixels.
///
/// # Safety
/// For each pair of channels from `channels` to `channels_end`, of which there is one, there are two rows of weights as far apart and as
/// long as the registers say, at least 1; each of the three columns is as long, and the outputs at all offsets, two more for each pair,
/// are the plan's alone.
#[allow(unsafe_code, reason = "Helium has no stable intrinsics")]
#[inline(never)]
unsafe fn two_channels(plan: &mut Plan) {
    // SAFETY: each pair of channels reads two rows of weights, three columns and two records (three words each, `repr(C)`), and writes
    // eight bytes at the offsets, of which some are the same: the caller has them. The predicate of the loop keeps its last round within
    // rows and columns. The plan is read and written by the assembly alone. What is pushed is popped.
    unsafe {
        asm!(
            "push {{r6, r7}}",
            "mov r12, r0",
            "ldr r11, [r12, #56]",
            "vldrh.u16 q7, [r12, #60]",
            "ldrd r1, r2, [r12, #76]",
            "ldr r3, [r12, #84]",
            "vdup.16 q4, r1",
            "vdup.16 q5, r2",
            "vdup.16 q6, r3",
            // Per pair of channels; the next weights are in r11.
            "2:",
            "ldm r12, {{r0, r1, r2, r3, r4, r5, r6, r8, r9, r10, lr}}",
            "mov r7, r11",
            "add r9, r7",
            "add r11, r11, lr, lsl #1",
            "dlstp.8 lr, lr",
            "3:",
            "vldrb.u8 q0, [r7], #16",
            "vldrb.u8 q2, [r1], #16",
            "vmladava.s8 r0, q0, q2",
            "vldrb.u8 q1, [r9], #16",
            "vmladava.s8 r6, q1, q2",
            "vldrb.u8 q3, [r3], #16",
            "vmladava.s8 r2, q0, q3",
            "vldrb.u8 q2, [r5], #16",
            "vmladava.s8 r8, q1, q3",
            "vmladava.s8 r4, q0, q2",
            "vmladava.s8 r10, q1, q2",
            "letp lr, 3b",
            "vmov q0[2], q0[0], r0, r4",
            "vmov q0[3], q0[1], r2, r4",
            "vmov q1[2], q1[0], r6, r10",
            "vmov q1[3], q1[1], r8, r10",
            "ldrd r9, r7, [r12, #44]",
            "ldm r9!, {{r0, r1, r2, r3, r4, r5}}",
            "vadd.i32 q0, q0, r0",
            "vadd.i32 q1, q1, r3",
            "vqrdmulh.s32 q0, q0, r1",
            "vqrdmulh.s32 q1, q1, r4",
            // Half away from zero: half up of what is one less where it is negative.
            "vshr.s32 q2, q0, #31",
            "vshr.s32 q3, q1, #31",
            "vadd.i32 q0, q0, q2",
            "vadd.i32 q1, q1, q3",
            "vrshl.s32 q0, r2",
            "vrshl.s32 q1, r5",
            "vqmovnb.s32 q2, q0",
            "vqmovnt.s32 q2, q1",
            "vqadd.s16 q2, q2, q4",
            "vmax.s16 q2, q2, q5",
            "vmin.s16 q2, q2, q6",
            "vstrb.16 q2, [r7, q7]",
            "add r7, #2",
            "strd r9, r7, [r12, #44]",
            "ldr r1, [r12, #52]",
            "cmp r9, r1",
            "bne 2b",
            "pop {{r6, r7}}",
            inout("r0") ptr::from_mut(plan) => _,
            out("r1") _, out("r2") _, out("r3") _, out("r4") _, out("r5") _,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _, out("r12") _, out("lr") _,
            out("d0") _, out("d1") _, out("d2") _, out("d3") _, out("d4") _, out("d5") _, out("d6") _, out("d7") _,
            out("d8") _, out("d9") _, out("d10") _, out("d11") _, out("d12") _, out("d13") _, out("d14") _, out("d15") _,
        );
    }
}
