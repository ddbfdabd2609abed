//! A network that listens on the nRF52840: a PDM microphone at 16 kHz, two buffers filled in turn by DMA, labels by defmt over RTT.
//! `THUMBNET_MODEL=/absolute/model.tnet cargo --config boards/nrf52840.toml run --release --features nrf52840-listen --bin nrf52840_listen`
//! flashes it by probe-rs; the model is one of a recipe with a `[front_end]` at 16 kHz, exported with `--stream`.
//!
//! Pins are those of the Arduino Nano 33 BLE Sense. This was built and never run: there was no board.

#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU32, Ordering, compiler_fence};

use cortex_m_rt::entry;
use defmt_rtt as _;
use nrf52840_pac::{self as pac, interrupt};
use panic_probe as _;
use thumbnet::capture::{Capture, CaptureError, Microphone};
use thumbnet::listen::{Detection, Detector, ListenError, Settings, listen};
use thumbnet::{Arena, Model, Session, self_test};

static MODEL: &[u8] = thumbnet::include_model!(env!("THUMBNET_MODEL"));

/// Clock of the microphone, P0.26.
const CLOCK_PIN: u8 = 26;
/// Its data, P0.25.
const DATA_PIN: u8 = 25;
/// Its supply, P0.17.
const POWER_PIN: u32 = 17;
/// Samples of a buffer: 64 ms, which is as long as a run may take.
const LEN: usize = 1024;
/// Most classes of the model.
const CLASSES: usize = 64;

/// Written by EasyDMA alone.
static mut BUFFERS: [[i16; LEN]; 2] = [[0; LEN]; 2];
/// Counted by the interrupt.
static FILLED: AtomicU32 = AtomicU32::new(0);

#[entry]
fn main() -> ! {
    if let Err(error) = run() {
        defmt::error!("{}", error);
    }
    loop {
        cortex_m::asm::wfi();
    }
}

fn run() -> Result<(), &'static str> {
    let model = Model::new(MODEL).map_err(|_| "the model does not check")?;
    let mut arena = Arena::<65_536>::new();
    let mut session = Session::new(&model, &mut arena).map_err(|_| "the arena is too small")?;
    match self_test(&mut session) {
        Ok(()) => defmt::info!("self-test: bit-identical to the desktop"),
        Err(mismatch) => defmt::error!("self-test: {}", mismatch),
    }
    let background = model.info().labels.iter().position(|label| label == "_background_");
    let mut detector = Detector::<CLASSES>::new(Settings { background, ..Settings::DEFAULT });
    let peripherals = pac::Peripherals::take().ok_or("peripherals were taken before")?;
    let mut microphone = Microphone::new(Pdm::start(&peripherals), |sample| sample);
    loop {
        match listen(&mut session, &mut microphone, &mut detector) {
            Ok(None) => {}
            Ok(Some(Detection { class, score })) => {
                defmt::info!("{} {}", model.info().labels.get(class).unwrap_or("?"), score);
            }
            Err(ListenError::Source(CaptureError::Lost { buffers })) => {
                defmt::warn!("{} buffers lost: a run takes longer than {} samples", buffers, LEN);
                session.reset();
            }
            Err(ListenError::Model(_)) => return Err("the model takes no samples: export it with --stream"),
            Err(_) => return Err("the microphone failed"),
        }
    }
}

/// The PDM interface and its two buffers.
struct Pdm;

impl Pdm {
    /// Starts clock, microphone and transfers. There is one only, because there is one `Peripherals`.
    fn start(peripherals: &pac::Peripherals) -> Self {
        let (clock, port, pdm) = (&peripherals.CLOCK, &peripherals.P0, &peripherals.PDM);
        // The crystal, whose jitter does not become noise.
        clock.tasks_hfclkstart.write(|w| w.tasks_hfclkstart().set_bit());
        while clock.events_hfclkstarted.read().bits() == 0 {}
        // SAFETY: one bit for one pin, and pins that nothing else uses.
        unsafe {
            port.outset.write(|w| w.bits(1 << POWER_PIN));
            port.dirset.write(|w| w.bits(1 << POWER_PIN));
            port.outclr.write(|w| w.bits(1 << CLOCK_PIN));
            port.dirset.write(|w| w.bits(1 << CLOCK_PIN));
            pdm.psel.clk.write(|w| w.pin().bits(CLOCK_PIN).port().clear_bit().connect().connected());
            pdm.psel.din.write(|w| w.pin().bits(DATA_PIN).port().clear_bit().connect().connected());
        }
        // 1.28 MHz / 80 = 16 kHz.
        pdm.pdmclkctrl.write(|w| w.freq()._1280k());
        pdm.ratio.write(|w| w.ratio().ratio80());
        pdm.mode.write(|w| w.operation().mono().edge().left_falling());
        pdm.gainl.write(|w| w.gainl().default_gain());
        pdm.enable.write(|w| w.enable().enabled());
        // SAFETY: a buffer lives for ever and has as many samples as are said.
        unsafe {
            pdm.sample.maxcnt.write(|w| w.bits(LEN as u32));
            pdm.sample.ptr.write(|w| w.bits(address(0)));
        }
        pdm.intenset.write(|w| w.started().set().end().set());
        // SAFETY: the interrupt only counts and sets the next buffer; nothing is masked to keep it out.
        unsafe { pac::NVIC::unmask(pac::Interrupt::PDM) };
        pdm.tasks_start.write(|w| w.tasks_start().set_bit());
        Self
    }
}

/// Where a buffer lies.
fn address(buffer: u32) -> u32 {
    let start = (&raw const BUFFERS).addr() as u32;
    start + (buffer & 1) * size_of::<[i16; LEN]>() as u32
}

/// The pointer is taken over at the start of each transfer: from then on it is that of the next one.
#[interrupt]
fn PDM() {
    // SAFETY: after the start only this interrupt uses the peripheral.
    let pdm = unsafe { &*pac::PDM::ptr() };
    if pdm.events_end.read().bits() != 0 {
        pdm.events_end.reset();
        // Read before it is written, by this interrupt alone.
        FILLED.store(FILLED.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    }
    if pdm.events_started.read().bits() != 0 {
        pdm.events_started.reset();
        let next = FILLED.load(Ordering::Relaxed).wrapping_add(1);
        // SAFETY: as at the start.
        unsafe { pdm.sample.ptr.write(|w| w.bits(address(next))) };
    }
}

impl Capture for Pdm {
    type Word = i16;
    type Error = core::convert::Infallible;

    fn filled(&mut self) -> Result<u32, Self::Error> {
        let filled = FILLED.load(Ordering::Acquire);
        // What DMA has written is read behind this.
        compiler_fence(Ordering::SeqCst);
        Ok(filled)
    }

    fn len(&self) -> usize {
        LEN
    }

    fn word(&self, buffer: usize, index: usize) -> Option<i16> {
        if buffer > 1 || index >= LEN {
            return None;
        }
        let first = (&raw const BUFFERS).cast::<i16>();
        // SAFETY: it lies within the two buffers; no reference to them exists, and a sample is one aligned halfword.
        Some(unsafe { first.add(buffer * LEN + index).read_volatile() })
    }

    fn wait(&mut self) {
        // Not `wfi`, which would sleep through an interrupt that came since the buffers were counted.
        cortex_m::asm::wfe();
    }
}
