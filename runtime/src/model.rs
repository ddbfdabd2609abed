//! A model that was checked.

use crate::check;
use crate::digest::digest;
use crate::error::FormatError;
use crate::format::{HEAD_BYTES, Head, Info, MAGIC, Place, RECORD_WORDS, Section, Steps, Tensor, Tensors, VERSION};

/// A model borrowed from flash, every byte of it checked.
///
/// [`Model::new`] is the only way to make one, and the argument why [`crate::Session::run`] cannot fail:
///
/// * every section lies within the file, and every record in it decodes;
/// * every tensor has a size that fits 31 bits and lies within its memory, aligned to 4;
/// * state tensors lie at the start of the arena, apart from each other and from everything else, and a step writes there
///   only when nobody reads the old value any more;
/// * every step reads only tensors that were written before it, with the types and shapes its operator takes;
/// * weights, tables, multipliers and shifts lie within the data section and in the ranges their kernels need;
/// * the output and the scratch of a step lie over nothing that is still needed, the output over an input only where the
///   operator may overwrite it;
/// * so every slice that a step asks for exists, has the length its kernel expects, and no other slice of that step
///   aliases it.
#[derive(Clone, Copy, Debug)]
pub struct Model<'m> {
    bytes: &'m [u8],
    head: Head,
    info: Info<'m>,
    tensors: Tensors<'m>,
    outputs: &'m [u32],
    program: &'m [u32],
    data: &'m [u8],
    golden: &'m [u32],
}

impl<'m> Model<'m> {
    /// Checks `bytes`, whatever they are, and borrows them as a model.
    ///
    /// # Errors
    /// [`FormatError`] names the first thing that is wrong. It never panics and reads nothing but `bytes`.
    pub fn new(bytes: &'m [u8]) -> Result<Self, FormatError> {
        let head = check_head(bytes)?;
        let section = |section: Section, unit: usize, name: &'static str| slice(bytes, section, unit, name);
        let words = |found: Section, unit: usize, name: &'static str| {
            section(found, unit, name).and_then(|bytes| as_words(bytes).ok_or(FormatError::Section(name)))
        };
        let model = Self {
            bytes,
            head,
            info: postcard::from_bytes(section(head.info, 1, "info")?).map_err(|_| FormatError::Info)?,
            tensors: Tensors::new(words(head.tensors, 4 * RECORD_WORDS, "tensor")?),
            outputs: words(head.outputs, 4, "output")?,
            program: words(head.program, 4, "program")?,
            data: section(head.data, 1, "data")?,
            golden: words(head.golden, 4, "golden")?,
        };
        check::model(&model)?;
        Ok(model)
    }

    /// The bytes that it borrows.
    #[must_use]
    pub const fn bytes(&self) -> &'m [u8] {
        self.bytes
    }

    /// The fixed head.
    #[must_use]
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// Names, labels and provenance.
    #[must_use]
    pub const fn info(&self) -> &Info<'m> {
        &self.info
    }

    /// The tensor table: inputs, constants and states, then the output of each step.
    #[must_use]
    pub const fn tensors(&self) -> Tensors<'m> {
        self.tensors
    }

    /// The steps in the order they run.
    #[must_use]
    pub const fn steps(&self) -> Steps<'m> {
        Steps::new(self.program)
    }

    /// Bytes of arena that a session needs.
    #[must_use]
    pub const fn arena_len(&self) -> usize {
        self.head.arena_len as usize
    }

    /// An upper bound of what one run takes, whatever the input: [`crate::plan::work`] of all steps together.
    ///
    /// Firmware that takes models from elsewhere refuses by it those that would take too long.
    #[must_use]
    pub const fn work(&self) -> u64 {
        let [low, high] = self.head.work;
        low as u64 | (high as u64) << 32
    }

    /// Bytes at the start of the arena that keep their values from one run to the next.
    #[must_use]
    pub const fn state_len(&self) -> usize {
        self.head.state_len as usize
    }

    /// Numbers of the state tensors with the tensors themselves, in the order they lie in memory.
    pub fn states(&self) -> impl Iterator<Item = (u32, Tensor)> + use<'m> {
        let tensors = self.tensors;
        let middle = self.head.inputs..self.first_result();
        middle.filter_map(move |number| Some((number, tensors.get(number)?))).filter(|(_, t)| t.place == Place::Arena)
    }

    /// Number of inputs.
    #[must_use]
    pub const fn input_count(&self) -> usize {
        self.head.inputs as usize
    }

    /// Number of outputs.
    #[must_use]
    pub const fn output_count(&self) -> usize {
        self.outputs.len()
    }

    /// The input with this number.
    #[must_use]
    pub fn input(&self, index: usize) -> Option<Tensor> {
        if index < self.input_count() { self.tensors.get(index as u32) } else { None }
    }

    /// The output with this number.
    #[must_use]
    pub fn output(&self, index: usize) -> Option<Tensor> {
        self.tensors.get(*self.outputs.get(index)?)
    }

    /// Tensor numbers of the outputs.
    #[must_use]
    pub const fn outputs(&self) -> &'m [u32] {
        self.outputs
    }

    /// Number of the tensor that the first step writes.
    #[must_use]
    pub const fn first_result(&self) -> u32 {
        self.head.tensors.count.saturating_sub(self.head.steps)
    }

    /// Weights, tables and constants.
    #[must_use]
    pub const fn data(&self) -> &'m [u8] {
        self.data
    }

    pub(crate) const fn golden(&self) -> &'m [u32] {
        self.golden
    }
}

fn check_head(bytes: &[u8]) -> Result<Head, FormatError> {
    let too_short = FormatError::TooShort { found: bytes.len() };
    let head = bytes.get(..HEAD_BYTES).ok_or(too_short)?;
    let head = as_words(head).ok_or(FormatError::Misaligned)?;
    let head = Head::parse(head).ok_or(too_short)?;
    if head.magic != MAGIC {
        return Err(FormatError::Magic { found: head.magic.to_le_bytes() });
    }
    if head.version != VERSION {
        return Err(FormatError::Version { found: head.version });
    }
    if head.file_len as usize != bytes.len() || !bytes.len().is_multiple_of(16) {
        return Err(FormatError::Length { found: bytes.len(), expected: head.file_len });
    }
    let found = digest(0, bytes.get(16..).unwrap_or(&[]));
    if found != head.checksum {
        return Err(FormatError::Checksum { found, expected: head.checksum });
    }
    Ok(head)
}

/// The bytes of a section of `count` units of `unit` bytes.
fn slice<'m>(bytes: &'m [u8], section: Section, unit: usize, name: &'static str) -> Result<&'m [u8], FormatError> {
    let found = (section.count as usize).checked_mul(unit).and_then(|len| {
        let start = section.offset as usize;
        if start.is_multiple_of(16) { bytes.get(start..start.checked_add(len)?) } else { None }
    });
    found.ok_or(FormatError::Section(name))
}

fn as_words(bytes: &[u8]) -> Option<&[u32]> {
    bytemuck::try_cast_slice(bytes).ok()
}
