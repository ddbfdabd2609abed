//! The check that [`Model::new`] makes: after it, nothing about the file can surprise a session.

use crate::arena::Span;
use crate::bind::{Call, elements, has_length, is_range, last_dim, right_aligned, sizes};
use crate::error::{FormatError, StepProblem, TensorProblem};
use crate::fixed::Rounding;
use crate::format::{
    BinaryFunction, Border, Cell, DType, MAX_RANK, MotionParams, Op, PcenParams, Place, Record, RecurrentParams,
    ReduceFunction, SpectrogramParams, Step, Tensor,
};
use crate::kernels::{self, Channel, Conv2d, Layout, MatMul, Motion, Scale, Spectrogram, View, Window};
use crate::model::Model;
use crate::plan::{keeps_parts, lead, may_move, may_overwrite, part_of_input, work};

/// Checks everything behind the head.
pub(crate) fn model(model: &Model<'_>) -> Result<(), FormatError> {
    tables(model)?;
    for (number, tensor) in (0..).zip(0..model.tensors().len() as u32) {
        check_tensor(model, tensor).map_err(|problem| FormatError::Tensor { tensor: number, problem })?;
    }
    states(model)?;
    outputs(model)?;
    let mut records = model.records();
    let mut work = 0u64;
    for step in 0..model.head().steps {
        let own = records
            .next()
            .ok_or(StepProblem::Record)
            .and_then(|record| check_step(model, step, &record))
            .map_err(|problem| FormatError::Step { step, problem })?;
        work = work.saturating_add(own);
    }
    if !records.is_finished() {
        return Err(FormatError::Section("program"));
    }
    if model.work() == work { Ok(()) } else { Err(FormatError::Work { found: model.work(), expected: work }) }
}

/// The tables have the lengths that the head's counts ask for.
fn tables(model: &Model<'_>) -> Result<(), FormatError> {
    let head = model.head();
    if head.inputs == 0 || head.inputs.checked_add(head.steps).is_none_or(|least| least > head.tensors.count) {
        return Err(FormatError::Section("tensor"));
    }
    if head.initial.count != 0 && model.initial_state().len() != model.state_len() {
        return Err(FormatError::Section("initial state"));
    }
    if head.state_len > head.arena_len || head.arena_len > i32::MAX as u32 {
        return Err(FormatError::Section("arena"));
    }
    let case = model.golden_input_words().and_then(|words| words.checked_add(head.steps as usize));
    if case.is_none_or(|case| !model.golden().len().is_multiple_of(case.max(1))) {
        return Err(FormatError::Section("golden"));
    }
    let info = model.info();
    let edge = last_dim(&model.input(0).ok_or(FormatError::Section("tensor"))?);
    let scalings = info.gain.len() / 4;
    if info.gain.len() != info.offset.len() || !info.gain.len().is_multiple_of(4) || (scalings != 1 && scalings != edge)
    {
        return Err(FormatError::Info);
    }
    Ok(())
}

/// State tensors follow one another in the part of the arena that is theirs; nothing else lies there but new values.
fn states(model: &Model<'_>) -> Result<(), FormatError> {
    let mut end = 0;
    for (tensor, state) in model.states() {
        let span = span_of(&state);
        let next = span.end().filter(|&next| span.start >= end && next <= model.state_len());
        end = next.ok_or(FormatError::Tensor { tensor, problem: TensorProblem::Overlap })?;
    }
    Ok(())
}

fn outputs(model: &Model<'_>) -> Result<(), FormatError> {
    if model.output_count() == 0 {
        return Err(FormatError::Section("output"));
    }
    for (number, &output) in (0..).zip(model.outputs()) {
        let lives = |tensor: Tensor| tensor.place == Place::Arena && tensor.last_use == model.head().steps;
        if !tensor_of(model, output).is_some_and(lives) {
            return Err(FormatError::Output { output: number });
        }
    }
    Ok(())
}

/// The tensor with this number. One copy of what looks at its type and place.
#[inline(never)]
fn tensor_of(model: &Model<'_>, number: u32) -> Option<Tensor> {
    model.tensors().get(number)
}

fn check_tensor(model: &Model<'_>, number: u32) -> Result<(), TensorProblem> {
    let tensor = tensor_of(model, number).ok_or(TensorProblem::Record)?;
    let rank = usize::from(tensor.rank);
    let unused = tensor.dims.get(rank..).ok_or(TensorProblem::Shape)?;
    if tensor.dims.contains(&0) || unused.iter().any(|&dim| dim != 1) {
        return Err(TensorProblem::Shape);
    }
    let len = tensor.bytes().ok_or(TensorProblem::Shape)?;
    let zero_points = match tensor.dtype {
        DType::I8 => -128..=127,
        DType::U8 => 0..=255,
        _ => 0..=0,
    };
    if !(tensor.scale > 0.0 && tensor.scale < f32::INFINITY && zero_points.contains(&tensor.zero_point)) {
        return Err(TensorProblem::Quantization);
    }
    let is_constant = number >= model.head().inputs && number < model.first_result();
    let memory = match tensor.place {
        Place::Data if is_constant => model.data().len(),
        Place::Data => return Err(TensorProblem::Place),
        Place::Arena => model.arena_len(),
    };
    let span = Span::new(tensor.offset, len);
    if span.end().is_none_or(|end| end > memory) || !tensor.offset.is_multiple_of(4) {
        return Err(TensorProblem::Range);
    }
    let born = number.saturating_sub(model.first_result());
    if tensor.last_use > model.head().steps || (!is_constant && tensor.last_use < born) {
        return Err(TensorProblem::Lifetime);
    }
    if !is_constant && span.start < model.state_len() && !is_update(model, number, &tensor) {
        return Err(TensorProblem::Overlap);
    }
    let is_input = number < model.head().inputs;
    if is_input && (0..number).filter_map(|other| tensor_of(model, other)).any(|other| span_of(&other).overlaps(span)) {
        return Err(TensorProblem::Overlap);
    }
    Ok(())
}

/// Whether the output of a step is the new value of a state: in the same place, of the same kind, and kept to the end.
fn is_update(model: &Model<'_>, number: u32, tensor: &Tensor) -> bool {
    let is_result = number >= model.first_result() && tensor.last_use == model.head().steps;
    let replaces = |state: &Tensor| {
        span_of(state) == span_of(tensor) && state.dtype == tensor.dtype && quantized_alike(state, tensor)
    };
    is_result && model.states().any(|(_, state)| replaces(&state))
}

fn span_of(tensor: &Tensor) -> Span {
    Span::new(tensor.offset, tensor.bytes().unwrap_or(u32::MAX))
}

/// Checks a step and gives the work that it takes.
fn check_step(model: &Model<'_>, number: u32, record: &Record<'_>) -> Result<u64, StepProblem> {
    // Not moved out of its result: that would copy it.
    let step = record.step();
    let step = step.as_ref().map_err(|&problem| problem)?;
    let output_number = model.first_result().saturating_add(number);
    let output = tensor_of(model, output_number).ok_or(StepProblem::Record)?;
    if !step.op.arity().contains(&step.inputs.len()) {
        return Err(StepProblem::Arity);
    }
    for &input in step.inputs {
        if input >= output_number {
            return Err(StepProblem::Order);
        }
        let tensor = tensor_of(model, input).ok_or(StepProblem::Order)?;
        if tensor.place == Place::Arena && tensor.last_use < number {
            return Err(StepProblem::Lifetime);
        }
    }
    let first = operand(model, step, 0)?;
    let second = operand(model, step, 1).unwrap_or(first);
    types(step, [&first, &second], &output)?;
    // Not moved out of its result: that would copy it.
    let bound = Call::new(model.data(), step, &first, &second, &output);
    let call = bound.as_ref().map_err(|&problem| problem)?;
    operator(model, step, call, [&first, &second], &output)?;
    own_states(model, number, step, &first, &output)?;
    memory(model, number, step, &output, call.scratch_len())?;
    Ok(work(&step.op, step.inputs.len(), &first, &output))
}

fn operand(model: &Model<'_>, step: &Step<'_>, index: usize) -> Result<Tensor, StepProblem> {
    step.inputs.get(index).and_then(|&number| tensor_of(model, number)).ok_or(StepProblem::Arity)
}

/// The states that the operator itself changes: nobody else reads them later, and the other operands lie elsewhere.
fn own_states(model: &Model<'_>, number: u32, step: &Step<'_>, x: &Tensor, y: &Tensor) -> Result<(), StepProblem> {
    if !step.op.is_built() {
        return Ok(());
    }
    let (rows, hidden) = (elements(x).checked_div(last_dim(x)), last_dim(y));
    let (svdf, cells, sound, motion);
    let wanted: &[(DType, Option<usize>)] = match &step.op {
        Op::Lstm(_) | Op::Recurrent(_) | Op::Spectrogram(_) | Op::Motion(_) if step.inputs.len() == 1 => {
            return Ok(());
        }
        Op::Recurrent(_) if has_length(step.inputs, &operand(model, step, 1)?) => return Ok(()),
        Op::Spectrogram(p) => {
            let past = p.frame.checked_sub(p.hop).map(|past| past as usize);
            sound = [(DType::I16, past), (DType::I32, (p.bands as usize).checked_mul(2))];
            // What has no element is no state.
            let from = usize::from(past == Some(0));
            let to = if p.pcen.smoothing > 0 { 2 } else { 1 };
            sound.get(from..to).unwrap_or(&[])
        }
        Op::Motion(p) => {
            let past = p.window.checked_sub(p.hop).map(|past| past as usize);
            motion = [(DType::I16, past.and_then(|past| past.checked_mul(last_dim(x))))];
            &motion
        }
        Op::Lstm(_) | Op::Recurrent(_) => {
            let states = x.dims.first().and_then(|&batch| hidden.checked_mul(batch as usize));
            cells = [(DType::I8, states), (DType::I16, states)];
            let has_memory = !matches!(step.op, Op::Recurrent(RecurrentParams { cell: Cell::Elman, .. }));
            if has_memory { &cells } else { cells.get(..1).unwrap_or(&cells) }
        }
        Op::Svdf(p) => {
            let filters = hidden.checked_mul(p.rank as usize).and_then(|n| n.checked_mul(p.memory as usize));
            svdf = [(DType::I16, rows.zip(filters).and_then(|(rows, filters)| rows.checked_mul(filters)))];
            &svdf
        }
        _ => return Ok(()),
    };
    let is_apart = |tensor: &Tensor| tensor.place == Place::Data || tensor.offset as usize >= model.state_len();
    check(is_apart(x) && is_apart(y), StepProblem::Overlap)?;
    let found = step.inputs.get(1..).unwrap_or(&[]);
    check(found.len() == wanted.len(), StepProblem::Arity)?;
    for (&state, &(dtype, len)) in found.iter().zip(wanted) {
        let (_, tensor) = model.states().find(|(other, _)| *other == state).ok_or(StepProblem::State)?;
        let is_last = tensor.last_use == number && step.inputs.iter().filter(|&&input| input == state).count() == 1;
        check(is_last, StepProblem::State)?;
        check(tensor.dtype == dtype, StepProblem::Type)?;
        check(Some(elements(&tensor)) == len, StepProblem::Shape)?;
    }
    Ok(())
}

/// Shapes, quantization and parameters of the operator, which `call` binds.
#[inline(always)]
fn operator(
    model: &Model<'_>,
    step: &Step<'_>,
    call: &Call<'_>,
    [a, b]: [&Tensor; 2],
    y: &Tensor,
) -> Result<(), StepProblem> {
    let same_quantization = quantized_alike(a, y);
    match (&step.op, call) {
        (Op::Conv2d(p), Call::Conv2d(bound)) if cfg!(feature = "conv2d") => {
            convolution(bound, p.pad)?;
            layout(bound)
        }
        (Op::DepthwiseConv2d(p), Call::Depthwise(bound)) if cfg!(feature = "depthwise_conv2d") => {
            let ([.., inputs], [.., outputs]) = (bound.input, bound.output);
            check(outputs.is_multiple_of(inputs), StepProblem::Shape)?;
            check(bound.layout == Layout::Plain, StepProblem::Params)?;
            convolution(bound, p.pad)
        }
        (Op::FullyConnected(_), Call::FullyConnected(p)) if cfg!(feature = "fully_connected") => {
            let is_exact = p.rows.checked_mul(p.inputs) == Some(elements(a));
            check(is_exact && p.inputs > 0, StepProblem::Shape)?;
            check(is_range(p.clamp), StepProblem::Params)?;
            channel_scales(p.channels)
        }
        (Op::MaxPool2d(p), Call::MaxPoolUpTo(bound)) | (Op::AveragePool2d(p), Call::AveragePoolUpTo(bound))
            if cfg!(any(feature = "average_pool2d", feature = "max_pool2d")) =>
        {
            check(is_range(bound.clamp), StepProblem::Params)?;
            check(same_quantization, StepProblem::Quantization)?;
            let [n, height, width, channels] = bound.input;
            let pad = [p.pad.top, p.pad.bottom, p.pad.left, p.pad.right];
            check(bound.window.size == [height, width] && pad == [0; 4], StepProblem::Params)?;
            check(bound.output == [n, 1, 1, channels] && is_one_length(a, b), StepProblem::Shape)?;
            slide(bound.input, bound.output, &bound.window, p.pad)
        }
        (Op::Accumulate(_), _) if cfg!(feature = "accumulate") => {
            check(elements(y) == last_dim(y), StepProblem::Shape)?;
            if step.inputs.len() > 1 { same_shape(b, y) } else { Ok(()) }
        }
        (Op::Requantize(p), Call::Requantize(bound)) if cfg!(feature = "requantize") => {
            check(is_range(p.clamp), StepProblem::Params)?;
            same_shape(a, y)?;
            channel_scales(bound.channels)
        }
        (Op::MaxPool2d(p) | Op::AveragePool2d(p), Call::MaxPool(bound) | Call::AveragePool(bound))
            if cfg!(any(feature = "average_pool2d", feature = "max_pool2d")) =>
        {
            check(is_range(bound.clamp), StepProblem::Params)?;
            check(same_quantization, StepProblem::Quantization)?;
            let ([.., inputs], [.., outputs]) = (bound.input, bound.output);
            check(inputs == outputs, StepProblem::Shape)?;
            // A window that lies in the padding alone would have no maximum and no average.
            let [height, width] = bound.window.size.map(|n| n as u32);
            let is_inside = p.pad.top < height && p.pad.bottom < height && p.pad.left < width && p.pad.right < width;
            check(is_inside, StepProblem::Params)?;
            slide(bound.input, bound.output, &bound.window, p.pad)
        }
        (Op::Add(p), _) if cfg!(feature = "add") => {
            let p = &p.args;
            check(p.left_shift <= 20 && is_range(p.clamp), StepProblem::Params)?;
            [p.inputs[0], p.inputs[1], p.output].into_iter().try_for_each(scale)?;
            broadcasts(a, b, y)
        }
        (Op::Mul(p), _) if cfg!(feature = "mul") => {
            check(is_range(p.clamp), StepProblem::Params)?;
            scale(p.scale)?;
            broadcasts(a, b, y)
        }
        (Op::Concat(p), _) if cfg!(feature = "concat") => concatenation(model, step, p.axis, y),
        (Op::Pad(_), Call::Pad { input, before, output, .. }) if cfg!(feature = "pad") => {
            check(a.rank == y.rank, StepProblem::Shape)?;
            check(same_quantization, StepProblem::Quantization)?;
            let fits = |((input, before), output): ((&usize, &usize), &usize)| {
                before.checked_add(*input).is_some_and(|end| end <= *output)
            };
            check(input.iter().zip(before).zip(output).all(fits), StepProblem::Shape)
        }
        (Op::Reshape, _) if cfg!(feature = "reshape") => {
            check(elements(a) == elements(y), StepProblem::Shape)?;
            check(same_quantization, StepProblem::Quantization)
        }
        (Op::Softmax(_) | Op::LogSoftmax(_), Call::Softmax(p) | Call::LogSoftmax(p))
            if cfg!(any(feature = "log_softmax", feature = "softmax")) =>
        {
            scale(p.scale)?;
            check(p.scale.shift >= 0 && p.diff_min <= 0, StepProblem::Params)?;
            // That of the largest element, so that no sum is 0.
            check(p.exponentials.first().is_none_or(|&exp| exp == i32::MAX), StepProblem::Data)?;
            same_shape(a, y)
        }
        (Op::Lookup(_), _) if cfg!(feature = "lookup") => same_shape(a, y),
        (Op::Quantize | Op::Dequantize, _) if cfg!(any(feature = "quantize", feature = "dequantize")) => {
            same_shape(a, y)
        }
        (Op::Binary(p), _) if cfg!(feature = "binary") => {
            check(p.args.left_shift <= 20 && is_range(p.args.clamp), StepProblem::Params)?;
            let is_choice = matches!(p.function, BinaryFunction::Minimum | BinaryFunction::Maximum);
            check(!is_choice || (same_quantization && quantized_alike(a, b)), StepProblem::Quantization)?;
            [p.args.inputs[0], p.args.inputs[1], p.args.output].into_iter().try_for_each(scale)?;
            broadcasts(a, b, y)
        }
        (Op::View(_), Call::View(p)) if cfg!(feature = "view") => {
            check(same_quantization, StepProblem::Quantization)?;
            view(p, elements(a))
        }
        (Op::Take(p), Call::Take { len, indices, .. }) if cfg!(feature = "take") => {
            check(same_quantization, StepProblem::Quantization)?;
            let others = sizes(&a.dims)
                .iter()
                .zip(&sizes(&y.dims))
                .enumerate()
                .all(|(axis, (a, y))| axis == p.axis as usize || a == y);
            check(others && a.rank == y.rank, StepProblem::Shape)?;
            let is_inside = |&index: &i32| usize::try_from(index).is_ok_and(|index| index < *len);
            check(indices.iter().all(is_inside), StepProblem::Data)
        }
        (Op::Reduce(p), Call::Reduce(_, bound)) if cfg!(feature = "reduce") => {
            let is_sum = p.function == ReduceFunction::Sum;
            check(is_sum || same_quantization, StepProblem::Quantization)?;
            let is_scale = p.scale.multiplier >= 0 && (-31..=30).contains(&p.scale.shift);
            check(is_scale && bound.count > 0 && bound.inner > 0, StepProblem::Params)?;
            let outputs = elements(y);
            let is_exact = outputs.is_multiple_of(bound.inner) && outputs.checked_mul(bound.count) == Some(elements(a));
            // 2^23 times 255 fits 31 bits.
            check(is_exact && bound.count <= 1 << 23, StepProblem::Shape)
        }
        (Op::ResizeBilinear(_), Call::Resize(p)) if cfg!(feature = "resize_bilinear") => {
            check(same_quantization, StepProblem::Quantization)?;
            check(p.input[0] == p.output[0] && p.input[3] == p.output[3], StepProblem::Shape)?;
            // Positions in 1/1024 fit 31 bits.
            let is_small = [p.input, p.output].iter().flatten().all(|&size| size < 1 << 20);
            check(is_small, StepProblem::Shape)
        }
        (Op::MatMul(p), Call::MatMul(bound)) if cfg!(feature = "mat_mul") => {
            check(is_range(p.clamp), StepProblem::Params)?;
            scale(p.scale)?;
            matrices(bound, a, b, y)
        }
        (Op::TransposeConv2d(p), Call::TransposeConv(bound)) if cfg!(feature = "transpose_conv2d") => {
            check(is_range(p.clamp) && p.dilation == [1, 1] && p.layout == Layout::Plain, StepProblem::Params)?;
            check(bound.input[0] == bound.output[0], StepProblem::Shape)?;
            check(bound.window.size.iter().chain(&bound.window.stride).all(|&n| n > 0), StepProblem::Params)?;
            channel_scales(bound.channels)
        }
        (Op::Lstm(p), Call::Lstm(bound) | Call::LstmFrom(bound)) if cfg!(feature = "lstm") => {
            let fits = y.rank == 3 && y.dims[..2] == a.dims[..2];
            check(fits, StepProblem::Shape)?;
            check((9..=15).contains(&p.cell_fraction) && p.clip > 0, StepProblem::Params)?;
            check((-128..=128).contains(&p.hidden_offset), StepProblem::Params)?;
            bound.input_scales.into_iter().chain(bound.recurrent_scales).chain([p.hidden]).try_for_each(scale)
        }
        (Op::Recurrent(p), Call::Recurrent(bound) | Call::RecurrentFrom(bound) | Call::RecurrentUpTo(bound))
            if cfg!(feature = "recurrent") =>
        {
            let (is_whole, is_last) =
                (y.rank == 3 && y.dims[..2] == a.dims[..2], y.rank == 2 && y.dims[0] == a.dims[0]);
            check(is_whole || is_last, StepProblem::Shape)?;
            check(bound.cells > 0 && bound.inputs > 0 && bound.time > 0, StepProblem::Shape)?;
            check((9..=15).contains(&p.memory_fraction) && p.reverse <= 1, StepProblem::Params)?;
            // What comes next is not there yet.
            check(p.reverse == 0 || !call.has_states(), StepProblem::Params)?;
            check(!has_length(step.inputs, b) || is_one_length(a, b), StepProblem::Shape)?;
            check(y.scale == 1.0 / 128.0 && y.zero_point == 0, StepProblem::Quantization)?;
            channel_scales(bound.input_channels)?;
            channel_scales(bound.recurrent_channels)
        }
        (Op::Spectrogram(p), Call::Spectrogram(bound) | Call::SpectrogramFrom(bound))
            if cfg!(feature = "spectrogram") =>
        {
            spectrum(p, bound)?;
            check(step.inputs.len() == 1 || a.dims[0] == 1, StepProblem::Shape)?;
            check(a.dims[0] == y.dims[0], StepProblem::Shape)
        }
        (Op::Motion(p), Call::Motion(bound) | Call::MotionFrom(bound)) if cfg!(feature = "motion") => {
            motion(p, bound)?;
            check(step.inputs.len() == 1 || a.dims[0] == 1, StepProblem::Shape)?;
            check(a.dims[0] == y.dims[0], StepProblem::Shape)
        }
        (Op::Svdf(p), Call::Svdf(bound)) if cfg!(feature = "svdf") => {
            check(bound.rank > 0 && bound.memory > 0 && bound.inputs > 0, StepProblem::Params)?;
            let rows = elements(a).checked_div(bound.inputs);
            check(rows.is_some() && rows == elements(y).checked_div(bound.units), StepProblem::Shape)?;
            [p.feature, p.output].into_iter().try_for_each(scale)
        }
        (Op::Gather(p), Call::Gather { len, inner, count }) if cfg!(feature = "gather") => {
            check(same_quantization, StepProblem::Quantization)?;
            // The numbers stand for any dimensions in the place of the axis.
            let row = len.checked_mul(*inner).ok_or(StepProblem::Shape)?;
            let outer = elements(a).checked_div(row).ok_or(StepProblem::Shape)?;
            let expected = outer.checked_mul(*count).and_then(|n| n.checked_mul(*inner));
            check(expected == Some(elements(y)) && (p.axis as usize) < MAX_RANK, StepProblem::Shape)
        }
        (Op::ArgMax, _) if cfg!(feature = "arg_max") => {
            let rows = elements(a).checked_div(last_dim(a)).ok_or(StepProblem::Shape)?;
            check(elements(y) == rows && a.rank >= 1, StepProblem::Shape)
        }
        _ => Err(StepProblem::Record),
    }
}

/// Frames lie in the samples, bands in the spectrum, and no intermediate number overflows.
fn spectrum(p: &SpectrogramParams, bound: &Spectrogram<'_>) -> Result<(), StepProblem> {
    let fits = p.frame <= 1 << bound.log2 && (1..=p.frame).contains(&p.hop);
    check(fits && bound.frames > 0 && bound.samples.checked_div(bound.hop) == Some(bound.frames), StepProblem::Shape)?;
    check(p.has_coefficients <= 1 && (0..=64 << 10).contains(&p.floor), StepProblem::Params)?;
    let PcenParams { smoothing, epsilon, gain, bias, power, start, full_scale } = p.pcen;
    let is_normalized = smoothing <= 1 << 16
        && epsilon > 0
        && gain <= 1 << 15
        && power <= 1 << 15
        && start >= 0
        && (0..=64 << 16).contains(&full_scale);
    let is_absent = [smoothing, epsilon, gain, bias, power] == [0; 5] && start == 0 && full_scale == 0;
    check(if smoothing > 0 { is_normalized } else { is_absent }, StepProblem::Params)?;
    check(p.has_coefficients == 1 || bound.bands.len() == bound.features(), StepProblem::Shape)?;
    check(!bound.bands.is_empty(), StepProblem::Params)?;
    bands(bound.twiddles.len(), bound.bands, bound.weights)?;
    channel_scales(bound.channels)
}

/// Every band lies in the spectrum, and has its weights.
fn bands(bins: usize, bands: &[[u16; 2]], weights: &[u16]) -> Result<(), StepProblem> {
    let is_inside = |&[start, count]: &[u16; 2]| usize::from(start).saturating_add(count.into()) <= bins;
    let used: usize = bands.iter().map(|&[_, count]| usize::from(count)).sum();
    check(bands.iter().all(is_inside), StepProblem::Params)?;
    check(used == weights.len() && weights.iter().all(|&w| w <= 1 << 12), StepProblem::Params)
}

/// Windows lie in the rows, bands in the spectrum, and no sum over a window overflows.
fn motion(p: &MotionParams, bound: &Motion<'_>) -> Result<(), StepProblem> {
    let fits = p.window <= 1024 && (1..=p.window).contains(&p.hop);
    check(fits && bound.frames > 0 && bound.rows.checked_div(bound.hop) == Some(bound.frames), StepProblem::Shape)?;
    let known = p.statistics <= kernels::motion::ALL && (0..=64 << 10).contains(&p.floor);
    check(known && (p.bands == 0 || p.window <= 1 << p.log2), StepProblem::Params)?;
    let of_an_axis = bound.bands.len().checked_add(p.statistics.count_ones() as usize);
    let features = of_an_axis.and_then(|features| features.checked_mul(bound.axes));
    check(bound.features() > 0 && features == Some(bound.features()), StepProblem::Shape)?;
    bands(bound.twiddles.len(), bound.bands, bound.weights)?;
    channel_scales(bound.channels)
}

/// The element types that each operator takes and gives.
fn types(step: &Step<'_>, inputs: [&Tensor; 2], y: &Tensor) -> Result<(), StepProblem> {
    // Where the inputs are not alike, the others are looked at by themselves.
    if matches!(step.op, Op::Gather(_)) {
        let found = [inputs[0].dtype, inputs[1].dtype, y.dtype];
        return check(found == [DType::I8, DType::I32, DType::I8], StepProblem::Type);
    }
    if matches!(step.op, Op::Accumulate(_)) {
        let is_sum = step.inputs.len() == 1 || inputs[1].dtype == DType::I32;
        return check(inputs[0].dtype == DType::I8 && is_sum && y.dtype == DType::I32, StepProblem::Type);
    }
    let has_states =
        matches!(step.op, Op::Lstm(_) | Op::Recurrent(_) | Op::Spectrogram(_) | Op::Motion(_) | Op::Svdf(_));
    // Of a pool it is a length.
    let is_alone = has_states || matches!(step.op, Op::MaxPool2d(_) | Op::AveragePool2d(_));
    let inputs = if is_alone { [inputs[0]; 2] } else { inputs };
    let (takes, gives) = match step.op {
        Op::Quantize => (DType::F32, DType::I8),
        Op::Spectrogram(_) | Op::Motion(_) => (DType::I16, DType::I8),
        Op::Dequantize => (DType::I8, DType::F32),
        Op::ArgMax => (DType::I8, DType::I32),
        Op::Requantize(_) => (DType::I32, DType::I8),
        Op::Reshape => (inputs[0].dtype, inputs[0].dtype),
        // Its table is for bytes of either kind.
        Op::Lookup(_) => {
            let byte = |dtype| if dtype == DType::U8 { DType::U8 } else { DType::I8 };
            (byte(inputs[0].dtype), byte(y.dtype))
        }
        _ => (DType::I8, DType::I8),
    };
    check(inputs.iter().all(|tensor| tensor.dtype == takes) && y.dtype == gives, StepProblem::Type)
}

/// Whether `b` is one number for a batch of one.
fn is_one_length(a: &Tensor, b: &Tensor) -> bool {
    b.dtype == DType::I32 && b.elements() == Some(1) && a.dims[0] == 1
}

fn convolution(p: &Conv2d<'_>, pad: Border) -> Result<(), StepProblem> {
    check(is_range(p.clamp), StepProblem::Params)?;
    slide(p.input, p.output, &p.window, pad)?;
    channel_scales(p.channels)
}

/// What a layout of weights takes for granted. The bound of its sums is the exporter's affair: a file that breaks it computes
/// something else, within its memory.
fn layout(p: &Conv2d<'_>) -> Result<(), StepProblem> {
    let are_shifted = || kernels::are_right_shifts(p.channels);
    let is_3x3 = (p.window.size, p.window.stride, p.window.dilation) == ([3, 3], [1, 1], [1, 1]);
    let fits = match p.layout {
        Layout::Plain => return Ok(()),
        Layout::Pairs => are_shifted(),
        Layout::Winograd => is_3x3,
        Layout::Winograd4x4 => is_3x3 && are_shifted(),
    };
    check(fits && p.rounding == Rounding::Double, StepProblem::Params)
}

/// `out = (in + pad − ((size − 1) · dilation + 1)) / stride + 1` in both directions, and equal batches.
fn slide(input: [usize; 4], output: [usize; 4], window: &Window, pad: Border) -> Result<(), StepProblem> {
    check(input[0] == output[0], StepProblem::Shape)?;
    let along = |axis: usize, before: u32, after: u32| {
        let [size, stride, dilation] = [window.size[axis], window.stride[axis], window.dilation[axis]];
        let reach = size.checked_sub(1)?.checked_mul(dilation)?.checked_add(1)?;
        let padded = input[axis + 1].checked_add(before as usize)?.checked_add(after as usize)?;
        let outputs = padded.checked_sub(reach)?.checked_div(stride)?.checked_add(1)?;
        // Kernels count pixels in 31 bits, signed.
        (dilation > 0 && padded <= i32::MAX as usize && outputs == output[axis + 1]).then_some(())
    };
    let both = along(0, pad.top, pad.bottom).and_then(|()| along(1, pad.left, pad.right));
    both.ok_or(StepProblem::Shape)
}

fn channel_scales(channels: &[Channel]) -> Result<(), StepProblem> {
    channels.iter().try_for_each(|c| scale(Scale { multiplier: c.multiplier, shift: c.shift }))
}

fn scale(scale: Scale) -> Result<(), StepProblem> {
    let is_valid = (scale.multiplier >= 1 << 30 || scale.multiplier == 0) && (-31..=30).contains(&scale.shift);
    check(is_valid, StepProblem::Scale)
}

fn broadcasts(a: &Tensor, b: &Tensor, y: &Tensor) -> Result<(), StepProblem> {
    let [a, b, y] = [a, b, y].map(right_aligned);
    let fits = a.iter().zip(&b).zip(&y).all(|((&a, &b), &y)| y == a.max(b) && (a == y || a == 1) && (b == y || b == 1));
    check(fits, StepProblem::Shape)
}

fn concatenation(model: &Model<'_>, step: &Step<'_>, axis: u32, y: &Tensor) -> Result<(), StepProblem> {
    let axis = axis as usize;
    check(axis < usize::from(y.rank), StepProblem::Params)?;
    let mut sum = 0usize;
    for index in 0..step.inputs.len() {
        let part = operand(model, step, index)?;
        check(part.dtype == DType::I8, StepProblem::Type)?;
        check(quantized_alike(&part, y), StepProblem::Quantization)?;
        let dims: [usize; MAX_RANK] = sizes(&part.dims);
        let others = dims.iter().zip(&sizes(&y.dims)).enumerate().all(|(i, (part, y))| i == axis || part == y);
        check(others && part.rank == y.rank, StepProblem::Shape)?;
        sum = dims.get(axis).and_then(|dim| sum.checked_add(*dim)).ok_or(StepProblem::Shape)?;
    }
    check(y.dims.get(axis).is_some_and(|&dim| dim as usize == sum), StepProblem::Shape)
}

/// Every element that a view reads lies in its input of `len` elements.
fn view(p: &View, len: usize) -> Result<(), StepProblem> {
    let (mut first, mut last) = (p.offset as i64, p.offset as i64);
    for (&size, &stride) in p.shape.iter().zip(&p.strides) {
        let reach = (size as i64).saturating_sub(1).saturating_mul(stride as i64);
        first = first.saturating_add(reach.min(0));
        last = last.saturating_add(reach.max(0));
    }
    check(first >= 0 && last < len as i64, StepProblem::Shape)
}

/// `[.., rows, depth]` and `[.., columns, depth]` give `[.., rows, columns]`; one of the batches may be 1.
fn matrices(p: &MatMul, a: &Tensor, b: &Tensor, y: &Tensor) -> Result<(), StepProblem> {
    let [rows, columns, depth] = p.size;
    let batch = |tensor: &Tensor, matrix: Option<usize>| {
        let (elements, matrix) = (elements(tensor), matrix?);
        elements.is_multiple_of(matrix).then(|| elements.checked_div(matrix)).flatten()
    };
    let batches = batch(a, rows.checked_mul(depth)).zip(batch(b, columns.checked_mul(depth)));
    let (batches, product) = batches.zip(batch(y, rows.checked_mul(columns))).ok_or(StepProblem::Shape)?;
    let (first, second) = batches;
    let fits = product == first.max(second) && (first == product || first == 1) && (second == product || second == 1);
    let ends = (y.shape().last().copied(), a.shape().last().copied());
    check(fits && ends == (Some(columns as u32), Some(depth as u32)), StepProblem::Shape)
}

fn quantized_alike(a: &Tensor, b: &Tensor) -> bool {
    a.zero_point == b.zero_point && a.scale.to_bits() == b.scale.to_bits()
}

fn same_shape(a: &Tensor, y: &Tensor) -> Result<(), StepProblem> {
    check(a.dims == y.dims && a.rank == y.rank, StepProblem::Shape)
}

/// The output and the scratch lie over nothing that is still needed.
fn memory(
    model: &Model<'_>,
    number: u32,
    step: &Step<'_>,
    output: &Tensor,
    scratch_len: usize,
) -> Result<(), StepProblem> {
    let output_span = span_of(output);
    let scratch = Span { start: step.scratch as usize, len: scratch_len };
    let is_inside = scratch.start >= model.state_len()
        && scratch.end().is_some_and(|end| end <= model.arena_len())
        && step.scratch.is_multiple_of(4);
    check(scratch_len == 0 || is_inside, StepProblem::Scratch)?;
    check(!scratch.overlaps(output_span), StepProblem::Scratch)?;
    let mut overwritten = 0;
    for other in 0..model.first_result().saturating_add(number) {
        let tensor = tensor_of(model, other).ok_or(StepProblem::Record)?;
        if tensor.place != Place::Arena || tensor.last_use < number {
            continue;
        }
        let span = span_of(&tensor);
        check(!scratch.overlaps(span), StepProblem::Scratch)?;
        if output_span.overlaps(span) && !is_part(model, step, other, &tensor, output) {
            let is_allowed =
                overwrites(step, number, other, &tensor, output) || runs_into(step, number, other, &tensor, output);
            check(is_allowed, StepProblem::Overlap)?;
            overwritten += 1;
        }
    }
    // Two operands in the same place could not be read while the output is written.
    check(overwritten <= 1, StepProblem::Overlap)
}

/// Whether the step may write its output over this live tensor: an input in the same place that nobody reads later.
/// A reshape changes no byte, so its source may live on.
fn overwrites(step: &Step<'_>, number: u32, other: u32, tensor: &Tensor, output: &Tensor) -> bool {
    let is_dead = tensor.last_use == number || matches!(step.op, Op::Reshape);
    let reads = step.inputs.iter().filter(|&&input| input == other).count();
    is_dead && reads == 1 && tensor.offset == output.offset && may_overwrite(&step.op, tensor, output)
}

/// Whether this input and the output lie in one another as the step has them: what they share is not changed.
fn is_part(model: &Model<'_>, step: &Step<'_>, other: u32, tensor: &Tensor, output: &Tensor) -> bool {
    if let Some(start) = part_of_input(&step.op, output) {
        return step.inputs == [other] && tensor.offset.checked_add(start) == Some(output.offset);
    }
    if !keeps_parts(&step.op, output) || step.inputs.iter().filter(|&&input| input == other).count() != 1 {
        return false;
    }
    let mut place = Some(output.offset);
    for &input in step.inputs.iter().take_while(|&&input| input != other) {
        let len = tensor_of(model, input).and_then(|input| input.bytes());
        place = place.zip(len).and_then(|(place, len)| place.checked_add(len));
    }
    place == Some(tensor.offset)
}

/// Whether the output starts so far in front of this input, which dies here, that it only grows into what was read; or
/// behind it, for a reshape.
fn runs_into(step: &Step<'_>, number: u32, other: u32, tensor: &Tensor, output: &Tensor) -> bool {
    let is_only_input = step.inputs == [other] && tensor.last_use == number;
    if may_move(&step.op) {
        return is_only_input && output.offset >= tensor.offset;
    }
    let in_front = lead(&step.op, tensor, output).and_then(|lead| output.offset.checked_add(lead));
    is_only_input && in_front.is_some_and(|end| end <= tensor.offset)
}

fn check(holds: bool, problem: StepProblem) -> Result<(), StepProblem> {
    if holds { Ok(()) } else { Err(problem) }
}
