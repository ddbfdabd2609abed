//! Bilinear resizing in integers.
//!
//! Positions have 10 fractional bits: `s = (2^10 · in + out / 2) / out` per step (`(2^10 · (in − 1) + (out − 1) / 2) / (out − 1)`
//! with aligned corners), at `i · s`, or `i · s + s / 2 − 2^9` with half-pixel centers. The four neighbours are weighted with
//! 20 bits and rounded half away from zero. Source: TensorFlow Lite's reference kernel `ResizeBilinearInteger`.

use super::Resize;

/// Resizes each image of `x` into `y`; both have the same quantization.
pub fn bilinear(p: &Resize, x: &[i8], y: &mut [i8]) {
    let [_, height, width, channels] = p.input;
    let [_, out_height, out_width, _] = p.output;
    let steps = [step(p, height, out_height), step(p, width, out_width)];
    let image = height.saturating_mul(width).saturating_mul(channels).max(1);
    let out_image = out_height.saturating_mul(out_width).saturating_mul(channels).max(1);
    for (x, y) in x.chunks_exact(image).zip(y.chunks_exact_mut(out_image)) {
        for (index, y) in y.chunks_exact_mut(channels.max(1)).enumerate() {
            let (row, column) = (index.checked_div(out_width).unwrap_or(0), index.checked_rem(out_width).unwrap_or(0));
            let rows = neighbours(p, row, steps[0], height);
            let columns = neighbours(p, column, steps[1], width);
            for (channel, y) in y.iter_mut().enumerate() {
                let mut sum = 0i32;
                for (row, down) in rows {
                    for (column, across) in columns {
                        let at =
                            row.wrapping_mul(width).wrapping_add(column).wrapping_mul(channels).wrapping_add(channel);
                        let value = i32::from(x.get(at).copied().unwrap_or(0));
                        sum = sum.wrapping_add(value.wrapping_mul(down).wrapping_mul(across));
                    }
                }
                let half = if sum > 0 { 1 << 19 } else { -(1 << 19) };
                *y = (sum.wrapping_add(half) / (1 << 20)) as i8;
            }
        }
    }
}

/// Distance between neighbouring outputs in the input, in 1/1024.
fn step(p: &Resize, input: usize, output: usize) -> i32 {
    let [input, output] = [input, output].map(|n| n as i32);
    let (input, output) =
        if p.align_corners && output > 1 { (input.wrapping_sub(1), output.wrapping_sub(1)) } else { (input, output) };
    input.wrapping_shl(10).wrapping_add(output / 2).checked_div(output).unwrap_or(0)
}

/// Both neighbours of an output, each with its weight in 1/1024.
fn neighbours(p: &Resize, at: usize, step: i32, len: usize) -> [(usize, i32); 2] {
    let shift = if p.half_pixel_centers { step / 2 - (1 << 9) } else { 0 };
    let position = (at as i32).wrapping_mul(step).wrapping_add(shift);
    let last = (len as i32).wrapping_sub(1).max(0);
    let lower = (position / 1024).clamp(0, last);
    let upper = (position.wrapping_add(1023) / 1024).clamp(0, last);
    let fraction = position.wrapping_sub(lower.wrapping_mul(1024));
    [(lower as usize, 1024i32.wrapping_sub(fraction)), (upper as usize, fraction)]
}
