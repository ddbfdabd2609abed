//! The oracle: every operator as its equation says, in nested loops and 64-bit sums.
//!
//! Nothing here is fast and nothing ever will be. A kernel is right when it gives these bits; the tests compare them over
//! generated shapes. Slices must have the lengths of their shapes, otherwise these panic: they are for tests.

use super::{
    Add, Broadcast, Cell, Channel, Clamp, Conv2d, FullyConnected, Layout, Lstm, Mul, Pool, Recurrent, Scale, Window,
    eltwise, pairs, rows, winograd, winograd_4x4,
};
use crate::fixed::{Rounding, requantize, requantize_double};
use crate::fixed16::{sigmoid, tanh};
use crate::gates;

/// Row-major index of `at` in `shape`.
fn index<const N: usize>(shape: [usize; N], at: [usize; N]) -> usize {
    shape.iter().zip(at).fold(0, |sum, (&size, at)| sum * size + at)
}

/// Every index of a shape, in order.
fn positions<const N: usize>(shape: [usize; N]) -> impl Iterator<Item = [usize; N]> {
    (0..shape.iter().product()).map(move |mut flat: usize| {
        let mut at = [0; N];
        for axis in (0..N).rev() {
            at[axis] = flat % shape[axis];
            flat /= shape[axis];
        }
        at
    })
}

/// The input row and column of a tap, where it lies in the image.
fn tap(window: &Window, input: [usize; 4], at: [usize; 2], tap: [usize; 2]) -> Option<[usize; 2]> {
    let along = |axis: usize| {
        let position = at[axis] * window.stride[axis] + tap[axis] * window.dilation[axis];
        position.checked_sub(window.pad[axis]).filter(|&position| position < input[axis + 1])
    };
    Some([along(0)?, along(1)?])
}

fn output(sum: i64, channel: &Channel, rounding: Rounding, zero_point: i32, clamp: Clamp) -> i8 {
    // Wraps like the kernels do; the exporter excludes it.
    let sum = (i64::from(channel.bias) + sum) as i32;
    clamp.apply(requantize(sum, channel.multiplier, channel.shift, rounding).wrapping_add(zero_point))
}

/// See [`super::conv2d`].
pub fn conv2d(p: &Conv2d<'_>, x: &[i8], y: &mut [i8]) {
    let [height, width] = p.window.size;
    for at @ [n, oy, ox, c] in positions(p.output) {
        let mut sum = 0i64;
        for [i, j, k] in positions([height, width, p.input[3]]) {
            let Some([iy, ix]) = tap(&p.window, p.input, [oy, ox], [i, j]) else { continue };
            let tap = index([height, width, p.input[3]], [i, j, k]);
            let taps = height * width * p.input[3];
            let w: i32 = match p.layout {
                Layout::Plain => p.weights[c * taps + tap].into(),
                Layout::Pairs => pairs::weight(p.weights, taps, c, tap).into(),
                Layout::Winograd => restored(p, c, k)[i][j],
                Layout::Winograd4x4 => restored_4x4(p, c, k)[i][j],
            };
            let x = i32::from(x[index(p.input, [n, iy, ix, k])]) - p.input_zero_point;
            sum += i64::from(x) * i64::from(w);
        }
        y[index(p.output, at)] = output(sum, &p.channels[c], p.rounding, p.output_zero_point, p.clamp);
    }
}

/// The 3×3 filter between input `k` and output `c`, from its transform.
fn restored(p: &Conv2d<'_>, c: usize, k: usize) -> [[i32; 3]; 3] {
    let position = |i: usize, j: usize| {
        let at = 2 * winograd::weight_index(p.input[3], c, winograd::place(i, j), k);
        i16::from_le_bytes([p.weights[at].cast_unsigned(), p.weights[at + 1].cast_unsigned()])
    };
    winograd::restore([0, 1, 2, 3].map(|i| [0, 1, 2, 3].map(|j| position(i, j))))
}

/// The same from larger tiles.
fn restored_4x4(p: &Conv2d<'_>, c: usize, k: usize) -> [[i32; 3]; 3] {
    let position = |i: usize, j: usize| {
        let at = 2 * winograd_4x4::weight_index(p.input[3], c, winograd_4x4::place(i, j), k);
        i16::from_le_bytes([p.weights[at].cast_unsigned(), p.weights[at + 1].cast_unsigned()])
    };
    winograd_4x4::restore([0, 1, 2, 3, 4, 5].map(|i| [0, 1, 2, 3, 4, 5].map(|j| position(i, j))))
}

/// See [`super::depthwise`].
pub fn depthwise(p: &Conv2d<'_>, x: &[i8], y: &mut [i8]) {
    let [height, width] = p.window.size;
    let multiplier = p.output[3] / p.input[3];
    for at @ [n, oy, ox, c] in positions(p.output) {
        let mut sum = 0i64;
        for [i, j] in positions([height, width]) {
            let Some([iy, ix]) = tap(&p.window, p.input, [oy, ox], [i, j]) else { continue };
            let w = p.weights[index([height, width, p.output[3]], [i, j, c])];
            let x = i32::from(x[index(p.input, [n, iy, ix, c / multiplier])]) - p.input_zero_point;
            sum += i64::from(x) * i64::from(w);
        }
        y[index(p.output, at)] = output(sum, &p.channels[c], p.rounding, p.output_zero_point, p.clamp);
    }
}

/// See [`super::fully_connected`].
pub fn fully_connected(p: &FullyConnected<'_>, x: &[i8], y: &mut [i8]) {
    for [row, c] in positions([p.rows, p.outputs]) {
        let product = |k: usize| {
            let x = i32::from(x[row * p.inputs + k]) - p.input_zero_point;
            i64::from(x) * i64::from(rows::weight(p.layout, p.weights, p.inputs, c, k))
        };
        let sum = (0..p.inputs).map(product).sum();
        y[row * p.outputs + c] = output(sum, &p.channels[c], p.rounding, p.output_zero_point, p.clamp);
    }
}

fn window_values(p: &Pool, x: &[i8], [n, oy, ox, c]: [usize; 4]) -> WindowSum {
    let mut values = WindowSum { max: i64::MIN, sum: 0, count: 0 };
    for at in positions(p.window.size) {
        if let Some([iy, ix]) = tap(&p.window, p.input, [oy, ox], at) {
            let x = i64::from(x[index(p.input, [n, iy, ix, c])]);
            values = WindowSum { max: values.max.max(x), sum: values.sum + x, count: values.count + 1 };
        }
    }
    values
}

/// What a window amounts to.
struct WindowSum {
    max: i64,
    sum: i64,
    count: i64,
}

/// See [`super::pool::max_pool2d`].
pub fn max_pool2d(p: &Pool, x: &[i8], y: &mut [i8]) {
    for at in positions(p.output) {
        y[index(p.output, at)] = p.clamp.apply(window_values(p, x, at).max as i32);
    }
}

/// See [`super::pool::average_pool2d`].
pub fn average_pool2d(p: &Pool, x: &[i8], y: &mut [i8]) {
    for at in positions(p.output) {
        let WindowSum { sum, count, .. } = window_values(p, x, at);
        // round(sum / count), half away from zero, as floor((2·|sum| + count) / (2·count)) with the sign of the sum.
        let rounded = (2 * sum.abs() + count) / (2 * count) * sum.signum();
        y[index(p.output, at)] = p.clamp.apply(rounded as i32);
    }
}

fn operands(shapes: &Broadcast, at: [usize; 6]) -> [usize; 2] {
    shapes.inputs.map(|shape| {
        let mut own = at;
        own.iter_mut().zip(shape).for_each(|(at, size)| *at = if size == 1 { 0 } else { *at });
        index(shape, own)
    })
}

/// See [`super::eltwise::add`].
pub fn add(p: &Add, shapes: &Broadcast, a: &[i8], b: &[i8], y: &mut [i8]) {
    for at in positions(shapes.output) {
        let [i, j] = operands(shapes, at);
        y[index(shapes.output, at)] = eltwise::add_one(p, a[i], b[j]);
    }
}

/// See [`super::eltwise::mul`].
pub fn mul(p: &Mul, shapes: &Broadcast, a: &[i8], b: &[i8], y: &mut [i8]) {
    for at in positions(shapes.output) {
        let [i, j] = operands(shapes, at);
        y[index(shapes.output, at)] = eltwise::mul_one(p, a[i], b[j]);
    }
}

/// See [`super::pad`].
pub fn pad(input: [usize; 6], before: [usize; 6], output: [usize; 6], value: i8, x: &[i8], y: &mut [i8]) {
    for at in positions(output) {
        let mut from = [0; 6];
        let is_inside = (0..6).all(|axis| match at[axis].checked_sub(before[axis]) {
            Some(position) if position < input[axis] => {
                from[axis] = position;
                true
            }
            _ => false,
        });
        y[index(output, at)] = if is_inside { x[index(input, from)] } else { value };
    }
}

/// See [`super::lstm`].
pub fn lstm(p: &Lstm<'_>, x: &[i8], y: &mut [i8]) {
    let sat16 = |x: i64| x.clamp(i16::MIN.into(), i16::MAX.into());
    let scaled = |x: i64, scale: Scale| i64::from(requantize_double(x as i32, scale.multiplier, scale.shift));
    let shifted = |x: i64, n: u32| ((2 * x.abs() + (1 << n)) >> (n + 1)) * x.signum();
    for (x, y) in x.chunks(p.time * p.inputs).zip(y.chunks_mut(p.time * p.cells)) {
        let mut hidden = [p.hidden_zero_point as i8; MAX_CELLS];
        let mut cell = [0i64; MAX_CELLS];
        for (x, y) in x.chunks(p.inputs).zip(y.chunks_mut(p.cells)) {
            for j in 0..p.cells {
                let gate = |k: usize| {
                    let row = 4 * j + k;
                    let products = |weights: &[i8], x: &[i8], zero: i32| -> i64 {
                        let weight = |tap: usize| rows::weight(p.layout, weights, x.len(), row, tap);
                        let product = |(k, &x)| i64::from(weight(k)) * (i64::from(x) - i64::from(zero));
                        x.iter().enumerate().map(product).sum()
                    };
                    let input = products(p.input_weights, x, p.input_zero_point);
                    let recurrent = products(p.recurrent_weights, &hidden[..p.cells], p.hidden_zero_point);
                    let input = sat16(scaled(i64::from(p.biases[row]) + input, p.input_scales[k]));
                    sat16(input + scaled(recurrent, p.recurrent_scales[k])) as i16
                };
                let [i, f, o] = [0, 1, 3].map(|k| i64::from(sigmoid(gate(k))));
                let g = i64::from(tanh(gate(2), 3));
                let sum = shifted(f * cell[j], 15) + shifted(i * g, 30 - p.cell_fraction);
                cell[j] = sat16(sum).clamp(-i64::from(p.clip), p.clip.into());
                let squashed = i64::from(tanh(cell[j] as i16, 15 - p.cell_fraction));
                let out = scaled(o * squashed, p.hidden) + i64::from(p.hidden_offset);
                y[j] = out.clamp(-128, 127) as i8;
            }
            hidden[..p.cells].copy_from_slice(y);
        }
    }
}

/// See [`super::recurrent`].
pub fn recurrent(p: &Recurrent<'_>, x: &[i8], y: &mut [i8]) {
    let sat16 = |x: i64| x.clamp(i16::MIN.into(), i16::MAX.into());
    let rounded = |x: i64, shift: u32| (x + (1 << shift >> 1)) >> shift;
    let gate = |x: i64| i64::from(gates::sigmoid(sat16(x) as i16));
    let squash = |x: i64| i64::from(gates::tanh(sat16(x) as i16));
    let steps = if p.last_only { 1 } else { p.time };
    for (x, y) in x.chunks(p.time * p.inputs).zip(y.chunks_mut(steps * p.cells)) {
        let (mut hidden, mut memory) = ([0i8; MAX_CELLS], [0i64; MAX_CELLS]);
        for step in 0..p.time {
            let at = if p.reverse { p.time - 1 - step } else { step };
            let x = &x[at * p.inputs..][..p.inputs];
            let row = |weights: &[i8], channels: &[Channel], x: &[i8], row: usize| {
                let weight = |k: usize| i32::from(rows::weight(p.layout, weights, x.len(), row, k));
                let products: i32 = x.iter().enumerate().map(|(k, &x)| weight(k) * i32::from(x)).sum();
                let Channel { bias, multiplier, shift } = channels[row];
                sat16(requantize(bias + products, multiplier, shift, Rounding::Double).into())
            };
            let before = hidden;
            let input = |k: usize, j: usize| row(p.input_weights, p.input_channels, x, k * p.cells + j);
            let own = |h: &[i8], k: usize, j: usize| {
                row(p.recurrent_weights, p.recurrent_channels, &h[..p.cells], k * p.cells + j)
            };
            let both = |k: usize, j: usize| input(k, j) + own(&before, k, j);
            let mut reset = [0i8; MAX_CELLS];
            for j in (0..p.cells).filter(|_| p.cell == Cell::GruResetBefore) {
                reset[j] = rounded(gate(both(0, j)) * i64::from(before[j]), 15) as i8;
            }
            for j in 0..p.cells {
                let h = match p.cell {
                    Cell::Elman => squash(both(0, j)),
                    Cell::Lstm => {
                        let kept = rounded(gate(both(1, j)) * memory[j], 15);
                        let new = rounded(gate(both(0, j)) * squash(both(2, j)), 30 - p.memory_fraction);
                        memory[j] = sat16(kept + new);
                        let wide = memory[j] << (15 - p.memory_fraction);
                        rounded(gate(both(3, j)) * squash(rounded(wide, 3)), 15)
                    }
                    Cell::Gru | Cell::GruResetBefore => {
                        let behind = match p.cell {
                            Cell::Gru => rounded(gate(both(0, j)) * own(&before, 2, j), 15),
                            _ => own(&reset, 2, j),
                        };
                        let new = squash(input(2, j) + behind);
                        memory[j] = new + rounded(gate(both(1, j)) * (memory[j] - new), 15);
                        memory[j]
                    }
                };
                hidden[j] = rounded(h, 8).min(127) as i8;
            }
            if !p.last_only || step + 1 == p.time {
                let at = if p.last_only { 0 } else { at };
                y[at * p.cells..][..p.cells].copy_from_slice(&hidden[..p.cells]);
            }
        }
    }
}

/// Most cells that the reference takes.
const MAX_CELLS: usize = 64;
