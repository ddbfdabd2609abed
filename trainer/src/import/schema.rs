//! The parts of the TensorFlow Lite schema that an importer needs, by its field numbers.
//!
//! Source: `tensorflow/compiler/mlir/lite/schema/schema.fbs`, version 3, identifier `TFL3`.

use std::borrow::Cow;

use anyhow::{Context, Result, bail, ensure};

use super::flatbuffer::Table;

/// Largest tensor that is taken: more than any Cortex-M has.
pub(super) const MAX_ELEMENTS: u64 = 1 << 24;

/// A model as the file has it: its main subgraph.
#[derive(Debug)]
pub(super) struct Model<'a> {
    pub name: String,
    /// All subgraphs; the first one is the main one, and empty here.
    pub subgraphs: Vec<Subgraph<'a>>,
    pub tensors: Vec<Tensor<'a>>,
    pub inputs: Vec<usize>,
    pub outputs: Vec<usize>,
    pub operators: Vec<Operator<'a>>,
}

/// A function of the file.
#[derive(Debug, Default)]
pub(super) struct Subgraph<'a> {
    pub tensors: Vec<Tensor<'a>>,
    pub inputs: Vec<usize>,
    pub outputs: Vec<usize>,
    pub operators: Vec<Operator<'a>>,
}

/// A tensor of a subgraph.
#[derive(Debug)]
pub(super) struct Tensor<'a> {
    pub name: String,
    pub dtype: Type,
    pub shape: Vec<u32>,
    pub scales: Vec<f32>,
    pub zero_points: Vec<i64>,
    /// The axis that `scales` count along, where there is more than one.
    pub axis: i32,
    /// Bytes of a constant: of the file, or folded at import; none for what is computed.
    pub data: Option<Cow<'a, [u8]>>,
    /// Whether another dimension than the first is left open.
    pub is_dynamic: bool,
    /// Keeps its value from one inference to the next.
    pub is_variable: bool,
}

/// Element types, those that are taken and the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    F32,
    F16,
    I32,
    I64,
    I16,
    I8,
    U8,
    Bool,
    Other(&'static str),
}

/// One operator.
#[derive(Debug)]
pub(super) struct Operator<'a> {
    /// Its place in the file.
    pub number: usize,
    pub code: i32,
    /// Name of a custom operator.
    pub custom: String,
    /// Tensors it reads; −1 for an optional one that is not there.
    pub inputs: Vec<i32>,
    pub outputs: Vec<usize>,
    pub intermediates: Vec<i32>,
    pub options: Option<Table<'a>>,
}

impl Type {
    /// Bytes of an element, where the type is known.
    pub const fn size(self) -> Option<usize> {
        match self {
            Self::F32 | Self::I32 => Some(4),
            Self::I64 => Some(8),
            Self::F16 | Self::I16 => Some(2),
            Self::I8 | Self::U8 | Self::Bool => Some(1),
            Self::Other(_) => None,
        }
    }

    pub const fn is_integer(self) -> bool {
        matches!(self, Self::I32 | Self::I64)
    }
}

impl Tensor<'_> {
    pub fn elements(&self) -> usize {
        self.shape.iter().map(|&dim| dim as usize).product()
    }

    /// The bytes of a constant.
    pub fn constant(&self) -> Result<&[u8]> {
        self.data.as_deref().with_context(|| format!("\"{}\" has to be a constant", self.name))
    }

    /// Whether its numbers are known at import. A list of none has no bytes in the file.
    pub fn is_known(&self) -> bool {
        self.data.is_some() || (self.dtype.is_integer() && self.elements() == 0)
    }

    /// The numbers of a constant of type int32 or int64: axes, shapes, paddings.
    pub fn integers(&self) -> Result<Vec<i64>> {
        if self.is_known() && self.elements() == 0 {
            return Ok(Vec::new());
        }
        let data = self.constant()?;
        Ok(match self.dtype {
            Type::I32 => data.as_chunks().0.iter().map(|&bytes| i64::from(i32::from_le_bytes(bytes))).collect(),
            Type::I64 => data.as_chunks().0.iter().map(|&bytes| i64::from_le_bytes(bytes)).collect(),
            other => bail!("\"{}\" is {other:?}, expected I32 or I64", self.name),
        })
    }

    /// The real numbers of a constant: f32, f16, or int8 with its scales.
    pub fn numbers(&self) -> Result<Vec<f32>> {
        let data = self.constant()?;
        Ok(match self.dtype {
            Type::F32 => data.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect(),
            Type::F16 => data.as_chunks().0.iter().map(|&bytes| half(u16::from_le_bytes(bytes))).collect(),
            Type::I8 => {
                let inner: usize =
                    self.shape.iter().skip(self.axis.max(0) as usize + 1).map(|&dim| dim as usize).product();
                let count = self.scales.len();
                ensure!(count > 0 && self.zero_points.len() == count, "\"{}\" has no scale", self.name);
                let real = |(at, &q): (usize, &u8)| {
                    let channel = at / inner.max(1) % count;
                    self.scales[channel] * (i64::from(q.cast_signed()) - self.zero_points[channel]) as f32
                };
                data.iter().enumerate().map(real).collect()
            }
            other => bail!("\"{}\" is {other:?}, expected real numbers", self.name),
        })
    }
}

/// An IEEE half as a single, exactly.
fn half(bits: u16) -> f32 {
    let (sign, exponent, fraction) = (bits >> 15, bits >> 10 & 31, f32::from(bits & 1023));
    let magnitude = match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        exponent => (1024.0 + fraction) * 2f32.powi(i32::from(exponent) - 25),
    };
    if sign == 1 { -magnitude } else { magnitude }
}

/// Reads a model.
pub(super) fn parse(bytes: &[u8]) -> Result<Model<'_>> {
    let root = Table::root(bytes, *b"TFL3").context("not a TensorFlow Lite model")?;
    let version = root.scalar::<u32>(0, 0)?;
    ensure!(version == 3, "schema version {version}, expected 3");
    let codes = root.tables(1)?.iter().map(operator_code).collect::<Result<Vec<_>>>()?;
    let buffers = root.tables(4)?;
    let tables = root.tables(2)?;
    let parsed = tables.iter().enumerate().map(|(number, table)| {
        subgraph(table, bytes, &codes, &buffers).with_context(|| format!("subgraph {number} of {}", tables.len()))
    });
    let mut subgraphs = parsed.collect::<Result<Vec<_>>>()?;
    let Some(main) = subgraphs.first_mut() else { bail!("the model has no subgraph") };
    let Subgraph { tensors, inputs, outputs, operators } = std::mem::take(main);
    Ok(Model { name: root.string(3)?, subgraphs, tensors, inputs, outputs, operators })
}

fn subgraph<'a>(
    main: &Table<'a>,
    bytes: &'a [u8],
    codes: &[(i32, String)],
    buffers: &[Table<'a>],
) -> Result<Subgraph<'a>> {
    let tensors = main.tables(0)?;
    let tensors = tensors.iter().enumerate().map(|(number, table)| {
        tensor(table, bytes, buffers).with_context(|| format!("tensor {number} of {}", tensors.len()))
    });
    let tensors = tensors.collect::<Result<Vec<_>>>()?;
    let count = tensors.len();
    let operators = main.tables(3)?;
    let operators = operators.iter().enumerate().map(|(number, table)| {
        operator(number, table, codes, count).with_context(|| format!("operator {number} of {}", operators.len()))
    });
    Ok(Subgraph {
        operators: operators.collect::<Result<_>>()?,
        inputs: indices(&main.scalars(1)?, count).context("inputs")?,
        outputs: indices(&main.scalars(2)?, count).context("outputs")?,
        tensors,
    })
}

fn operator_code(table: &Table<'_>) -> Result<(i32, String)> {
    // Old files have the code in a byte, new ones in a word as well; the larger one counts.
    let code = i32::from(table.scalar::<i8>(0, 0)?).max(table.scalar(3, 0)?);
    Ok((code, table.string(1)?))
}

fn tensor<'a>(table: &Table<'a>, file: &'a [u8], buffers: &[Table<'a>]) -> Result<Tensor<'a>> {
    let name = table.string(3)?;
    let dims: Vec<i32> = table.scalars(0)?;
    let unknown = || format!("\"{name}\" has shape {dims:?}: fix every dimension to a number and convert again");
    let shape: Vec<u32> =
        dims.iter().map(|&dim| u32::try_from(dim).ok()).collect::<Option<_>>().with_context(unknown)?;
    let elements = shape.iter().try_fold(1u64, |product, &dim| product.checked_mul(dim.into()));
    ensure!(
        elements.is_some_and(|elements| elements <= MAX_ELEMENTS),
        "\"{name}\" has shape {shape:?}, at most {MAX_ELEMENTS} elements are taken"
    );
    let dtype = match table.scalar::<i8>(1, 0)? {
        0 => Type::F32,
        1 => Type::F16,
        2 => Type::I32,
        3 => Type::U8,
        4 => Type::I64,
        5 => Type::Other("string"),
        6 => Type::Bool,
        7 => Type::I16,
        9 => Type::I8,
        13 => Type::Other("resource"),
        17 => Type::Other("int4"),
        19 => Type::Other("int2"),
        _ => Type::Other("another type"),
    };
    ensure!(table.table(6)?.is_none(), "\"{name}\" is sparse: convert the model again with dense weights");
    let quantization = table.table(4)?;
    let (mut scales, mut zero_points, mut axis) = (Vec::new(), Vec::new(), 0);
    if let Some(quantization) = quantization {
        scales = quantization.scalars::<f32>(2)?;
        zero_points = quantization.scalars::<i64>(3)?;
        axis = quantization.scalar(6, 0)?;
        let is_plain = quantization.scalar::<u8>(4, 0)? == 0;
        ensure!(
            is_plain,
            "\"{name}\" is quantized by blocks or otherwise; scales per tensor and per channel are supported"
        );
    }
    ensure!(
        scales.iter().all(|scale| scale.is_finite() && *scale > 0.0),
        "\"{name}\" has a scale that is not a positive number"
    );
    let buffer = table.scalar::<u32>(2, 0)? as usize;
    let data = match buffers.get(buffer) {
        Some(buffer) => bytes(buffer, file)?,
        None if buffer == 0 => &[],
        None => bail!("\"{name}\" is in buffer {buffer}, the model has {}", buffers.len()),
    };
    let data = if data.is_empty() { None } else { Some(Cow::Borrowed(data)) };
    if let (Some(data), Some(size)) = (&data, dtype.size()) {
        let expected = elements.unwrap_or(0) * size as u64;
        ensure!(
            data.len() as u64 == expected,
            "\"{name}\" has {} bytes, its shape {shape:?} needs {expected}",
            data.len()
        );
    }
    // LiteRT runs with 1 in place of an unknown batch; any other unknown dimension has no size here.
    let signature: Vec<i32> = table.scalars(7)?;
    let is_dynamic = signature.iter().skip(1).any(|&dim| dim < 0);
    Ok(Tensor { is_dynamic, dtype, shape, scales, zero_points, axis, data, is_variable: table.bool(5)?, name })
}

/// The bytes of a buffer: within the FlatBuffer, or behind it in large files.
fn bytes<'a>(buffer: &Table<'a>, file: &'a [u8]) -> Result<&'a [u8]> {
    let (offset, size) = (buffer.scalar::<u64>(1, 0)?, buffer.scalar::<u64>(2, 0)?);
    if offset <= 1 {
        return buffer.bytes(0);
    }
    let range = usize::try_from(offset).ok().zip(usize::try_from(size).ok());
    range
        .and_then(|(start, len)| file.get(start..start.checked_add(len)?))
        .with_context(|| format!("a buffer of {size} bytes at {offset} leaves the file"))
}

fn operator<'a>(number: usize, table: &Table<'a>, codes: &[(i32, String)], tensors: usize) -> Result<Operator<'a>> {
    let index = table.scalar::<u32>(0, 0)? as usize;
    let (code, custom) = codes.get(index).with_context(|| format!("operator code {index} of {}", codes.len()))?.clone();
    let inputs: Vec<i32> = table.scalars(1)?;
    for &input in &inputs {
        ensure!(input >= -1 && input < tensors as i32, "it reads tensor {input}, the model has {tensors}");
    }
    let intermediates = table.scalars(8)?;
    let outputs = indices(&table.scalars(2)?, tensors)?;
    Ok(Operator { number, code, custom, inputs, outputs, intermediates, options: table.table(4)? })
}

fn indices(found: &[i32], count: usize) -> Result<Vec<usize>> {
    let index = |&index: &i32| {
        let valid = usize::try_from(index).ok().filter(|&index| index < count);
        valid.with_context(|| format!("tensor {index}, the model has {count}"))
    };
    found.iter().map(index).collect()
}
