//! Every kernel against the dull reference, bit for bit, over generated shapes and parameters.

use proptest::prelude::*;
use thumbnet::fixed::Rounding;
use thumbnet::format::{Border, ConvParams, DType, MAX_RANK, Op, Place, PoolParams, Tensor};
use thumbnet::kernels::eltwise::Operand;
use thumbnet::kernels::{
    Accumulate, Add, Affine, Broadcast, Cell, Channel, Clamp, Conv2d, FullyConnected, Layout, Lstm, Mul, Pool,
    Recurrent, Requantize, Scale, Stream, Sum, Window, accumulate, are_right_shifts, concat, conv2d, depthwise,
    eltwise, fully_connected, lstm, pad, pool, recurrent, reference, winograd, winograd_4x4,
};
use thumbnet::plan::lead;

/// Values that repeat from a seed: shapes are what proptest should shrink, not contents.
fn values(seed: u32, len: usize) -> Vec<i8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    };
    // One in eight is an end of the range.
    (0..len)
        .map(|_| match next() % 16 {
            0 => -128,
            1 => 127,
            _ => (next() >> 8) as i8,
        })
        .collect()
}

fn weights(seed: u32, len: usize) -> Vec<i8> {
    values(seed, len).into_iter().map(|w| w.max(-127)).collect()
}

/// Rows of weights in [`Layout::Pairs`].
fn in_pairs(w: &[i8], inputs: usize) -> Vec<i8> {
    let rows: Vec<&[i8]> = w.chunks(inputs).collect();
    let weight = |row: Option<&&[i8]>, tap: usize| row.and_then(|row| row.get(tap)).map_or(0, |&w| i16::from(w));
    let four = |pair: &[&[i8]], first: usize| {
        [0, 2, 1, 3].map(|tap| 256 * weight(pair.get(1), first + tap) + weight(pair.first(), first + tap))
    };
    let pairs = rows.chunks(2).flat_map(|pair| (0..inputs).step_by(4).flat_map(move |first| four(pair, first)));
    pairs.flat_map(|halfword| halfword.to_le_bytes().map(u8::cast_signed)).collect()
}

fn channels(seed: u32, count: usize) -> Vec<Channel> {
    let bytes = values(seed, 9 * count);
    bytes
        .chunks_exact(9)
        .map(|b| {
            let word = |i: usize| i32::from_le_bytes([b[i] as u8, b[i + 1] as u8, b[i + 2] as u8, b[i + 3] as u8]);
            let shift = i32::from(b[8]).rem_euclid(16) - 14;
            Channel { bias: word(0) >> 12, multiplier: word(4) & 0x3fff_ffff | 0x4000_0000, shift }
        })
        .collect()
}

/// Factors that keep gates between saturated and dead.
fn gate_channels(seed: u32, count: usize) -> Vec<Channel> {
    let moderate = |c: Channel| Channel { bias: c.bias >> 4, shift: c.shift.rem_euclid(5) - 4, ..c };
    channels(seed, count).into_iter().map(moderate).collect()
}

fn clamp() -> impl Strategy<Value = Clamp> {
    prop_oneof![Just(Clamp::NONE), (any::<i8>(), any::<i8>()).prop_map(|(a, b)| Clamp { min: a.min(b), max: a.max(b) })]
}

fn zero_point() -> impl Strategy<Value = i32> {
    prop_oneof![Just(-128), Just(0), Just(127), -128..=127]
}

fn rounding() -> impl Strategy<Value = Rounding> {
    prop_oneof![Just(Rounding::Single), Just(Rounding::Double)]
}

fn scale() -> impl Strategy<Value = Scale> {
    (1i32 << 30..=i32::MAX, -20..=2).prop_map(|(multiplier, shift)| Scale { multiplier, shift })
}

/// An input, a window, and padding that lets at least one window fit: `(input h w, size, stride, dilation, pad, after)`.
fn geometry() -> impl Strategy<Value = ([usize; 2], Window, [usize; 2])> {
    let axis = || (1..9usize, 1..6usize, 1..4usize, 1..3usize, 0..4usize, 0..4usize);
    (axis(), axis()).prop_map(|(v, h)| {
        let along = |(len, size, stride, dilation, before, after): (usize, usize, usize, usize, usize, usize)| {
            let reach = (size - 1) * dilation + 1;
            let len = len.max(reach.saturating_sub(before + after));
            ((len, size, stride), (dilation, before), (len + before + after - reach) / stride + 1)
        };
        let (v, h) = (along(v), along(h));
        let window =
            Window { size: [v.0.1, h.0.1], stride: [v.0.2, h.0.2], dilation: [v.1.0, h.1.0], pad: [v.1.1, h.1.1] };
        ([v.0.0, h.0.0], window, [v.2, h.2])
    })
}

fn run(len: usize, scratch: usize, kernel: impl FnOnce(&mut [i8], &mut [i8])) -> Vec<i8> {
    let mut y = vec![0x55; len];
    let mut memory = vec![0x5555_5555u32; scratch.div_ceil(4)];
    kernel(&mut y, &mut bytemuck::cast_slice_mut(&mut memory)[..scratch]);
    y
}

/// Runs a kernel with its output as close in front of its input as [`lead`] allows; `None` where it allows nothing.
fn run_over(
    window: &Window,
    input: [usize; 4],
    output: [usize; 4],
    x: &[i8],
    scratch: usize,
    layout: Layout,
    kernel: impl FnOnce(Stream<'_>, &mut [i8]),
) -> Option<Vec<i8>> {
    let tensor = |shape: [usize; 4]| {
        let mut dims = [1; MAX_RANK];
        dims.iter_mut().zip(shape).for_each(|(to, from)| *to = from as u32);
        let (dtype, place) = (DType::I8, Place::Arena);
        Tensor { dtype, place, rank: 4, offset: 0, last_use: 0, scale: 1.0, zero_point: 0, dims }
    };
    let border = Border { top: window.pad[0] as u32, bottom: 0, left: window.pad[1] as u32, right: 0 };
    let [size, stride] = [window.size, window.stride].map(|pair| pair.map(|n| n as u32));
    let op = if layout != Layout::Plain {
        Op::Conv2d(ConvParams {
            size,
            stride,
            dilation: [1, 1],
            pad: border,
            clamp: Clamp::NONE,
            rounding: Rounding::Double,
            layout,
            weights: 0,
            channels: 0,
        })
    } else {
        Op::MaxPool2d(PoolParams { size, stride, pad: border, clamp: Clamp::NONE })
    };
    let lead = lead(&op, &tensor(input), &tensor(output))? as usize;
    let len = output.iter().product::<usize>();
    let memory = run((lead + x.len()).max(len), scratch, |memory, scratch| {
        memory[lead..lead + x.len()].copy_from_slice(x);
        kernel(Stream::over(memory, lead, len), scratch);
    });
    Some(memory[..len].to_vec())
}

/// Weights `[out][3][3][in]` in the layout of [`winograd`].
fn transformed(w: &[i8], inputs: usize, outputs: usize) -> Vec<i16> {
    let mut all = vec![0; winograd::weights_len(inputs, outputs).unwrap() / 2];
    for (output, input) in (0..outputs).flat_map(|output| (0..inputs).map(move |input| (output, input))) {
        let g = [0, 1, 2].map(|i| [0, 1, 2].map(|j| w[(output * 9 + i * 3 + j) * inputs + input]));
        let positions = winograd::transform(g);
        assert_eq!(winograd::restore(positions), g.map(|row| row.map(i32::from)));
        for (i, j) in (0..4).flat_map(|i| (0..4).map(move |j| (i, j))) {
            all[winograd::weight_index(inputs, output, winograd::place(i, j), input)] = positions[i][j];
        }
    }
    all
}

/// The same for larger tiles.
fn transformed_4x4(w: &[i8], inputs: usize, outputs: usize) -> Vec<i16> {
    let mut all = vec![0; winograd_4x4::weights_len(inputs, outputs).unwrap() / 2];
    for (output, input) in (0..outputs).flat_map(|output| (0..inputs).map(move |input| (output, input))) {
        let g = [0, 1, 2].map(|i| [0, 1, 2].map(|j| w[(output * 9 + i * 3 + j) * inputs + input]));
        let positions = winograd_4x4::transform(g);
        assert_eq!(winograd_4x4::restore(positions), g.map(|row| row.map(i32::from)));
        for (i, j) in (0..6).flat_map(|i| (0..6).map(move |j| (i, j))) {
            all[winograd_4x4::weight_index(inputs, output, winograd_4x4::place(i, j), input)] = positions[i][j];
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 8 } else { 1500 }))]

    #[test]
    fn conv2d_is_its_reference(
        (image, window, out) in geometry(), batch in 1..3usize, inputs in 1..9usize, outputs in 1..8usize,
        zp in (zero_point(), zero_point()), clamp in clamp(), rounding in rounding(), seed in any::<u32>(),
    ) {
        let w = weights(seed, outputs * window.size[0] * window.size[1] * inputs);
        let channels = channels(seed ^ 1, outputs);
        let p = Conv2d {
            input: [batch, image[0], image[1], inputs], output: [batch, out[0], out[1], outputs], window,
            input_zero_point: zp.0, output_zero_point: zp.1, clamp, rounding, layout: Layout::Plain,
            weights: &w, channels: &channels, right_shifts: are_right_shifts(&channels),
        };
        let x = values(seed ^ 2, p.input.iter().product());
        let len = p.output.iter().product();
        let expected = run(len, 0, |y, _| reference::conv2d(&p, &x, y));
        let found = run(len, conv2d::scratch_len(&p), |y, scratch| conv2d::conv2d(&p, Stream::apart(&x, y), scratch));
        prop_assert_eq!(&found, &expected);
        if let Some(found) = run_over(&p.window, p.input, p.output, &x, conv2d::scratch_len(&p), Layout::Plain, |io, scratch| conv2d::conv2d(&p, io, scratch)) {
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn packed_conv2d_is_its_reference(
        (image, window, out) in geometry(), batch in 1..3usize, inputs in 1..9usize, outputs in 1..8usize,
        zp in (zero_point(), zero_point()), clamp in clamp(), seed in any::<u32>(),
    ) {
        let taps = window.size[0] * window.size[1] * inputs;
        let w = weights(seed, outputs * taps);
        let (packed, channels) = (in_pairs(&w, taps), channels(seed ^ 1, outputs));
        let direct = Conv2d {
            input: [batch, image[0], image[1], inputs], output: [batch, out[0], out[1], outputs], window,
            input_zero_point: zp.0, output_zero_point: zp.1, clamp, rounding: Rounding::Double, layout: Layout::Plain,
            weights: &w, channels: &channels, right_shifts: are_right_shifts(&channels),
        };
        let p = Conv2d { layout: Layout::Pairs, weights: &packed, ..direct };
        let x = values(seed ^ 2, p.input.iter().product());
        let len = p.output.iter().product();
        let expected = run(len, 0, |y, _| reference::conv2d(&direct, &x, y));
        let scratch = conv2d::scratch_len(&p);
        let found = run(len, scratch, |y, scratch| conv2d::conv2d(&p, Stream::apart(&x, y), scratch));
        prop_assert_eq!(&found, &expected);
        if let Some(found) = run_over(&window, p.input, p.output, &x, scratch, Layout::Plain, |io, scratch| conv2d::conv2d(&p, io, scratch)) {
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn winograd_is_the_direct_convolution(
        size in (1..10usize, 1..12usize), pad in (0..3usize, 0..3usize), after in (0..3usize, 0..3usize),
        batch in 1..3usize, inputs in 1..18usize, outputs in 1..8usize, extreme in prop_oneof![Just(None), Just(Some((-128, -127))), Just(Some((127, 127))), Just(Some((-128, 127)))],
        zp in (zero_point(), zero_point()), clamp in clamp(), seed in any::<u32>(),
    ) {
        let image = [size.0.max(3usize.saturating_sub(pad.0 + after.0)), size.1.max(3usize.saturating_sub(pad.1 + after.1))];
        let out = [image[0] + pad.0 + after.0 - 2, image[1] + pad.1 + after.1 - 2];
        let window = Window { size: [3, 3], stride: [1, 1], dilation: [1, 1], pad: [pad.0, pad.1] };
        let mut w = weights(seed, outputs * 9 * inputs);
        let mut x = values(seed ^ 2, batch * image[0] * image[1] * inputs);
        if let Some((value, weight)) = extreme {
            w.fill(weight);
            x.fill(value);
        }
        let channels = channels(seed ^ 1, outputs);
        let direct = Conv2d {
            input: [batch, image[0], image[1], inputs], output: [batch, out[0], out[1], outputs], window,
            input_zero_point: zp.0, output_zero_point: zp.1, clamp, rounding: Rounding::Double, layout: Layout::Plain,
            weights: &w, channels: &channels, right_shifts: are_right_shifts(&channels),
        };
        let len = direct.output.iter().product();
        let expected = run(len, 0, |y, _| reference::conv2d(&direct, &x, y));
        for (layout, transformed) in [
            (Layout::Winograd, transformed(&w, inputs, outputs)),
            (Layout::Winograd4x4, transformed_4x4(&w, inputs, outputs)),
        ] {
            let p = Conv2d { layout, weights: bytemuck::cast_slice(&transformed), ..direct };
            prop_assert_eq!(&run(len, 0, |y, _| reference::conv2d(&p, &x, y)), &expected);
            let scratch = conv2d::scratch_len(&p);
            prop_assert_eq!(&run(len, scratch, |y, scratch| conv2d::conv2d(&p, Stream::apart(&x, y), scratch)), &expected);
            let over = run_over(&p.window, p.input, p.output, &x, scratch, layout, |io, scratch| conv2d::conv2d(&p, io, scratch));
            if let Some(found) = over {
                prop_assert_eq!(&found, &expected);
            }
        }
    }

    #[test]
    fn pointwise_conv2d_is_its_reference(
        (batch, height, width) in (1..3usize, 1..5usize, 1..5usize), fours in 1..6usize, outputs in 1..20usize,
        zp in (zero_point(), zero_point()), clamp in clamp(), rounding in rounding(), seed in any::<u32>(),
    ) {
        let inputs = 4 * fours;
        let (w, channels) = (weights(seed, outputs * inputs), channels(seed ^ 1, outputs));
        let p = Conv2d {
            input: [batch, height, width, inputs], output: [batch, height, width, outputs],
            window: Window { size: [1, 1], stride: [1, 1], dilation: [1, 1], pad: [0, 0] },
            input_zero_point: zp.0, output_zero_point: zp.1, clamp, rounding, layout: Layout::Plain,
            weights: &w, channels: &channels, right_shifts: are_right_shifts(&channels),
        };
        let x = values(seed ^ 2, p.input.iter().product());
        let len = p.output.iter().product();
        let expected = run(len, 0, |y, _| reference::conv2d(&p, &x, y));
        let found = run(len, conv2d::scratch_len(&p), |y, scratch| conv2d::conv2d(&p, Stream::apart(&x, y), scratch));
        prop_assert_eq!(&found, &expected);
        if let Some(found) = run_over(&p.window, p.input, p.output, &x, conv2d::scratch_len(&p), Layout::Plain, |io, scratch| conv2d::conv2d(&p, io, scratch)) {
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn depthwise_is_its_reference(
        (image, window, out) in geometry(), batch in 1..3usize, inputs in 1..9usize, multiplier in 1..4usize,
        zp in (zero_point(), zero_point()), clamp in clamp(), rounding in rounding(), seed in any::<u32>(),
    ) {
        let outputs = inputs * multiplier;
        let w = weights(seed, outputs * window.size[0] * window.size[1]);
        let channels = channels(seed ^ 1, outputs);
        let p = Conv2d {
            input: [batch, image[0], image[1], inputs], output: [batch, out[0], out[1], outputs], window,
            input_zero_point: zp.0, output_zero_point: zp.1, clamp, rounding, layout: Layout::Plain,
            weights: &w, channels: &channels, right_shifts: are_right_shifts(&channels),
        };
        let x = values(seed ^ 2, p.input.iter().product());
        let len = p.output.iter().product();
        let expected = run(len, 0, |y, _| reference::depthwise(&p, &x, y));
        let found = run(len, depthwise::scratch_len(&p), |y, scratch| depthwise::depthwise(&p, Stream::apart(&x, y), scratch));
        prop_assert_eq!(&found, &expected);
        if let Some(found) = run_over(&p.window, p.input, p.output, &x, depthwise::scratch_len(&p), Layout::Plain, |io, scratch| depthwise::depthwise(&p, io, scratch)) {
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn depthwise_in_planes_is_its_reference(
        // One image in four is so wide that bands have four rows, or two.
        size in (1..40usize, prop_oneof![1..12usize, 1..12usize, 1..12usize, 30..130usize]),
        (taps, stride) in (prop_oneof![Just(3usize), Just(5)], 1..3usize),
        // Half of them keep the size of the image, as most do.
        (pad, after) in prop_oneof![
            ((0..4usize, 0..4usize), (0..4usize, 0..4usize)),
            Just(((1, 1), (1, 1))),
        ],
        fours in 1..4usize, zp in (zero_point(), zero_point()), clamp in clamp(), rounding in rounding(), seed in any::<u32>(),
    ) {
        let fitting = |len: usize, pad: usize| len.max(taps.saturating_sub(pad));
        let image = [fitting(size.0, pad.0 + after.0), fitting(size.1, pad.1 + after.1)];
        let out = [image[0] + pad.0 + after.0, image[1] + pad.1 + after.1].map(|len| (len - taps) / stride + 1);
        let channels = channels(seed ^ 1, 4 * fours);
        let w = weights(seed, 4 * fours * taps * taps);
        let p = Conv2d {
            input: [1, image[0], image[1], 4 * fours], output: [1, out[0], out[1], 4 * fours],
            window: Window { size: [taps; 2], stride: [stride; 2], dilation: [1, 1], pad: [pad.0, pad.1] },
            input_zero_point: zp.0, output_zero_point: zp.1, clamp, rounding, layout: Layout::Plain,
            weights: &w, channels: &channels, right_shifts: are_right_shifts(&channels),
        };
        let x = values(seed ^ 2, p.input.iter().product());
        let len = p.output.iter().product();
        let expected = run(len, 0, |y, _| reference::depthwise(&p, &x, y));
        let scratch = depthwise::scratch_len(&p);
        let found = run(len, scratch, |y, scratch| depthwise::depthwise(&p, Stream::apart(&x, y), scratch));
        prop_assert_eq!(&found, &expected);
        let over = run_over(&p.window, p.input, p.output, &x, scratch, Layout::Plain, |io, scratch| depthwise::depthwise(&p, io, scratch));
        prop_assert_eq!(over.as_ref(), Some(&expected));
        let border = pad.0 as u32;
        if out == image && depthwise::may_overwrite([taps as u32; 2], [stride as u32; 2], [1, 1], border, 16) {
            let in_place = run(len, scratch, |memory, scratch| {
                memory.copy_from_slice(&x);
                depthwise::depthwise(&p, Stream::over(memory, 0, len), scratch);
            });
            prop_assert_eq!(in_place, expected);
        }
    }

    #[test]
    fn fully_connected_is_its_reference(
        rows in 1..4usize, inputs in 1..70usize, outputs in 1..11usize,
        zp in (zero_point(), zero_point()), clamp in clamp(), rounding in rounding(), seed in any::<u32>(),
    ) {
        let (w, channels) = (weights(seed, outputs * inputs), channels(seed ^ 1, outputs));
        let p = FullyConnected {
            rows, inputs, outputs, input_zero_point: zp.0, output_zero_point: zp.1, clamp, rounding,
            layout: Layout::Plain, weights: &w, channels: &channels,
        };
        let x = values(seed ^ 2, rows * inputs);
        let expected = run(rows * outputs, 0, |y, _| reference::fully_connected(&p, &x, y));
        let packed = in_pairs(&w, inputs);
        for p in [p, FullyConnected { layout: Layout::Pairs, weights: &packed, ..p }] {
            let len = fully_connected::scratch_len(&p);
            let found = run(rows * outputs, len, |y, scratch| fully_connected::fully_connected(&p, &x, y, scratch));
            prop_assert_eq!(&found, &expected);
        }
        let p = FullyConnected { layout: Layout::Pairs, weights: &packed, ..p };
        prop_assert_eq!(run(rows * outputs, 0, |y, _| reference::fully_connected(&p, &x, y)), expected);
    }

    #[test]
    fn fully_connected_in_parts_is_its_reference(
        parts in prop::collection::vec(1..40usize, 1..5), outputs in 1..11usize,
        zp in (zero_point(), zero_point()), clamp in clamp(), rounding in rounding(), seed in any::<u32>(),
    ) {
        let inputs = parts.iter().sum();
        let (w, channels) = (weights(seed, outputs * inputs), channels(seed ^ 1, outputs));
        let p = FullyConnected {
            rows: 1, inputs, outputs, input_zero_point: zp.0, output_zero_point: zp.1, clamp, rounding,
            layout: Layout::Plain, weights: &w, channels: &channels,
        };
        let x = values(seed ^ 2, inputs);
        let expected = run(outputs, 0, |y, _| reference::fully_connected(&p, &x, y));
        let (mut sums, mut start) = (vec![0; outputs], 0);
        for part in parts {
            let columns = start..start + part;
            let own: Vec<i8> = w.chunks_exact(inputs).flat_map(|row| row[columns.clone()].to_vec()).collect();
            let p = Accumulate { input_zero_point: zp.0, weights: &own };
            accumulate::accumulate(&p, &x[columns], &mut sums);
            start += part;
        }
        let p = Requantize { output_zero_point: zp.1, clamp, rounding, channels: &channels };
        prop_assert_eq!(run(outputs, 0, |y, _| accumulate::requantize(&p, &sums, y)), expected);
    }

    #[test]
    fn lstm_is_its_reference(
        batch in 1..3usize, time in 1..5usize, inputs in 1..20usize, cells in 1..20usize,
        zp in (zero_point(), zero_point()), hidden_offset in -20..=20, cell_fraction in 9..=15u32,
        clip in prop_oneof![Just(32767i16), 1..32767i16], seed in any::<u32>(),
        // Factors that keep the gates between saturated and dead.
        scales in prop::array::uniform4(((1i32 << 30)..=i32::MAX, -6..=1)),
    ) {
        let scale = |k: usize| Scale { multiplier: scales[k].0, shift: scales[k].1 };
        let bytes = values(seed ^ 3, 8 * cells);
        let biases: Vec<i32> = bytes.chunks(2).map(|b| i32::from(b[0]) * 256 + i32::from(b[1])).collect();
        let (input_weights, recurrent_weights) = (weights(seed, 4 * cells * inputs), weights(seed ^ 1, 4 * cells * cells));
        let p = Lstm {
            time, inputs, cells, layout: Layout::Plain, input_zero_point: zp.0, hidden_zero_point: zp.1, hidden_offset, cell_fraction, clip,
            input_scales: [0, 1, 2, 3].map(scale), recurrent_scales: [3, 2, 1, 0].map(scale),
            hidden: Scale { multiplier: scales[0].0, shift: -22 },
            input_weights: &input_weights, recurrent_weights: &recurrent_weights, biases: &biases,
        };
        let x = values(seed ^ 2, batch * time * inputs);
        let len = batch * time * cells;
        let expected = run(len, 0, |y, _| reference::lstm(&p, &x, y));
        let packed = [in_pairs(&input_weights, inputs), in_pairs(&recurrent_weights, cells)];
        let [input_weights, recurrent_weights] = &packed;
        for p in [p, Lstm { layout: Layout::Pairs, input_weights, recurrent_weights, ..p }] {
            let found = run(len, lstm::scratch_len(&p), |y, scratch| lstm::lstm(&p, &x, y, scratch));
            prop_assert_eq!(&found, &expected);
        }
    }

    #[test]
    fn recurrent_layers_are_their_reference(
        cell in prop_oneof![Just(Cell::Elman), Just(Cell::Lstm), Just(Cell::Gru), Just(Cell::GruResetBefore)],
        (reverse, last_only) in any::<(bool, bool)>(), batch in 1..3usize, time in 1..6usize,
        inputs in 1..20usize, cells in 1..20usize, memory_fraction in 9..=15u32, seed in any::<u32>(),
    ) {
        let rows = cells * cell.gates();
        let (input_weights, recurrent_weights) = (weights(seed, rows * inputs), weights(seed ^ 1, rows * cells));
        let (input_channels, recurrent_channels) = (gate_channels(seed ^ 3, rows), gate_channels(seed ^ 4, rows));
        let p = Recurrent {
            cell, reverse, last_only, time, inputs, cells, layout: Layout::Plain, memory_fraction,
            input_weights: &input_weights, recurrent_weights: &recurrent_weights,
            input_channels: &input_channels, recurrent_channels: &recurrent_channels,
        };
        let x = values(seed ^ 2, batch * time * inputs);
        let len = batch * cells * if last_only { 1 } else { time };
        let expected = run(len, 0, |y, _| reference::recurrent(&p, &x, y));
        let packed = [in_pairs(&input_weights, inputs), in_pairs(&recurrent_weights, cells)];
        let [input_weights, recurrent_weights] = &packed;
        for p in [p, Recurrent { layout: Layout::Pairs, input_weights, recurrent_weights, ..p }] {
            let len_of_scratch = recurrent::scratch_len(&p, false);
            let found = run(len, len_of_scratch, |y, scratch| recurrent::recurrent(&p, &x, y, scratch));
            prop_assert_eq!(&found, &expected);
        }

        // Fed frame by frame, with the states carried over, it gives the same bits.
        if !reverse && !last_only && batch == 1 {
            let (mut hidden, mut memory) = (vec![0; cells], vec![0; if cell == Cell::Elman { 0 } else { cells }]);
            let p = Recurrent { time: 1, ..p };
            let streamed: Vec<i8> = x.chunks(inputs).flat_map(|x| {
                run(cells, recurrent::scratch_len(&p, true), |y, scratch| {
                    recurrent::recurrent_from(&p, x, &mut hidden, &mut memory, y, scratch);
                })
            }).collect();
            prop_assert_eq!(streamed, expected);
        }
    }

    #[test]
    fn pools_are_their_references(
        (image, window, _) in geometry(), batch in 1..3usize, channels in 1..40usize, clamp in clamp(), seed in any::<u32>(),
    ) {
        // As the check has it: no dilation, and no window in the padding alone.
        let size = [window.size[0].min(image[0]), window.size[1].min(image[1])];
        let pad = [window.pad[0].min(size[0] - 1), window.pad[1].min(size[1] - 1)];
        let window = Window { size, pad, dilation: [1, 1], ..window };
        let out = [0, 1].map(|axis| (image[axis] + pad[axis] - size[axis]) / window.stride[axis] + 1);
        let p = Pool { input: [batch, image[0], image[1], channels], output: [batch, out[0], out[1], channels], window, clamp };
        let x = values(seed, p.input.iter().product());
        let len = p.output.iter().product();
        let expected = run(len, 0, |y, _| reference::max_pool2d(&p, &x, y));
        prop_assert_eq!(&run(len, 0, |y, _| pool::max_pool2d(&p, Stream::apart(&x, y))), &expected);
        if let Some(found) = run_over(&p.window, p.input, p.output, &x, 0, Layout::Plain, |io, _| pool::max_pool2d(&p, io)) {
            prop_assert_eq!(found, expected);
        }
        let expected = run(len, 0, |y, _| reference::average_pool2d(&p, &x, y));
        prop_assert_eq!(&run(len, 0, |y, _| pool::average_pool2d(&p, Stream::apart(&x, y))), &expected);
        if let Some(found) = run_over(&p.window, p.input, p.output, &x, 0, Layout::Plain, |io, _| pool::average_pool2d(&p, io)) {
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn sums_and_products_are_their_references(
        output in prop::array::uniform6(1..4usize), repeat in prop::array::uniform6(0..3u8),
        zp in (zero_point(), zero_point(), zero_point()), scales in (scale(), scale(), scale()),
        clamp in clamp(), rounding in rounding(), seed in any::<u32>(),
    ) {
        let shape = |which: u8| {
            let mut shape = output;
            shape.iter_mut().zip(repeat).for_each(|(size, repeat)| if repeat == which { *size = 1 });
            shape
        };
        let shapes = Broadcast { output, inputs: [shape(1), shape(2)] };
        let [a, b] = shapes.inputs.map(|shape| values(seed ^ shape[5] as u32, shape.iter().product()));
        let halve = |s: Scale| Scale { shift: s.shift.min(0), ..s };
        let add = Add {
            input_zero_points: [zp.0, zp.1], output_zero_point: zp.2, left_shift: 20,
            inputs: [halve(scales.0), halve(scales.1)], output: Scale { shift: -18, ..scales.2 }, clamp,
        };
        let sum = Sum { args: add, affine: None };
        let mul = Mul { input_zero_points: [zp.0, zp.1], output_zero_point: zp.2, scale: scales.2, rounding, clamp };
        let len = output.iter().product();
        let expected_sum = run(len, 0, |y, _| reference::add(&add, &shapes, &a, &b, y));
        prop_assert_eq!(&run(len, 0, |y, _| eltwise::add(&sum, &shapes, &a, &b, y)), &expected_sum);
        let expected = run(len, 0, |y, _| reference::mul(&mul, &shapes, &a, &b, y));
        prop_assert_eq!(&run(len, 0, |y, _| eltwise::mul(&mul, &shapes, &a, &b, y)), &expected);
        for (over, index) in [(Operand::A, 0), (Operand::B, 1)] {
            let (own, other) = if index == 0 { (&a, &b) } else { (&b, &a) };
            // The output lies over an operand of its own shape; the other one may be repeated.
            if shapes.inputs[index] == output {
                let mut y = own.clone();
                eltwise::add_in_place(&sum, &shapes, over, other, &mut y);
                prop_assert_eq!(&y, &expected_sum);
                let mut y = own.clone();
                eltwise::mul_in_place(&mul, &shapes, over, other, &mut y);
                prop_assert_eq!(&y, &expected);
            }
        }
    }

    #[test]
    fn padding_is_its_reference(
        input in prop::array::uniform6(1..4usize), before in prop::array::uniform6(0..3usize),
        after in prop::array::uniform6(0..3usize), value in any::<i8>(), seed in any::<u32>(),
    ) {
        let mut output = input;
        output.iter_mut().zip(before).zip(after).for_each(|((size, before), after)| *size += before + after);
        let x = values(seed, input.iter().product());
        let len = output.iter().product();
        let expected = run(len, 0, |y, _| reference::pad(input, before, output, value, &x, y));
        prop_assert_eq!(run(len, 0, |y, _| pad::pad(input, before, output, value, &x, y)), expected);
    }

    #[test]
    fn concatenation_puts_rows_side_by_side(outer in 1..5usize, parts in prop::collection::vec(1..6usize, 1..5), seed in any::<u32>()) {
        let row: usize = parts.iter().sum();
        let inputs: Vec<Vec<i8>> = (0..).zip(&parts).map(|(i, part)| values(seed ^ i, outer * part)).collect();
        let mut y = vec![0; outer * row];
        let mut offset = 0;
        for (x, &part) in inputs.iter().zip(&parts) {
            concat::concat_part(row, offset, part, x, &mut y);
            offset += part;
        }
        let expected: Vec<i8> = (0..outer)
            .flat_map(|o| inputs.iter().zip(&parts).flat_map(move |(x, &part)| x[o * part..][..part].to_vec()))
            .collect();
        prop_assert_eq!(y, expected);
    }
}

proptest! {
    /// Any factors: those of a file may be meaningless, and have the same meaning everywhere.
    #[test]
    fn affine_sums_are_their_equation(
        factors in any::<[i32; 2]>(), constant in any::<i32>(), clamp in clamp(), rows in 1..4usize, row in 1..40usize,
        is_repeated in any::<bool>(), seed in any::<u32>(),
    ) {
        let scale = Scale { multiplier: 1 << 30, shift: 0 };
        let affine = Some(Affine { factors, constant });
        let args = Add {
            input_zero_points: [0; 2], output_zero_point: 0, left_shift: 20, inputs: [scale; 2], output: scale, clamp,
        };
        let p = Sum { args, affine };
        let output = [1, 1, 1, 1, rows, row];
        let repeated = [1, 1, 1, 1, if is_repeated { 1 } else { rows }, row];
        let (a, b) = (values(seed, rows * row), values(seed ^ 1, repeated[4] * row));
        let equation = |a: i8, b: i8| {
            let part = |factor: i32, q: i8| (i64::from(factor) * i64::from(q)) >> 8;
            let sum = (part(factors[0], a) + part(factors[1], b) + i64::from(constant)) as i32;
            clamp.apply(sum >> 20)
        };
        let expected: Vec<i8> = a.iter().zip(b.iter().cycle()).map(|(&a, &b)| equation(a, b)).collect();
        let shapes = Broadcast { output, inputs: [output, repeated] };
        prop_assert_eq!(&run(a.len(), 0, |y, _| eltwise::add(&p, &shapes, &a, &b, y)), &expected);
        let mut y = a;
        eltwise::add_in_place(&p, &shapes, Operand::A, &b, &mut y);
        prop_assert_eq!(y, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[cfg_attr(miri, ignore = "65,536 sums take Miri minutes, and touch memory as few do")]
    #[test]
    fn every_pair_of_bytes_has_the_sum_of_its_reference(
        zp in (zero_point(), zero_point(), zero_point()), scales in (scale(), scale(), scale()),
        clamp in clamp(), (is_repeated, is_second) in any::<(bool, bool)>(),
    ) {
        let halve = |s: Scale| Scale { shift: s.shift.min(0), ..s };
        let args = Add {
            input_zero_points: [zp.0, zp.1], output_zero_point: zp.2, left_shift: 20,
            inputs: [halve(scales.0), halve(scales.1)], output: Scale { shift: scales.2.shift.min(0) - 10, ..scales.2 },
            clamp,
        };
        let p = Sum { args, affine: None };
        let output = [1, 1, 1, 1, 256, 256];
        let bytes: Vec<i8> = (i8::MIN..=i8::MAX).collect();
        let rows: Vec<i8> = bytes.iter().flat_map(|&byte| [byte; 256]).collect();
        let columns = bytes.repeat(256);
        // Every byte beside every other one, the second operand repeated or not, the output over the one or the other.
        let other = if is_repeated { &bytes } else { &columns };
        let repeated = [1, 1, 1, 1, if is_repeated { 1 } else { 256 }, 256];
        let (shapes, over, index) = if is_second {
            (Broadcast { output, inputs: [repeated, output] }, Operand::B, 1)
        } else {
            (Broadcast { output, inputs: [output, repeated] }, Operand::A, 0)
        };
        let operands = if index == 0 { [&rows, other] } else { [other, &rows] };
        let expected = run(1 << 16, 0, |y, _| reference::add(&args, &shapes, operands[0], operands[1], y));
        let found = run(1 << 16, 0, |y, _| eltwise::add(&p, &shapes, operands[0], operands[1], y));
        prop_assert_eq!(&found, &expected);
        let mut y = rows.clone();
        eltwise::add_in_place(&p, &shapes, over, other, &mut y);
        prop_assert_eq!(y, expected);
    }
}
