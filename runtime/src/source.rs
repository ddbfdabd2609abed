//! Inputs that come from sensors, over `embedded-hal` 1.0.

use embedded_hal::i2c::I2c;

use crate::error::InputError;
use crate::session::Session;

/// Something that fills a window of raw values.
pub trait Source {
    /// What can go wrong while reading.
    type Error;

    /// Fills all of `window` with raw values, in the units the model was trained on.
    ///
    /// # Errors
    /// The sensor did not answer.
    fn read(&mut self, window: &mut [f32]) -> Result<(), Self::Error>;
}

/// Why an input could not be filled from a [`Source`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum SourceError<E> {
    /// The source failed.
    Source(E),
    /// The model did not take the values.
    Input(InputError),
}

impl Session<'_> {
    /// Reads one window from `source` into the first input.
    ///
    /// # Errors
    /// The source failed, or `window` has not the length of the input.
    pub fn fill_from<S: Source>(&mut self, source: &mut S, window: &mut [f32]) -> Result<(), SourceError<S::Error>> {
        source.read(window).map_err(SourceError::Source)?;
        self.write_raw(window).map_err(SourceError::Input)
    }
}

/// A three-axis accelerometer of the LIS2DH family: samples x, y, z as signed 12-bit values, in units of g.
///
/// Registers after the LIS2DH12 datasheet (ST, DocID025056): `CTRL_REG1` 0x20, `CTRL_REG4` 0x23, `STATUS_REG` 0x27, data
/// from 0x28, where bit 7 of the register address makes it advance.
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Lis2dh<I> {
    bus: I,
    address: u8,
}

impl<I: I2c> Lis2dh<I> {
    /// Starts the sensor at 100 Hz, ±2 g, high resolution. `address` is 0x18 or 0x19.
    ///
    /// # Errors
    /// The bus failed.
    pub fn new(mut bus: I, address: u8) -> Result<Self, I::Error> {
        bus.write(address, &[0x20, 0x57])?;
        bus.write(address, &[0x23, 0x88])?;
        Ok(Self { bus, address })
    }

    /// Waits for a new sample.
    fn sample(&mut self) -> Result<[f32; 3], I::Error> {
        let mut status = [0];
        while status[0] & 0x08 == 0 {
            self.bus.write_read(self.address, &[0x27], &mut status)?;
        }
        let mut bytes = [0; 6];
        self.bus.write_read(self.address, &[0x80 | 0x28], &mut bytes)?;
        let [xl, xh, yl, yh, zl, zh] = bytes;
        // Left-justified 12 bits, 1 mg each at ±2 g.
        Ok([[xl, xh], [yl, yh], [zl, zh]].map(|axis| f32::from(i16::from_le_bytes(axis) >> 4) / 1000.0))
    }
}

impl<I: I2c> Source for Lis2dh<I> {
    type Error = I::Error;

    fn read(&mut self, window: &mut [f32]) -> Result<(), I::Error> {
        for axes in window.as_chunks_mut::<3>().0 {
            *axes = self.sample()?;
        }
        Ok(())
    }
}
