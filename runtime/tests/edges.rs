//! The edges of a network: sensors, raw values, probabilities and classes.

use embedded_hal_mock::eh1::i2c::{Mock, Transaction};
use thumbnet::source::{Lis2dh, Source, SourceError};
use thumbnet::{Arena, Model, Session, results};

/// Golden bytes of format version 1, which every later version must go on to read: five int8 values through a table that
/// is the identity at zero point 3, scale 0.5.
static GOLDEN: &[u8] = thumbnet::include_model!("golden/smallest_v1.tnet");

#[test]
fn golden_bytes_of_version_1_still_run() {
    let model = Model::new(GOLDEN).unwrap();
    let mut arena = Arena::<64>::new();
    let mut session = Session::new(&model, &mut arena).unwrap();
    thumbnet::self_test(&mut session).unwrap();
    let x = [-128, -1, 0, 1, 127];
    assert_eq!(session.infer(&x).unwrap(), [0i8, 127, -128, -127, -1], "entry q + 128 of 0, 1, 2, ... as bytes");
    assert!(session.infer(&x[..4]).is_err());
}

#[test]
fn an_accelerometer_fills_the_input_in_g() {
    let sample = |bytes: [u8; 6]| {
        [
            Transaction::write_read(0x19, vec![0x27], vec![0x00]),
            Transaction::write_read(0x19, vec![0x27], vec![0x08]),
            Transaction::write_read(0x19, vec![0xa8], bytes.to_vec()),
        ]
    };
    let start = [Transaction::write(0x19, vec![0x20, 0x57]), Transaction::write(0x19, vec![0x23, 0x88])];
    // 1000 and −1000 counts of 1 mg, left-justified in 16 bits.
    let bytes = [(1000i16 << 4).to_le_bytes(), (-1000i16 << 4).to_le_bytes(), [0, 0]].concat();
    let mut bus = Mock::new(&[&start[..], &sample(bytes.try_into().unwrap())].concat());
    let mut sensor = Lis2dh::new(bus.clone(), 0x19).unwrap();
    let mut window = [9.0; 3];
    sensor.read(&mut window).unwrap();
    assert_eq!(window, [1.0, -1.0, 0.0]);
    bus.done();
}

struct Broken;

impl Source for Broken {
    type Error = &'static str;
    fn read(&mut self, _: &mut [f32]) -> Result<(), Self::Error> {
        Err("no answer")
    }
}

#[test]
fn a_sensor_that_does_not_answer_is_reported() {
    let model = Model::new(GOLDEN).unwrap();
    let mut arena = Arena::<64>::new();
    let mut session = Session::new(&model, &mut arena).unwrap();
    assert_eq!(session.fill_from(&mut Broken, &mut [0.0; 5]), Err(SourceError::Source("no answer")));
    assert!(session.write_raw(&[0.0; 4]).is_err());
    session.write_raw(&[0.5, -0.5, 300.0, f32::NAN, 1.4]).unwrap();
    assert_eq!(session.input_mut(0).unwrap(), [1, -1, 127, 0, 1]);
}

#[test]
fn the_best_classes_come_first_and_the_lower_number_among_equals() {
    let model = Model::new(GOLDEN).unwrap();
    let best = results::top_k::<3>(&model, &[5, 90, -3, 90, 6]);
    assert_eq!(best.iter().map(|class| (class.index, class.score)).collect::<Vec<_>>(), [(1, 90), (3, 90), (4, 6)]);
}

#[test]
fn probabilities_are_those_of_f64() {
    let scores = [-128, 0, 3, 127, 120];
    let mut found = [0.0; 5];
    results::softmax(0.1, &scores, &mut found);
    let exps = scores.map(|q| (0.1 * f64::from(q)).exp());
    let sum: f64 = exps.iter().sum();
    for (found, exp) in found.iter().zip(exps) {
        // Products of scale and difference round once, the exponential and the quotient once each.
        assert!((f64::from(*found) - exp / sum).abs() <= 1e-6, "{found} instead of {}", exp / sum);
    }
}
