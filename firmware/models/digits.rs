//! The model "digits_demo" as Rust, generated from `digits.tnet` by `thumbnet compile`: do not edit.
//!
//! 5 steps, 149408 multiply-accumulates, 2688 bytes of arena, 11944 bytes of weights and tables.

use thumbnet::compiled::{self, Aligned, Call, Network, Port, Source, Span, Step, Walk, table};
use thumbnet::{Arena, Observer};

/// Weights are taken from it by the compiler; it is not linked.
const FILE: &[u8] = include_bytes!("digits.tnet");

const _: () = assert!(
    compiled::is_file(FILE, 0xece8d98f),
    "digits.tnet is another model: generate this module anew"
);

/// The model; run it by [`Session`].
#[derive(Debug)]
pub struct Digits;

/// Its memory, a static in firmware.
pub type Memory = Arena<2688>;

/// A session of it: `Session::new(&mut memory)`.
pub type Session<'s> = compiled::Session<'s, Digits>;

impl Network for Digits {
    type Memory = Memory;
    const STATE_LEN: usize = 0;
    const STATES: &'static [(Span, i8)] = &[];
    const INPUTS: &'static [Port] = &[Port {
        span: Span::new(1096, 784),
        is_i8: true,
    }];
    const OUTPUTS: &'static [Port] = &[Port {
        span: Span::new(512, 10),
        is_i8: true,
    }];
    const STEPS: usize = 5;

    fn golden() -> &'static [u32] {
        &GOLDEN.0
    }

    fn run(walk: &mut Walk<'_, Self, impl Observer>) {
        walk.step(&CONV2D_1);
        walk.step(&CONV2D_2);
        walk.step(&CONV2D_3);
        walk.step(&DENSE_5_DENSE);
        walk.step(&DENSE_5);
    }
}

/// conv2d: 1×28×28×1 to 1×14×14×8.
const CONV2D_1: Step = Step {
    call: Call::Conv2d(thumbnet::kernels::Conv2d {
        input: [1, 28, 28, 1],
        output: [1, 14, 14, 8],
        window: thumbnet::kernels::Window {
            size: [3, 3],
            stride: [2, 2],
            dilation: [1, 1],
            pad: [0, 0],
        },
        input_zero_point: -128,
        output_zero_point: -128,
        clamp: thumbnet::kernels::Clamp {
            min: -128,
            max: 127,
        },
        rounding: thumbnet::fixed::Rounding::Double,
        layout: thumbnet::kernels::Layout::Pairs,
        weights: &TABLE_0.0,
        channels: &TABLE_1.0,
        right_shifts: false,
    }),
    inputs: &[Source::Arena(Span::new(1096, 784))],
    output: Span::new(256, 1568),
    scratch: Span::new(0, 144),
};

/// conv2d: 1×14×14×8 to 1×7×7×16.
const CONV2D_2: Step = Step {
    call: Call::Conv2d(thumbnet::kernels::Conv2d {
        input: [1, 14, 14, 8],
        output: [1, 7, 7, 16],
        window: thumbnet::kernels::Window {
            size: [3, 3],
            stride: [2, 2],
            dilation: [1, 1],
            pad: [0, 0],
        },
        input_zero_point: -128,
        output_zero_point: -128,
        clamp: thumbnet::kernels::Clamp {
            min: -128,
            max: 127,
        },
        rounding: thumbnet::fixed::Rounding::Double,
        layout: thumbnet::kernels::Layout::Pairs,
        weights: &TABLE_2.0,
        channels: &TABLE_3.0,
        right_shifts: false,
    }),
    inputs: &[Source::Arena(Span::new(256, 1568))],
    output: Span::new(144, 784),
    scratch: Span::new(1824, 864),
};

/// conv2d: 1×7×7×16 to 1×4×4×32.
const CONV2D_3: Step = Step {
    call: Call::Conv2d(thumbnet::kernels::Conv2d {
        input: [1, 7, 7, 16],
        output: [1, 4, 4, 32],
        window: thumbnet::kernels::Window {
            size: [3, 3],
            stride: [2, 2],
            dilation: [1, 1],
            pad: [1, 1],
        },
        input_zero_point: -128,
        output_zero_point: -128,
        clamp: thumbnet::kernels::Clamp {
            min: -128,
            max: 127,
        },
        rounding: thumbnet::fixed::Rounding::Double,
        layout: thumbnet::kernels::Layout::Pairs,
        weights: &TABLE_4.0,
        channels: &TABLE_5.0,
        right_shifts: false,
    }),
    inputs: &[Source::Arena(Span::new(144, 784))],
    output: Span::new(0, 512),
    scratch: Span::new(928, 1728),
};

/// fully_connected: 1×4×4×32 to 1×10.
const DENSE_5_DENSE: Step = Step {
    call: Call::FullyConnected(thumbnet::kernels::FullyConnected {
        rows: 1,
        inputs: 512,
        outputs: 10,
        input_zero_point: -128,
        output_zero_point: 36,
        clamp: thumbnet::kernels::Clamp {
            min: -128,
            max: 127,
        },
        rounding: thumbnet::fixed::Rounding::Single,
        layout: thumbnet::kernels::Layout::Pairs,
        weights: &TABLE_6.0,
        channels: &TABLE_7.0,
    }),
    inputs: &[Source::Arena(Span::new(0, 512))],
    output: Span::new(512, 10),
    scratch: Span::new(0, 0),
};

/// softmax: 1×10 to 1×10.
const DENSE_5: Step = Step {
    call: Call::Softmax(thumbnet::kernels::Softmax {
        row: 10,
        scale: thumbnet::kernels::Scale {
            multiplier: 1363772160,
            shift: 25,
        },
        diff_min: -62,
        exponentials: &TABLE_8.0,
    }),
    inputs: &[Source::Arena(Span::new(512, 10))],
    output: Span::new(512, 10),
    scratch: Span::new(0, 0),
};

static TABLE_0: Aligned<[i8; 96]> = table::<96, _, _>(FILE, 800);
static TABLE_1: Aligned<[thumbnet::kernels::Channel; 8]> = table::<96, _, _>(FILE, 896);
static TABLE_2: Aligned<[i8; 1152]> = table::<1152, _, _>(FILE, 992);
static TABLE_3: Aligned<[thumbnet::kernels::Channel; 16]> = table::<192, _, _>(FILE, 2144);
static TABLE_4: Aligned<[i8; 4608]> = table::<4608, _, _>(FILE, 2336);
static TABLE_5: Aligned<[thumbnet::kernels::Channel; 32]> = table::<384, _, _>(FILE, 6944);
static TABLE_6: Aligned<[i8; 5120]> = table::<5120, _, _>(FILE, 7328);
static TABLE_7: Aligned<[thumbnet::kernels::Channel; 10]> = table::<120, _, _>(FILE, 12448);
static TABLE_8: Aligned<[i32; 44]> = table::<176, _, _>(FILE, 12568);
static GOLDEN: Aligned<[u32; 402]> = table::<1608, _, _>(FILE, 12752);
