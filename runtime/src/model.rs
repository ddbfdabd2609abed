//! A model that was checked.

use crate::check;
use crate::digest::digest;
use crate::error::FormatError;
use crate::format::{
    HEAD_BYTES, Head, Info, MAGIC, Place, RECORD_WORDS, Records, Section, Steps, Tensor, Tensors, VERSION,
};

/// A model borrowed from flash, every byte of it checked.
///
/// [`Model::new`] is the only way to make one. What it has checked is the argument why [`crate::Session::run`] cannot fail,
/// whatever the input: for any bytes, each invariant below holds of what is accepted, and each says what follows from it. The
/// functions in brackets are those of `check.rs` that establish it.
///
/// **Sections** (`check_head`, `slice`, `tables`). Each lies within the file and starts at a multiple of 16, lengths computed
/// without overflow; counts agree with lengths; each record decodes, and the program ends with its last one. The file is borrowed
/// as shared and never written, so what was checked is what runs: a step is bound to its kernel by the same function
/// (`Call::of`) in the check and in the session, from the same words.
///
/// **Tensors** (`check_tensor`). Dimensions are positive and their product in bytes fits 31 bits; offset and length lie within the
/// arena or the data, computed without overflow; offsets are multiples of 4; inputs lie apart. So the slice of a tensor exists and
/// is aligned for its type, if the arena is: a session refuses one that is not.
///
/// **States** (`states`, `is_update`, `own_states`) follow one another at the start of the arena. Nothing else lies there but a
/// result that replaces one, of the same place, type and quantization, and last; an operator that changes its own does so only if
/// no later step reads it, no operand is the same state twice, and its other operands lie elsewhere. So two runs share nothing but
/// states, no step reads a state that is half new, and the states of a step are disjoint slices.
///
/// **Order** (`check_step`). A step reads tensors with smaller numbers than its output's, none after its last use, and as many as
/// its operator takes. Since every step runs once and in order, what it reads was written in this run, or is an input, a constant
/// or a state. Outputs (`outputs`) live to the end.
///
/// **Overlap** (`memory`). Output and scratch lie over no tensor that is still needed, not over one another, and the scratch not
/// over a state. The exceptions are those of [`crate::plan::may_overwrite`], where element is written after the same element was
/// read, and of [`crate::plan::lead`], where the output starts so far in front of the input that it only grows into what was
/// read; only one operand may be in either. So the arena can be cut into states, output, scratch and the rest, each mutable slice
/// without an alias, which `Carved::new` does by checked splits: it would rather do nothing than alias.
///
/// **Shapes** (`operator`, `types`). Types, ranks and dimensions are those that the operator's equation relates, windows reach into
/// the padded image, views stay within their input, weights and tables have the length that shapes ask for and lie within the data
/// section, numbers of elements are below what they count. So every index that a kernel computes is within its slice. Kernels
/// in safe Rust would write less if it were not; those in assembly compare the lengths that they are about to touch with their
/// slices' once more. Numbers that are computed by other steps ([`crate::format::Op::Gather`]) are compared when they are used.
///
/// **Layouts** (`Call::of`, `layout`). A layout other than the plain one is taken only from the operators that have it, with the
/// length, the alignment, the window, the rounding and the shifts that it is made for. Bounds of its sums are the exporter's
/// affair: a file that breaks them computes something else, within its memory.
///
/// **Numbers** (`scale`, `channel_scales`, `is_range` and each operator). Multipliers are 0 or in \[2^30, 2^31), those of reductions
/// not negative; shifts in \[−31, 30\]; clamps not empty; zero points of 8 bits; fractions and lengths of transforms those that the
/// kernels have. So no shift exceeds its register, and no division is by zero. Sums may wrap where a file has been made to: the
/// outputs are then meaningless, and within their range. The exporter refuses models whose sums can. The affine numbers of an addition may
/// be any, and wrap alike on every core; that they give what its factors give is the exporter's affair.
///
/// **Arena** (`tables`, `check_tensor`, `memory`). What a session needs is stated, contains every tensor and scratch, and is at most
/// 2^31 − 1 bytes. It is compared with the memory given before anything is written.
///
/// **Work** (`model`). Loops run over dimensions, never until a condition of the data. Their number is bounded by what the file
/// states and the check has computed again ([`Model::work`]), in a run as long as the file has steps. The check itself is bounded
/// by the file's length: it looks at every pair of tensor and step, and of tensor and state, once, at each number in the data at
/// most once per step.
///
/// How each of these is tested: `SECURITY.md`.
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
            info: Info::read(section(head.info, 1, "info")?).ok_or(FormatError::Info)?,
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

    /// The same, not decoded.
    pub(crate) const fn records(&self) -> Records<'m> {
        Records::new(self.program)
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

    /// The bytes that all states start with; empty where each starts with zero.
    #[must_use]
    pub fn initial_state(&self) -> &'m [u8] {
        let Section { offset, count } = self.head.initial;
        let end = (offset as usize).checked_add(count as usize);
        end.and_then(|end| self.data.get(offset as usize..end)).unwrap_or(&[])
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
