//! The loop of a device that listens: the same detections here and on cores, and, with real words, how many are right.

use std::path::Path;
use std::process::Command;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use thumbnet::listen::Settings;
use thumbnet_host_tests::sequences::{front_end, program};
use thumbnet_host_tests::{recipe, shared, suite};
use thumbnet_trainer::compile::{compile, stream};
use thumbnet_trainer::data::read_wav;
use thumbnet_trainer::quantize::quantize;
use thumbnet_trainer::run::{Listened, Target, listen, run};
use thumbnet_trainer::verify::random_inputs;

const RATE: u32 = 8_000;

#[test]
fn detections_are_the_same_on_cores() {
    let text = "conv1d filters = 8; kernel = 3; padding = \"causal\"; activation = \"relu\"\ngru units = 8\ndense units = 4\nsoftmax";
    let (parts, _) = stream(&program(text, &[24 * 40], Some(front_end())), 4).unwrap();
    let bytes = compile(&parts, &random_inputs(&parts, 1)).unwrap().bytes;
    let mut rng = StdRng::seed_from_u64(1);
    // Noise whose loudness changes, and a rest that fills no run.
    let samples: Vec<i16> = (0..8_019)
        .map(|n| (f64::from(rng.random_range(-1.0f32..1.0)) * if n / 1_000 % 2 == 0 { 30.0 } else { 20_000.0 }) as i16)
        .collect();
    // Random weights are sure of nothing: any class that is a little ahead counts.
    let settings = Settings { smoothing: 1, threshold: -110, refractory: 4, background: None };
    let here = listen(&bytes, &samples, RATE, settings, Target::Host).unwrap();
    assert_eq!((here.samples_per_run, here.runs), (160, 50));
    assert!(here.heard.len() > 3, "{:?}", here.heard);
    for core in [Target::M0, Target::M3, Target::M4, Target::M55] {
        let there = listen(&bytes, &samples, RATE, settings, core).unwrap();
        assert_eq!((&there.heard, there.runs), (&here.heard, here.runs), "{core}");
        assert!(there.cost.is_some_and(|cost| cost.most > 0 && cost.stack > 0));
    }
}

#[test]
fn a_model_that_takes_no_samples_cannot_listen() {
    let program = program("dense units = 3", &[24, 4], None);
    let bytes = compile(&program, &random_inputs(&program, 1)).unwrap().bytes;
    let error = listen(&bytes, &[0; 100], RATE, Settings::DEFAULT, Target::Host).unwrap_err().to_string();
    assert!(error.contains("takes no samples") && error.contains("--stream"), "{error}");
}

#[test]
fn a_recording_that_is_not_as_long_as_the_plan_is_an_error() {
    let whole = program("gru units = 8\ndense units = 4\nsoftmax", &[24 * 40], Some(front_end()));
    let (parts, _) = stream(&whole, 4).unwrap();
    let bytes = |program| compile(program, &random_inputs(program, 1)).unwrap().bytes;
    let listened = |bytes: &[u8], len| listen(bytes, &vec![0; len], RATE, Settings::DEFAULT, Target::Host);
    let error = listened(&bytes(&whole), 961).unwrap_err().to_string();
    assert!(
        error.contains("961 samples") && error.contains("takes 960 at once") && error.contains("--stream"),
        "{error}"
    );
    assert_eq!(listened(&bytes(&whole), 960).unwrap().runs, 1);
    let error = listened(&bytes(&parts), 159).unwrap_err().to_string();
    assert!(error.contains("159 samples, one run of the model takes 160"), "{error}");
    // A part over is left alone; on the host and on a board, raw inputs must be whole.
    assert_eq!(listened(&bytes(&parts), 321).unwrap().runs, 2);
    let error = run(&bytes(&parts), &[0; 321], Target::Host).unwrap_err().to_string();
    assert!(error.contains("321 bytes") && error.contains("times 320"), "{error}");
}

/// A word in the recording: its class, and the samples where it begins and ends.
struct Word {
    class: usize,
    from: usize,
    to: usize,
}

/// Words of the test set, one to five seconds between them, over silence and noise that changes every ten seconds.
fn conversation(folder: &Path, seconds: usize) -> (Vec<i16>, Vec<Word>) {
    let mut files: Vec<_> = (0..10)
        .flat_map(|class| {
            let entries = std::fs::read_dir(folder.join(format!("test/{class}"))).unwrap();
            entries.map(move |entry| (class, entry.unwrap().path()))
        })
        .collect();
    files.sort();
    let mut rng = StdRng::seed_from_u64(5);
    let len = seconds * RATE as usize;
    let levels = [0.0, 0.0, -60.0, -45.0, -35.0f32];
    let mut sound = Vec::with_capacity(len);
    for _ in 0..seconds.div_ceil(10) {
        let decibels = levels[rng.random_range(0..levels.len())];
        let level = if decibels < 0.0 { 32_768.0 * 10f32.powf(decibels / 20.0) } else { 0.0 };
        sound.extend((0..10 * RATE).map(|_| level * rng.sample::<f32, _>(StandardNormal)));
    }
    let (mut words, mut at) = (Vec::new(), RATE as usize);
    loop {
        let (class, path) = &files[rng.random_range(0..files.len())];
        let samples = read_wav(path, RATE).unwrap();
        let to = at + samples.len();
        if to + RATE as usize > len {
            return (sound.into_iter().map(|x| x as i16).collect(), words);
        }
        sound[at..].iter_mut().zip(&samples).for_each(|(sound, sample)| *sound += sample);
        words.push(Word { class: *class, from: at, to });
        at = to + rng.random_range(RATE..5 * RATE) as usize;
    }
}

/// Right, wrong, missed words, and false alarms. A detection belongs to a word from its start to 0.6 s behind its end.
fn score(listened: &Listened, words: &[Word]) -> [usize; 4] {
    let mut left: Vec<(usize, usize)> =
        listened.heard.iter().map(|heard| ((heard.run as usize + 1) * listened.samples_per_run, heard.class)).collect();
    let [mut right, mut wrong, mut missed] = [0; 3];
    for word in words {
        let window = word.from..=word.to + 6 * RATE as usize / 10;
        match left.iter().position(|(at, _)| window.contains(at)) {
            Some(found) if left.remove(found).1 == word.class => right += 1,
            Some(_) => wrong += 1,
            None => missed += 1,
        }
    }
    [right, wrong, missed, left.len()]
}

/// Ten minutes through the firmware; a minute here where it is not asked for in full.
#[test]
fn words_between_silence_and_noise() {
    let Some(archive) = shared().map(|folder| folder.join("data/fsdd.tar.xz")).filter(|path| path.is_file()) else {
        eprintln!("skipped: needs the spoken digits in THUMBNET_SHARED");
        return;
    };
    if std::env::var_os("THUMBNET_FULL").is_none() {
        eprintln!("skipped: `cargo xtask test --full` trains a network and lets it listen for ten minutes");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let status = Command::new("tar").arg("-xJf").arg(archive).arg("-C").arg(folder.path()).status().unwrap();
    assert!(status.success());
    let digits = folder.path().join("fsdd");
    let mut recipe = recipe("fsdd_stream.toml").unwrap();
    recipe.data = recipe.data.at(&digits);
    let suite = suite(&recipe).unwrap();
    let program = quantize(&suite.float, &suite.data.train, recipe.quantize).unwrap();
    let (parts, _) = stream(&program, 4).unwrap();
    let bytes = compile(&parts, &random_inputs(&parts, 1)).unwrap().bytes;
    let (samples, words) = conversation(&digits, 600);
    let settings = Settings { background: Some(10), ..Settings::DEFAULT };
    let here = listen(&bytes, &samples, RATE, settings, Target::Host).unwrap();
    let there = listen(&bytes, &samples, RATE, settings, Target::M4).unwrap();
    assert_eq!(there.heard, here.heard);
    let [right, wrong, missed, alarms] = score(&there, &words);
    let cost = there.cost.unwrap();
    println!(
        "{} words: {right} right, {wrong} wrong, {missed} missed, {} false alarms per hour; real-time factor {:.4} at 64 MHz \
         and one instruction per clock",
        words.len(),
        6 * alarms,
        cost.total as f64 / (600.0 * 64e6)
    );
    assert!(10 * right > 9 * words.len(), "{right} of {}", words.len());
}
