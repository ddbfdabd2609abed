//! The tensor table.

use bytemuck::CheckedBitPattern;

use super::words::{Encode, Words, code};

/// Most dimensions a tensor can have.
pub const MAX_RANK: usize = 6;

/// Words of one record in the table.
pub const RECORD_WORDS: usize = 5 + MAX_RANK;

code! {
    /// Type of a tensor's elements.
    #[derive(CheckedBitPattern)]
    pub enum DType {
        /// 8-bit signed, quantized.
        I8 = 0,
        /// 32-bit signed: class numbers.
        I32 = 1,
        /// IEEE single: only at the edges of a network.
        F32 = 2,
        /// 16-bit signed: states that need more than 8 bits.
        I16 = 3,
        /// 8-bit unsigned, quantized: only at the ends of a network, where a lookup leads to and from int8.
        U8 = 4,
    }
}

impl DType {
    /// Bytes of one element.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::I16 => 2,
            Self::I32 | Self::F32 => 4,
        }
    }
}

code! {
    /// The memory a tensor lives in.
    #[derive(CheckedBitPattern)]
    pub enum Place {
        /// The session's arena.
        Arena = 0,
        /// The data section of the file.
        Data = 1,
    }
}

/// A tensor: its type, shape, quantization and place.
///
/// The first word of its record packs `dtype | place << 8 | rank << 16`; then come offset, last use, scale (bits of the
/// `f32`), zero point and [`MAX_RANK`] dimensions, unused ones being 1. A tensor lies in memory as its record does in the file, little
/// end first, so that it is read where it lies.
#[derive(Clone, Copy, Debug, PartialEq, CheckedBitPattern)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(C)]
pub struct Tensor {
    /// Type of the elements.
    pub dtype: DType,
    /// Which memory `offset` counts in.
    pub place: Place,
    /// Number of dimensions, at most [`MAX_RANK`].
    pub rank: u16,
    /// Byte offset, a multiple of 4.
    pub offset: u32,
    /// The last step that reads it; for an output of the model the number of steps.
    pub last_use: u32,
    /// `real = scale · (q − zero_point)`; finite and positive.
    pub scale: f32,
    /// In −128..127 for int8, otherwise 0.
    pub zero_point: i32,
    /// Dimensions, row-major, outermost first; those from `rank` on are 1.
    pub dims: [u32; MAX_RANK],
}

impl Tensor {
    /// Shape without the unused dimensions.
    #[must_use]
    pub fn shape(&self) -> &[u32] {
        self.dims.get(..usize::from(self.rank)).unwrap_or(&[])
    }

    /// Number of elements; `None` where it exceeds 2^31 − 1.
    #[inline(never)]
    #[must_use]
    pub fn elements(&self) -> Option<u32> {
        // One look at what was lost in all products is quicker than one at each.
        let (mut product, mut lost) = (1u32, 0);
        for &dim in &self.dims {
            let wide = u64::from(product).wrapping_mul(dim.into());
            (product, lost) = (wide as u32, lost | (wide >> 32) as u32);
        }
        (lost == 0 && product <= i32::MAX as u32).then_some(product)
    }

    /// Number of elements of a tensor that was checked, so that nothing overflows.
    #[inline(always)]
    pub(crate) fn checked_elements(&self) -> u32 {
        self.dims.iter().fold(1, |product: u32, &dim| product.wrapping_mul(dim))
    }

    /// Number of bytes of the same.
    #[inline(always)]
    pub(crate) fn checked_bytes(&self) -> u32 {
        self.checked_elements().wrapping_mul(self.dtype.size() as u32)
    }

    /// Number of bytes; `None` where it exceeds 2^32 − 1.
    #[must_use]
    pub fn bytes(&self) -> Option<u32> {
        self.elements()?.checked_mul(self.dtype.size() as u32)
    }
}

impl Encode for Tensor {
    const WORDS: usize = RECORD_WORDS;

    fn write(&self, put: &mut impl FnMut(u32)) {
        put(self.dtype as u32 | (self.place as u32) << 8 | u32::from(self.rank) << 16);
        put(self.offset);
        put(self.last_use);
        put(self.scale.to_bits());
        self.zero_point.write(put);
        self.dims.write(put);
    }

    #[inline(always)]
    fn read(words: &mut Words<'_>) -> Option<Self> {
        in_place(words.take(RECORD_WORDS)?.first_chunk()?).copied()
    }
}

const _: () =
    assert!(size_of::<Tensor>() == size_of::<[u32; RECORD_WORDS]>() && align_of::<Tensor>() == align_of::<u32>());

/// A record as the tensor that it is; `None` where a type or a place is none.
#[inline(always)]
fn in_place(record: &[u32; RECORD_WORDS]) -> Option<&Tensor> {
    bytemuck::checked::try_cast_ref(record).ok()
}

/// The tensor table of a file.
#[derive(Clone, Copy, Debug)]
pub struct Tensors<'m>(&'m [[u32; RECORD_WORDS]]);

impl<'m> Tensors<'m> {
    pub(crate) const fn new(words: &'m [u32]) -> Self {
        Self(words.as_chunks().0)
    }

    /// Number of tensors.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no tensor.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The tensor with this number.
    #[inline(always)]
    #[must_use]
    pub fn get(&self, index: u32) -> Option<Tensor> {
        self.record(index).copied()
    }

    /// The same, where it lies in the file.
    #[inline(always)]
    pub(crate) fn record(&self, index: u32) -> Option<&'m Tensor> {
        in_place(self.0.get(index as usize)?)
    }

    /// All tensors in order.
    pub fn iter(&self) -> impl Iterator<Item = Tensor> + use<'m> {
        let table = *self;
        (0..table.len() as u32).map_while(move |index| table.get(index))
    }
}
