//! The loop of a device that listens, on an emulated board: samples from the file `in.wav` in, detections out, one line of
//! JSON each. On a board, [`Wav`] becomes a microphone; nothing else changes.
//!
//! Arguments: bytes of the model, then smoothing, threshold, refractory and background as in
//! [`thumbnet::listen::Settings`], −1 for no background.

#![no_std]
#![no_main]

use cortex_m_rt::entry;
use semihosting::fs::File;
use semihosting::io::Read;
use semihosting::{println, process};
use thumbnet::listen::{Detector, ListenError, Samples, Settings, listen};
use thumbnet::{Arena, Model, Session};
use thumbnet_firmware::qemu::{self, ARENA, fail};
use thumbnet_firmware::{meter, stack};

/// Most classes that a model may have here.
const CLASSES: usize = 64;

static mut MEMORY: Arena<ARENA> = Arena::new();

#[entry]
fn main() -> ! {
    if let Some(peripherals) = cortex_m::Peripherals::take() {
        meter::start(peripherals.SYST);
    }
    process::exit(i32::from(run().is_none()))
}

fn run() -> Option<()> {
    let model = match Model::new(qemu::model()?) {
        Ok(model) => model,
        Err(error) => return fail("model", &error),
    };
    // SAFETY: `run` is called once, and this is the only reference to the static.
    let memory = unsafe { (&raw mut MEMORY).as_mut() }?;
    let mut session = match Session::new(&model, memory) {
        Ok(session) => session,
        Err(error) => return fail("arena", &error),
    };
    let settings = Settings {
        smoothing: qemu::argument(2)? as u32,
        threshold: qemu::argument(3)? as i8,
        refractory: qemu::argument(4)? as u32,
        background: usize::try_from(qemu::argument(5)?).ok(),
    };
    let mut detector = Detector::<CLASSES>::new(settings);
    let mut wav = Wav::open()?;
    let (mut runs, mut most, mut total, mut deepest) = (0u32, 0, 0, 0);
    loop {
        let (mut heard, mut ticks) = (Ok(None), 0);
        wav.waited = 0;
        let mut run = || {
            let start = meter::now();
            heard = listen(&mut session, &mut wav, &mut detector);
            ticks = meter::now() - start;
        };
        // Every run takes the same way, and painting the stack takes long.
        let used = if runs < 3 { stack::high_water(run) } else { run_unpainted(&mut run) };
        // Without the time that the file takes.
        ticks -= wav.waited;
        match heard {
            Ok(None) => {}
            Ok(Some(heard)) => println!("{{\"run\":{},\"class\":{},\"score\":{}}}", runs, heard.class, heard.score),
            Err(ListenError::End) => break,
            Err(ListenError::Source(())) => return fail("in.wav", &"cannot be read"),
            Err(ListenError::Model(error)) => return fail("model", &error),
        }
        (runs, most, total, deepest) = (runs + 1, ticks.max(most), total + ticks, used.max(deepest));
    }
    println!("{{\"runs\":{},\"most\":{},\"total\":{},\"stack\":{}}}", runs, most, total, deepest);
    Some(())
}

fn run_unpainted(run: &mut impl FnMut()) -> usize {
    run();
    0
}

/// Samples of a file, 16 bits, one channel.
struct Wav {
    file: File,
    /// Ticks that reading has taken.
    waited: u64,
}

impl Wav {
    /// Opens `in.wav` and goes to its samples.
    fn open() -> Option<Self> {
        let Ok(file) = File::open(c"in.wav") else { return fail("in.wav", &"cannot be opened") };
        let mut wav = Self { file, waited: 0 };
        let mut header = [0; 12];
        if wav.bytes(&mut header) != Ok(true) || !header.starts_with(b"RIFF") || !header.ends_with(b"WAVE") {
            return fail("in.wav", &"is not a WAV file");
        }
        loop {
            let mut chunk = [0; 8];
            if wav.bytes(&mut chunk) != Ok(true) {
                return fail("in.wav", &"holds no samples");
            }
            let [a, b, c, d, len @ ..] = chunk;
            if [a, b, c, d] == *b"data" {
                return Some(wav);
            }
            // Chunks are padded to an even length.
            for _ in 0..u32::from_le_bytes(len).next_multiple_of(2) {
                wav.bytes(&mut [0]).ok()?;
            }
        }
    }

    /// Fills a buffer; `false` where the file ends first.
    fn bytes(&mut self, mut buffer: &mut [u8]) -> Result<bool, ()> {
        while !buffer.is_empty() {
            match self.file.read(buffer) {
                Ok(0) => return Ok(false),
                Ok(count) => buffer = buffer.get_mut(count..).ok_or(())?,
                Err(_) => return Err(()),
            }
        }
        Ok(true)
    }
}

impl Samples for Wav {
    type Error = ();

    fn read(&mut self, samples: &mut [i16]) -> Result<bool, ()> {
        let start = meter::now();
        let is_full = self.bytes(bytemuck::cast_slice_mut(samples));
        self.waited += meter::now() - start;
        is_full
    }
}
