//! `UNIDIRECTIONAL_SEQUENCE_LSTM` with int8 weights and a 16-bit cell.

use anyhow::{Context, Result, bail, ensure};
use thumbnet::format::{DType, Function, LookupParams, LstmParams, Op};
use thumbnet::kernels::{Layout, Scale};

use super::state::variable_tensor;
use crate::compile::TensorDesc;
use crate::import::conversion::{Conversion, Value};
use crate::import::schema::{Operator, Type};
use crate::quantize::{Quant, multiplier};

/// Inputs of the operator, each the first of four gates: input, forget, cell, output.
pub(in crate::import) const INPUT_WEIGHTS: usize = 1;
pub(in crate::import) const RECURRENT_WEIGHTS: usize = 5;
pub(in crate::import) const BIASES: usize = 12;
/// The states, which the file keeps from one inference to the next.
const HIDDEN_STATE: usize = 18;
const CELL_STATE: usize = 19;
/// What the gates' accumulators are scaled to: Q3.12.
const GATE_SCALE: f32 = 1.0 / 4096.0;

/// Names what a layer has beyond the equations that Keras' LSTM has.
pub(in crate::import) fn only_plain(operator: &Operator<'_>) -> Result<()> {
    let absent = [(9..12, "peepholes are"), (16..18, "a projection is"), (20..24, "layer normalization is")];
    for (inputs, name) in absent {
        ensure!(inputs.into_iter().all(|input| operator.optional(input).is_none()), "{name} not supported");
    }
    let gates = [INPUT_WEIGHTS, RECURRENT_WEIGHTS, BIASES];
    let has_gate = gates.into_iter().all(|first| operator.optional(first).is_some());
    ensure!(has_gate, "without an input gate (coupled gates) it is not supported");
    Ok(())
}

pub(super) fn lstm(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    only_plain(operator)?;
    let (x, y) = (operator.input(0)?, operator.output()?);
    let &[first, second, inputs] = c.tensor(x).shape.as_slice() else { bail!("the input needs three dimensions") };
    let is_time_major = operator.byte(3)? != 0;
    ensure!(!is_time_major || second == 1, "time-major sequences are supported for a batch of 1, not of {second}");
    ensure!(operator.byte(0)? == 4, "fused activation {}, expected tanh", operator.byte(0)?);
    let cells = *c.tensor(y).shape.last().context("the output needs dimensions")?;
    let (inputs, cells) = (inputs as usize, cells as usize);
    let (input, hidden_state) = (c.quant(x)?, c.quant(operator.input(HIDDEN_STATE)?)?);

    let cell_state = c.tensor(operator.input(CELL_STATE)?);
    let &[cell_scale] = cell_state.scales.as_slice() else { bail!("the cell state needs one scale") };
    ensure!(cell_state.dtype == Type::I16, "the cell state is {:?}, expected int16", cell_state.dtype);
    let cell_fraction = (9..=15u32).find(|&bits| cell_scale == 1.0 / (1u32 << bits) as f32);
    let cell_fraction = cell_fraction.with_context(|| format!("cell scale {cell_scale}, expected 2^-15 to 2^-9"))?;
    let clip = operator.float(1, 0.0)?;
    let clip = if clip > 0.0 { (clip / cell_scale).min(32767.0) as u32 } else { 32767 };

    let intermediate =
        operator.intermediates.get(4).and_then(|&index| c.model.tensors.get(usize::try_from(index).ok()?));
    let intermediate = intermediate.context("the quantization of the hidden state (intermediate 4) is missing")?;
    let (&[hidden_scale], &[hidden_zero]) = (intermediate.scales.as_slice(), intermediate.zero_points.as_slice())
    else {
        bail!("the hidden state (intermediate 4) needs one scale and one zero point");
    };
    ensure!((-128..=127).contains(&hidden_zero), "the hidden state has zero point {hidden_zero}");
    let q15 = 2f32.powi(-15);
    let params = LstmParams {
        cell_fraction,
        clip,
        hidden_offset: hidden_zero as i32,
        input_scales: scales(c, operator, INPUT_WEIGHTS, input.scale)?,
        recurrent_scales: scales(c, operator, RECURRENT_WEIGHTS, hidden_state.scale)?,
        hidden: multiplier((q15 / hidden_scale * q15).into())?,
        layout: Layout::Plain,
        input_weights: weights(c, operator, INPUT_WEIGHTS, cells, inputs)?,
        recurrent_weights: weights(c, operator, RECURRENT_WEIGHTS, cells, cells)?,
        biases: biases(c, operator, cells)?,
    };
    fits(c, operator, INPUT_WEIGHTS, &params.input_scales, true)?;
    fits(c, operator, RECURRENT_WEIGHTS, &params.recurrent_scales, false)?;
    let states = states(c, operator)?;
    let input = c.value(x)?;
    let input = if states.is_empty() { input } else { c.out_of_state(input)? };
    let Quant { scale, zero_point } = hidden_state;
    let output = TensorDesc { scale, zero_point, ..c.describe(y)? };
    let result = if is_time_major {
        // A batch of one: the same bytes with batch and time exchanged.
        let before = TensorDesc { shape: vec![1, first, inputs as u32], ..c.describe(x)? };
        let name = c.unique(&output.name);
        let sequence = TensorDesc { name, shape: vec![1, first, cells as u32], ..output.clone() };
        let input = c.push_step(before, Op::Reshape, &[input])?;
        let result = c.push_step(sequence, Op::Lstm(params), &[vec![input], states].concat())?;
        c.push_step(output, Op::Reshape, &[result])?
    } else {
        c.push_step(output, Op::Lstm(params), &[vec![input], states].concat())?
    };
    if hidden_state == c.quant(y)? {
        return c.bind(y, result);
    }
    // LiteRT copies the hidden state's bytes whatever the output's scale says: the same bytes under that scale.
    let same: [i8; 256] = std::array::from_fn(|entry| (entry as i32 - 128) as i8);
    let table = c.push_data(&same);
    c.push(y, Op::Lookup(LookupParams { function: Function::Other, table }), &[result])
}

/// Hidden and cell state, where one inference leaves them to the next.
fn states(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<Vec<Value>> {
    if !c.choices.keep_lstm_states {
        return Ok(Vec::new());
    }
    let hidden = variable_tensor(c, operator.input(HIDDEN_STATE)?, DType::I8)?;
    Ok(vec![hidden, variable_tensor(c, operator.input(CELL_STATE)?, DType::I16)?])
}

/// The factors of the four gates from one kind of weights to Q3.12.
fn scales(c: &Conversion<'_>, operator: &Operator<'_>, first: usize, input: f32) -> Result<[Scale; 4]> {
    let mut scales = [Scale::default(); 4];
    for (gate, scale) in scales.iter_mut().enumerate() {
        let index =
            operator.optional(first + gate).context("without input gate (coupled gates) it is not supported")?;
        *scale = multiplier((c.quant(index)?.scale * input / GATE_SCALE).into())?;
    }
    Ok(scales)
}

/// The weights of all gates, interleaved by cell.
fn weights(c: &mut Conversion<'_>, operator: &Operator<'_>, first: usize, cells: usize, len: usize) -> Result<u32> {
    let mut gates: [&[i8]; 4] = [&[]; 4];
    for (gate, weights) in gates.iter_mut().enumerate() {
        let tensor = c.tensor(operator.input(first + gate)?);
        let data = tensor.constant()?;
        ensure!(
            data.len() == cells * len,
            "\"{}\" has shape {:?}, expected {cells} by {len}",
            tensor.name,
            tensor.shape
        );
        ensure!(c.quant(operator.input(first + gate)?)?.zero_point == 0, "\"{}\" has a zero point", tensor.name);
        *weights = bytemuck::cast_slice(data);
    }
    let row = |cell: usize| gates.into_iter().flat_map(move |gate| gate[cell * len..(cell + 1) * len].iter().copied());
    let interleaved: Vec<i8> = (0..cells).flat_map(row).collect();
    Ok(c.push_data(&interleaved))
}

/// No accumulator leaves 30 bits behind the shift to the left of its scale, as the kernel counts on.
fn fits(c: &Conversion<'_>, operator: &Operator<'_>, first: usize, scales: &[Scale; 4], with_bias: bool) -> Result<()> {
    for (gate, scale) in scales.iter().enumerate() {
        let weights = c.tensor(operator.input(first + gate)?);
        let row = weights.shape.last().map_or(0, |&len| i64::from(len)) * 128 * 255;
        let bias = if with_bias { c.tensor(operator.input(BIASES + gate)?).integers()? } else { Vec::new() };
        let most = row + bias.into_iter().map(i64::abs).max().unwrap_or(0);
        ensure!(
            most << scale.shift.max(0) < 1 << 30,
            "gate {gate} can reach {most} with \"{}\", expected less than 2^30: its scales do not fit its weights",
            weights.name
        );
    }
    Ok(())
}

fn biases(c: &mut Conversion<'_>, operator: &Operator<'_>, cells: usize) -> Result<u32> {
    let mut gates = Vec::new();
    for gate in 0..4 {
        let tensor = c.tensor(operator.input(BIASES + gate)?);
        let values = tensor.integers()?;
        ensure!(values.len() == cells, "\"{}\" has {} biases, expected {cells}", tensor.name, values.len());
        gates.push(values);
    }
    let interleaved: Vec<i32> = (0..cells).flat_map(|cell| gates.iter().map(move |gate| gate[cell] as i32)).collect();
    Ok(c.push_data(&interleaved))
}
