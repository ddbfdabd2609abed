//! Float islands: converters put `DEQUANTIZE`, a function in f32 and `QUANTIZE` wherever int8 has no such operator.
//!
//! As long as every element is a function of one int8 element, the whole island is a table of 256 entries: what moves
//! elements moves their bytes, what computes composes its function with the table.

use anyhow::{Context, Result, bail, ensure};
use thumbnet::format::{Function, LookupParams, Op};

use super::activation::{gelu, gelu_by_tanh};
use crate::import::conversion::{Conversion, Value};
use crate::import::schema::{Operator, Type};
use crate::quantize::Quant;

/// A float tensor whose elements are functions of the bytes of another one.
#[derive(Clone, Debug)]
pub(in crate::import) struct Curve {
    /// The int8 tensor.
    pub base: Value,
    pub quant: Quant,
    /// The real number that each byte stands for; entry `q + 128`.
    table: Box<[f32; 256]>,
    /// Whether nothing was computed yet.
    is_plain: bool,
}

impl Curve {
    /// What `DEQUANTIZE` gives.
    fn new(base: Value, quant: Quant) -> Self {
        let real = |entry: usize| quant.scale * (entry as i32 - 128 - quant.zero_point) as f32;
        Self { base, quant, table: Box::new(std::array::from_fn(real)), is_plain: true }
    }

    fn map(&self, f: impl Fn(f32) -> f32) -> Self {
        let table = Box::new(self.table.map(f));
        Self { table, is_plain: false, ..*self }
    }
}

/// Begins an island. A step of its own is written only where the numbers themselves are wanted.
pub(super) fn dequantize(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let x = operator.input(0)?;
    let curve = Curve::new(c.value(x)?, c.quant(x)?);
    c.curves.insert(operator.output()?, curve);
    Ok(())
}

/// The numbers of a curve as a tensor, where nothing else than `DEQUANTIZE` happened to them.
pub(in crate::import) fn materialize(c: &mut Conversion<'_>, index: usize) -> Result<()> {
    let Some(curve) = c.curves.remove(&index) else { return Ok(()) };
    ensure!(
        curve.is_plain,
        "\"{}\" is computed in f32 and leaves the model so: quantize the model in full, its outputs too",
        c.tensor(index).name
    );
    c.push(index, Op::Dequantize, &[curve.base])
}

/// Takes an operator of f32 that belongs to an island; whether it did.
pub(super) fn convert(c: &mut Conversion<'_>, operator: &Operator<'_>, move_bytes: super::Convert) -> Result<bool> {
    let reads = operator.inputs.iter().filter_map(|&x| usize::try_from(x).ok());
    let Some((x, curve)) = reads.into_iter().find_map(|x| Some((x, c.curves.get(&x)?.clone()))) else {
        return Ok(false);
    };
    match operator.code {
        // TRANSPOSE, RESHAPE and the like
        5 | 22 | 26 | 36 | 39 | 43 | 45 | 49 | 65 | 69 | 70 | 88 | 97 | 100 | 102 | 105 => {
            c.moving = Some((x, curve.base, curve.quant));
            move_bytes(c, operator)?;
            c.moving = None;
            // A part of a split may have no element.
            let outputs = operator.outputs.iter().copied().filter(|&output| c.tensor(output).elements() > 0);
            for output in outputs.collect::<Vec<_>>() {
                let base = c.take(output)?;
                c.curves.insert(output, Curve { base, ..curve.clone() });
            }
        }
        114 => quantize(c, operator, &curve)?,
        _ => {
            let f = function(c, operator, x)?;
            c.curves.insert(operator.output()?, curve.map(f));
        }
    }
    Ok(true)
}

/// Ends an island: `round(x / s) + z`, in f32 as LiteRT's `AffineQuantize`.
fn quantize(c: &mut Conversion<'_>, operator: &Operator<'_>, curve: &Curve) -> Result<()> {
    let output = c.quant(operator.output()?)?;
    let byte = |x: f32| (((x / output.scale).round() as i32).saturating_add(output.zero_point)).clamp(-128, 127) as i8;
    let table: [i8; 256] = curve.table.map(byte);
    let op = Op::Lookup(LookupParams { function: Function::Other, table: c.push_data(&table) });
    c.push(operator.output()?, op, &[curve.base])
}

type Real = Box<dyn Fn(f32) -> f32>;

/// What an operator does to one element.
fn function(c: &Conversion<'_>, operator: &Operator<'_>, x: usize) -> Result<Real> {
    let f: fn(f32) -> f32 = match operator.code {
        0 | 18 | 41 | 42 | 55 | 57 | 78 => return with_constant(c, operator, x),
        8 => f32::floor,
        14 => |x| 1.0 / (1.0 + (-x).exp()),
        19 => |x| x.max(0.0),
        20 => |x| x.clamp(-1.0, 1.0),
        21 => |x| x.clamp(0.0, 6.0),
        28 => f32::tanh,
        47 => f32::exp,
        59 => |x| -x,
        66 => f32::sin,
        73 => f32::ln,
        75 => f32::sqrt,
        76 => |x| 1.0 / x.sqrt(),
        92 => |x| x * x,
        98 => {
            let slope = operator.float(0, 0.0)?;
            return Ok(Box::new(move |x| if x > 0.0 { x } else { x * slope }));
        }
        101 => f32::abs,
        104 => f32::ceil,
        108 => f32::cos,
        111 => |x| if x < 0.0 { x.exp_m1() } else { x },
        116 => f32::round_ties_even,
        117 => |x| x * (x + 3.0).clamp(0.0, 6.0) / 6.0,
        150 if operator.byte(0)? != 0 => gelu_by_tanh,
        150 => gelu,
        _ => bail!(
            "it computes in f32 on \"{}\" in the middle of an int8 model: quantize the model in full, or leave the operator out",
            c.tensor(x).name
        ),
    };
    Ok(Box::new(f))
}

/// A function of two tensors, one of them a single constant number.
fn with_constant(c: &Conversion<'_>, operator: &Operator<'_>, x: usize) -> Result<Real> {
    let (a, b) = (operator.input(0)?, operator.input(1)?);
    let other = c.tensor(if a == x { b } else { a });
    let numbers = if other.dtype == Type::F32 && other.data.is_some() { other.numbers()? } else { Vec::new() };
    let &[k] = numbers.as_slice() else {
        bail!("it computes in f32 with \"{}\": only functions of one tensor and one number are supported", other.name);
    };
    let swapped = a != x;
    let f: fn(f32, f32) -> f32 = match operator.code {
        0 => |a, b| a + b,
        18 => |a, b| a * b,
        41 => |a, b| a - b,
        42 => |a, b| a / b,
        55 => f32::max,
        57 => f32::min,
        _ => f32::powf,
    };
    let clamp = match if operator.code == 78 || operator.code >= 55 { 0 } else { operator.byte(0)? } {
        0 => [f32::NEG_INFINITY, f32::INFINITY],
        1 => [0.0, f32::INFINITY],
        2 => [-1.0, 1.0],
        3 => [0.0, 6.0],
        other => bail!("fused activation {other} is not supported"),
    };
    let apply = move |x: f32| if swapped { f(k, x) } else { f(x, k) };
    Ok(Box::new(move |x| apply(x).max(clamp[0]).min(clamp[1])))
}

impl Conversion<'_> {
    /// What stands for a tensor of the file, which nothing does any more then.
    fn take(&mut self, index: usize) -> Result<Value> {
        self.unbind(index).context("it computes nothing")
    }
}
