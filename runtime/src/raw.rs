//! From raw sensor values to quantized ones and back: the only floating point in the runtime.
//!
//! Training may scale or standardize its data. The exporter folds that into one affine map per model, stored in
//! [`Info`](crate::format::Info), so that firmware never repeats it: `q = clamp(round(raw · gain + offset), −128, 127)`, rounded half
//! away from zero. For 8-bit images the map is usually `raw − 128`, which [`from_u8`] does without floating point.

use crate::error::InputError;
use crate::kernels::quantize;
use crate::model::Model;
use crate::session::Session;

impl<'m> Model<'m> {
    /// Gain and offset from raw values to the first input, one pair or one per element of its last dimension, repeated.
    pub fn raw_map(&self) -> impl Iterator<Item = (f32, f32)> + Clone + use<'m> {
        let info = *self.info();
        let numbers = |bytes: &'m [u8]| bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes));
        numbers(info.gain).zip(numbers(info.offset)).cycle()
    }
}

impl Session<'_> {
    /// Quantizes raw values into the first input.
    ///
    /// # Errors
    /// Their number is not the input's, or the input is not int8.
    pub fn write_raw(&mut self, raw: &[f32]) -> Result<(), InputError> {
        let map = self.model().raw_map();
        let input = self.input_mut(0)?;
        if raw.len() != input.len() {
            return Err(InputError::Length { found: raw.len(), expected: input.len() });
        }
        for ((q, &raw), (gain, offset)) in input.iter_mut().zip(raw).zip(map) {
            *q = quantize::round_to_i8(raw * gain + offset);
        }
        Ok(())
    }
}

/// `q = raw − 128`: what an 8-bit image becomes where gain is 1 and offset −128.
#[must_use]
pub const fn from_u8(raw: u8) -> i8 {
    (raw ^ 0x80).cast_signed()
}
