//! Windows of a convolution, copied behind one another with Helium.

use core::arch::asm;
use core::ops::Range;

use super::Conv2d;
use super::conv2d::{column_len, gather_bytes, last_corner};
use super::strided::Strided;

/// The windows of all output pixels, in the order in which they are stored.
pub(super) struct Columns<'p, 'm> {
    p: &'p Conv2d<'m>,
    /// Batch and row that come next, and the column of the present row that does.
    next: [usize; 3],
    /// Rows and columns whose windows lie in the image whole.
    whole: [Range<usize>; 2],
    /// The same columns, or none, in the present row, and where the window of its first one starts.
    inner: Range<usize>,
    start: usize,
    /// Where the windows that are left lie, if windows are pixels of the input.
    pixels: Option<Range<usize>>,
}

impl<'p, 'm> Columns<'p, 'm> {
    pub fn new(p: &'p Conv2d<'m>) -> Self {
        let window = &p.window;
        let is_pixel = (window.size, window.stride, window.pad) == ([1, 1], [1, 1], [0, 0]);
        let is_same = is_pixel && p.input[..3] == p.output[..3];
        let all = p.input.iter().fold(1, |all: usize, &len| all.saturating_mul(len));
        let last = last_corner(p);
        let whole = |axis: usize| {
            let (pad, stride) = (window.pad[axis & 1], window.stride[axis & 1].max(1));
            last.map_or(0..0, |last| pad.div_ceil(stride)..last[axis & 1].wrapping_add(pad) / stride + 1)
        };
        Self {
            p,
            next: [0, 0, p.output[2]],
            whole: [whole(0), whole(1)],
            inner: 0..0,
            start: 0,
            pixels: is_same.then_some(0..all),
        }
    }

    /// Copies the next windows, each of `len` bytes, as many as `columns` has room for and as there are; tells how many.
    #[inline(always)]
    pub fn next(&mut self, x: &[i8], len: usize, columns: &mut [i8]) -> usize {
        if let Some(pixels) = &mut self.pixels {
            let x = x.get(pixels.clone()).unwrap_or(&[]);
            let bytes = columns.len().min(x.len());
            copy_rows(Strided { bytes: x, pitch: 0 }, [1, bytes], columns, 0);
            pixels.start = pixels.start.saturating_add(bytes);
            return bytes.checked_div(len).unwrap_or(0);
        }
        let most = columns.len().checked_div(len).unwrap_or(0);
        let mut count = 0usize;
        while count < most && (self.next[2] < self.p.output[2] || self.row()) {
            let to = columns.get_mut(count.wrapping_mul(len)..).unwrap_or_default();
            let done = self.windows(x, most.wrapping_sub(count), to);
            count = count.wrapping_add(done);
            self.next[2] = self.next[2].wrapping_add(done);
        }
        count
    }

    /// The next window, and as many behind it as lie in the image whole, up to `most`; tells how many.
    #[inline(always)]
    fn windows(&self, x: &[i8], most: usize, to: &mut [i8]) -> usize {
        let (p, [n, next_row, ox]) = (self.p, self.next);
        if !self.inner.contains(&ox) {
            let len = column_len(p).min(to.len());
            padded(p, x, [n, next_row.wrapping_sub(1), ox], to.get_mut(..len).unwrap_or_default());
            return 1;
        }
        let count = self.inner.end.wrapping_sub(ox).min(most);
        let [_, _, width, channels] = p.input;
        let (step, pitch) = (p.window.stride[1].wrapping_mul(channels), width.wrapping_mul(channels));
        let start = self.start.wrapping_add(ox.wrapping_mul(step));
        let [rows, taps] = p.window.size;
        let from = Strided { bytes: x.get(start..).unwrap_or(&[]), pitch };
        copy_windows(from, [count, step], [rows, taps.wrapping_mul(channels)], to);
        count
    }

    /// Goes to the next row; `false` where there is none.
    #[inline(never)]
    fn row(&mut self) -> bool {
        let p = self.p;
        let [mut n, mut oy, _] = self.next;
        if oy >= p.output[1] {
            (n, oy) = (n.wrapping_add(1), 0);
        }
        self.next = [n, oy.wrapping_add(1), 0];
        self.inner = if self.whole[0].contains(&oy) { self.whole[1].clone() } else { 0..0 };
        // In the padding in front they wrap to huge numbers.
        let (top, left) = (p.window.start(0, oy) as usize, p.window.start(1, 0) as usize);
        let [_, height, width, channels] = p.input;
        let row = n.wrapping_mul(height).wrapping_add(top);
        self.start = row.wrapping_mul(width).wrapping_add(left).wrapping_mul(channels);
        n < p.output[0]
    }
}

/// A window that does not lie in the image whole: the zero point, then what lies there over it.
#[inline(never)]
fn padded(p: &Conv2d<'_>, x: &[i8], pixel @ [batch, oy, ox]: [usize; 3], column: &mut [i8]) {
    if p.window.dilation != [1, 1] {
        gather_bytes(p, x, pixel, column);
        return;
    }
    fill(p.input_zero_point, column);
    let [_, height, width, channels] = p.input;
    let (down, across) = (p.window.inside(0, oy, height), p.window.inside(1, ox, width));
    let row = p.window.size[1].wrapping_mul(channels);
    let first = batch.wrapping_mul(height).wrapping_add(down.place).wrapping_mul(width).wrapping_add(across.place);
    let from = x.get(first.wrapping_mul(channels)..).unwrap_or(&[]);
    let tap = down.tap.wrapping_mul(row).wrapping_add(across.tap.wrapping_mul(channels));
    let inside = [down.count, across.count.wrapping_mul(channels)];
    let from = Strided { bytes: from, pitch: width.wrapping_mul(channels) };
    copy_rows(from, inside, column.get_mut(tap..).unwrap_or_default(), row);
}

/// Fills all of `to`.
#[allow(unsafe_code, reason = "a loop in Rust becomes a call of memset, which is slow for a few bytes")]
#[inline(always)]
fn fill(value: i32, to: &mut [i8]) {
    if to.is_empty() {
        return;
    }
    // SAFETY: the predicate of the loop ends behind the bytes of `to`.
    unsafe {
        asm!(
            "vdup.8 q0, {value}",
            "dlstp.8 lr, lr",
            "2:",
            "vstrb.8 q0, [{to}], #16",
            "letp lr, 2b",
            value = in(reg) value,
            to = inout(reg) to.as_mut_ptr() => _,
            inout("lr") to.len() => _,
            out("d0") _, out("d1") _,
        );
    }
}

/// Copies `count` windows of so many rows, which start `step` apart, behind one another.
#[allow(unsafe_code, reason = "a loop in Rust becomes calls of memcpy, which are slow for a few bytes")]
#[inline(always)]
fn copy_windows(from: Strided<'_>, [count, step]: [usize; 2], [rows, row]: [usize; 2], to: &mut [i8]) {
    let Some(last) = count.wrapping_sub(1).checked_mul(step).and_then(|last| from.bytes.get(last..)) else { return };
    let all = rows.saturating_mul(row).saturating_mul(count);
    if count == 0 || row == 0 || !(Strided { bytes: last, ..from }).have([rows, row]) || all > to.len() {
        return;
    }
    // SAFETY: each window reads and writes `rows` rows of `row` bytes; the last one has all of them, and `to` has room for all. The
    // predicate of the inner loop keeps its last round within a row. Behind the last rows the addresses are not used.
    unsafe {
        asm!(
            "2:",
            "mov r3, {from}",
            "mov r4, {rows}",
            "3:",
            "mov r1, r3",
            "mov r2, {to}",
            "dlstp.8 lr, {row}",
            "4:",
            "vldrb.u8 q0, [r1], #16",
            "vstrb.8 q0, [r2], #16",
            "letp lr, 4b",
            "add r3, {pitch}",
            "add {to}, {row}",
            "subs r4, #1",
            "bne 3b",
            "add {from}, {step}",
            "subs {count}, #1",
            "bne 2b",
            from = inout(reg) from.bytes.as_ptr() => _,
            to = inout(reg) to.as_mut_ptr() => _,
            rows = in(reg) rows,
            row = in(reg) row,
            pitch = in(reg) from.pitch,
            step = in(reg) step,
            count = inout(reg) count => _,
            out("r1") _, out("r2") _, out("r3") _, out("r4") _, out("lr") _, out("d0") _, out("d1") _,
        );
    }
}

/// Copies rows to places that lie `pitch` apart.
#[allow(unsafe_code, reason = "a loop in Rust becomes calls of memcpy, which are slow for a few bytes")]
#[inline(always)]
pub(super) fn copy_rows(from: Strided<'_>, [rows, row]: [usize; 2], to: &mut [i8], pitch: usize) {
    let last = rows.wrapping_sub(1).checked_mul(pitch);
    let has_room = last.and_then(|last| last.checked_add(row)).is_some_and(|needed| needed <= to.len());
    if row == 0 || !from.have([rows, row]) || !has_room {
        return;
    }
    // SAFETY: each of `rows` rows reads and writes `row` bytes, as far apart as the checks above allow; the predicate of the loop keeps
    // its last round within them. After the last row the addresses are not used.
    unsafe {
        asm!(
            "2:",
            "mov r1, {from}",
            "mov r2, {to}",
            "dlstp.8 lr, {row}",
            "3:",
            "vldrb.u8 q0, [r1], #16",
            "vstrb.8 q0, [r2], #16",
            "letp lr, 3b",
            "add {from}, {from_pitch}",
            "add {to}, {to_pitch}",
            "subs {rows}, #1",
            "bne 2b",
            from = inout(reg) from.bytes.as_ptr() => _,
            to = inout(reg) to.as_mut_ptr() => _,
            row = in(reg) row,
            from_pitch = in(reg) from.pitch,
            to_pitch = in(reg) pitch,
            rows = inout(reg) rows => _,
            out("r1") _, out("r2") _, out("lr") _, out("d0") _, out("d1") _,
        );
    }
}
