//! Transposed 2-D convolution: each input pixel adds its filter to the output at its stride.
//!
//! `y[n,oy,ox,c] = clamp(zp_y + requantize(bias[c] + Σ (x[n,iy,ix,k] − zp_x) · w[c,i,j,k]))` over all taps with
//! `iy · stride + i = oy + pad` and `ix · stride + j = ox + pad`. Rounded twice, as TensorFlow Lite's reference kernel does.

use super::{Conv2d, output_i8};

/// Convolves `x` into `y`, output by output.
pub fn transpose_conv(p: &Conv2d<'_>, x: &[i8], y: &mut [i8]) {
    let [height, width] = p.window.size;
    let [_, _, in_width, channels] = p.input;
    let filter = height.saturating_mul(width).saturating_mul(channels).max(1);
    for ([n, oy, ox], y) in p.window.outputs(p.output).zip(y.chunks_exact_mut(p.output[3].max(1))) {
        for ((y, channel), weights) in y.iter_mut().zip(p.channels).zip(p.weights.chunks_exact(filter)) {
            let mut sum = channel.bias;
            for (tap, weights) in weights.chunks_exact(channels.max(1)).enumerate() {
                let (i, j) = (tap.checked_div(width).unwrap_or(0), tap.checked_rem(width).unwrap_or(0));
                let (Some(iy), Some(ix)) = (source(p, 0, oy, i), source(p, 1, ox, j)) else { continue };
                let pixel = n.wrapping_mul(p.input[1]).wrapping_add(iy).wrapping_mul(in_width).wrapping_add(ix);
                let x = x.get(pixel.wrapping_mul(channels)..).unwrap_or(&[]);
                for (&w, &x) in weights.iter().zip(x) {
                    sum = sum.wrapping_add(i32::from(w).wrapping_mul(i32::from(x).wrapping_sub(p.input_zero_point)));
                }
            }
            *y = output_i8(sum, channel, p.rounding, p.output_zero_point, p.clamp);
        }
    }
}

/// The input row or column that reaches output `at` through a tap, if there is one.
#[inline(always)]
fn source(p: &Conv2d<'_>, axis: usize, at: usize, tap: usize) -> Option<usize> {
    let (stride, pad, len) = if axis == 0 {
        (p.window.stride[0], p.window.pad[0], p.input[1])
    } else {
        (p.window.stride[1], p.window.pad[1], p.input[2])
    };
    let distance = at.checked_add(pad)?.checked_sub(tap)?;
    let position = distance.checked_div(stride)?;
    (distance.checked_rem(stride)? == 0 && position < len).then_some(position)
}
