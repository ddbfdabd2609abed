//! Samples from a peripheral that fills two buffers in turn by DMA: microphones on I²S or PDM, an ADC.
//!
//! A driver tells how many buffers its hardware has filled and gives their words: [`Capture`], a few lines for any chip. What is
//! the same on all of them is here: [`Microphone`] waits for a buffer, hands its words over as samples of any number, and sees
//! where the hardware was faster than the network. It keeps up where a run takes less time than one buffer lasts.
//!
//! ```
//! use thumbnet::capture::{Capture, Microphone, i2s};
//! use thumbnet::listen::{Detector, Settings, listen};
//! # use thumbnet::{Session, capture::CaptureError, listen::ListenError};
//! # fn run<C: Capture<Word = i32>>(session: &mut Session<'_>, driver: C) -> Result<(), ListenError<CaptureError<C::Error>>> {
//! let mut microphone = Microphone::new(driver, i2s::<4>);
//! let mut detector = Detector::<12>::new(Settings::DEFAULT);
//! loop {
//!     match listen(session, &mut microphone, &mut detector) {
//!         // The network took too long: what it remembers is from before a gap.
//!         Err(ListenError::Source(CaptureError::Lost { .. })) => session.reset(),
//!         heard => { heard?; }
//!     }
//! }
//! # }
//! ```

use core::hint::spin_loop;

use crate::listen::Samples;

/// A peripheral that fills two buffers of the same length in turn, without end.
pub trait Capture {
    /// What the hardware writes: `i16` of PDM, `i32` of I²S, `u16` of an ADC.
    type Word;
    /// What can go wrong.
    type Error;

    /// How many buffers the hardware has filled since it was started, counted without end (2^32 is followed by 0): most often by
    /// an interrupt at the end of each transfer, or at half and full transfer of one that is circular. Buffer 0 is the first.
    ///
    /// # Errors
    /// The hardware failed.
    fn filled(&mut self) -> Result<u32, Self::Error>;

    /// Words of a buffer.
    fn len(&self) -> usize;

    /// Whether the buffers hold nothing, which is of no use.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A word of buffer 0 or 1, read as volatile: the hardware may write there. `None` behind the end.
    fn word(&self, buffer: usize, index: usize) -> Option<Self::Word>;

    /// Is called while there is nothing to do; may sleep until an interrupt.
    fn wait(&mut self) {
        spin_loop();
    }
}

/// Why no samples came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum CaptureError<E> {
    /// The hardware failed.
    Hardware(E),
    /// The hardware has overwritten what was not read yet. Reading goes on with the buffer that was filled last.
    Lost {
        /// Buffers that nobody will read, or not to their end.
        buffers: u32,
    },
    /// The buffers are empty.
    Empty,
}

impl<E: core::fmt::Display> core::fmt::Display for CaptureError<E> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Hardware(error) => error.fmt(f),
            Self::Lost { buffers } => {
                write!(
                    f,
                    "{buffers} buffers of samples were overwritten before they were read: take longer buffers, or a faster network"
                )
            }
            Self::Empty => f.write_str("the buffers of the peripheral hold nothing: give them at least one sample"),
        }
    }
}

impl<E: core::error::Error> core::error::Error for CaptureError<E> {}

/// A [`Capture`] as a source of samples.
#[derive(Debug)]
pub struct Microphone<C, F> {
    capture: C,
    sample: F,
    /// Number of the buffer that is read, as [`Capture::filled`] counts.
    buffer: u32,
    /// Its next word.
    index: usize,
}

impl<C: Capture, F: FnMut(C::Word) -> i16> Microphone<C, F> {
    /// `sample` makes words samples: [`i2s`], [`adc`], or `|word| word` for those of 16 bits.
    pub const fn new(capture: C, sample: F) -> Self {
        Self { capture, sample, buffer: 0, index: 0 }
    }

    /// The peripheral.
    pub const fn capture(&mut self) -> &mut C {
        &mut self.capture
    }

    /// Buffers that are full, the one that is read among them.
    ///
    /// # Errors
    /// The hardware writes into the one that is read.
    fn ready(&mut self) -> Result<u32, CaptureError<C::Error>> {
        let filled = self.capture.filled().map_err(CaptureError::Hardware)?;
        let ready = filled.wrapping_sub(self.buffer);
        if ready < 2 {
            return Ok(ready);
        }
        self.buffer = filled.wrapping_sub(1);
        self.index = 0;
        Err(CaptureError::Lost { buffers: ready.wrapping_sub(1) })
    }
}

impl<C: Capture, F: FnMut(C::Word) -> i16> Samples for Microphone<C, F> {
    type Error = CaptureError<C::Error>;

    fn read(&mut self, samples: &mut [i16]) -> Result<bool, Self::Error> {
        for to in samples {
            if self.index == 0 {
                while self.ready()? == 0 {
                    self.capture.wait();
                }
            }
            let word = self.capture.word((self.buffer & 1) as usize, self.index).ok_or(CaptureError::Empty)?;
            *to = (self.sample)(word);
            self.index = self.index.wrapping_add(1);
            if self.index >= self.capture.len() {
                // Not overwritten while it was read.
                self.ready()?;
                (self.buffer, self.index) = (self.buffer.wrapping_add(1), 0);
            }
        }
        if self.index > 0 {
            self.ready()?;
        }
        Ok(true)
    }
}

/// A sample of a word from I²S, 18 to 32 bits at its upper end, `GAIN` bits (6 dB each) louder: MEMS microphones are quiet.
#[must_use]
pub const fn i2s<const GAIN: u32>(word: i32) -> i16 {
    let sample = word >> (16 - if GAIN < 16 { GAIN } else { 16 });
    if sample > i16::MAX as i32 {
        i16::MAX
    } else if sample < i16::MIN as i32 {
        i16::MIN
    } else {
        sample as i16
    }
}

/// A sample of an ADC's word of `BITS` bits, 1 to 16, whose middle is silence.
#[must_use]
pub const fn adc<const BITS: u32>(word: u16) -> i16 {
    let bits = if BITS > 0 && BITS < 16 { BITS } else { 16 };
    ((word << (16 - bits)) ^ (1 << 15)).cast_signed()
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;

    /// Hardware that counts: so many words more are written every time somebody waits, and every time somebody asks.
    struct Counter {
        speed: u32,
        asked: u32,
        written: u32,
        buffers: [[u16; 10]; 2],
        broken: bool,
    }

    impl Counter {
        fn write(&mut self, words: u32) {
            for _ in 0..words {
                let at = self.written as usize;
                self.buffers[at / 10 % 2][at % 10] = self.written as u16;
                self.written += 1;
            }
        }
    }

    impl Capture for Counter {
        type Word = u16;
        type Error = &'static str;

        fn filled(&mut self) -> Result<u32, &'static str> {
            self.write(self.asked);
            if self.broken { Err("no clock") } else { Ok(self.written / 10) }
        }

        fn len(&self) -> usize {
            10
        }

        fn word(&self, buffer: usize, index: usize) -> Option<u16> {
            self.buffers[buffer].get(index).copied()
        }

        fn wait(&mut self) {
            self.write(self.speed);
        }
    }

    fn microphone() -> Microphone<Counter, fn(u16) -> i16> {
        let counter = Counter { speed: 1, asked: 0, written: 0, buffers: [[0; 10]; 2], broken: false };
        Microphone::new(counter, |word| word as i16)
    }

    #[test]
    fn samples_come_without_a_gap_in_reads_of_any_length() {
        for len in [1, 3, 10, 17, 40] {
            let mut microphone = microphone();
            let mut all = Vec::new();
            while all.len() < 200 {
                let mut samples = std::vec![0; len];
                assert_eq!(microphone.read(&mut samples), Ok(true), "{len}");
                all.extend(samples);
            }
            assert!(all.iter().zip(0i16..).all(|(&found, expected)| found == expected), "{len}: {all:?}");
        }
    }

    #[test]
    fn what_was_overwritten_is_an_error_and_reading_goes_on_behind_it() {
        let mut microphone = microphone();
        let mut samples = [0; 5];
        microphone.read(&mut samples).unwrap();
        // The network takes three buffers long: 4 are full, of which the first half of one was read.
        microphone.capture.write(30);
        assert_eq!(microphone.read(&mut samples), Err(CaptureError::Lost { buffers: 3 }));
        microphone.read(&mut samples).unwrap();
        assert_eq!(samples, [30, 31, 32, 33, 34], "the buffer that was filled last");
        // While a buffer is read, the hardware fills the other one and comes back.
        let mut microphone = self::microphone();
        microphone.capture.asked = 15;
        assert_eq!(microphone.read(&mut [0; 10]), Err(CaptureError::Lost { buffers: 2 }));
        let text = std::format!("{}", CaptureError::<&str>::Lost { buffers: 3 });
        assert!(text.contains("3 buffers") && text.contains("longer buffers"), "{text}");
    }

    #[test]
    fn a_count_that_starts_anew_and_broken_hardware_are_no_surprise() {
        let mut microphone = microphone();
        microphone.capture.broken = true;
        assert_eq!(microphone.read(&mut [0]), Err(CaptureError::Hardware("no clock")));
        struct Wrapped(u32);
        impl Capture for Wrapped {
            type Word = i16;
            type Error = ();
            fn filled(&mut self) -> Result<u32, ()> {
                Ok(self.0)
            }
            fn len(&self) -> usize {
                4
            }
            fn word(&self, _: usize, index: usize) -> Option<i16> {
                Some(index as i16)
            }
            fn wait(&mut self) {
                self.0 = self.0.wrapping_add(1);
            }
        }
        let mut microphone = Microphone { capture: Wrapped(u32::MAX), sample: |word| word, buffer: u32::MAX, index: 0 };
        let mut samples = [9; 12];
        assert_eq!(microphone.read(&mut samples), Ok(true));
        assert_eq!((samples, microphone.buffer), ([0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3], 2));
    }

    #[test]
    fn words_of_every_kind_become_samples() {
        assert_eq!([i2s::<0>(0x1234_5678), i2s::<0>(-1), i2s::<0>(i32::MIN)], [0x1234, -1, i16::MIN]);
        assert_eq!(
            [i2s::<4>(0x0123_4500), i2s::<4>(0x1234_5678), i2s::<4>(-0x1234_5678)],
            [0x1234, i16::MAX, i16::MIN]
        );
        assert_eq!([adc::<12>(0), adc::<12>(2048), adc::<12>(4095)], [i16::MIN, 0, 32752]);
        assert_eq!([adc::<16>(0), adc::<16>(0x8000), adc::<16>(0xffff)], [i16::MIN, 0, i16::MAX]);
    }
}
