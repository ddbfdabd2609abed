//! What makes a loss another one, seen from outside: by numbers that are known beforehand, and by what is refused.

use std::fs;

use thumbnet_trainer::recipe::Recipe;
use thumbnet_trainer::train::{Options, train};

/// All weights are one, so every class gets the same score, and cross entropy is `Σ_c t_c · ln C` whatever is shown. The rate is so
/// small that this stays so.
fn recipe(data: &str, loss: &str, more: &str, layers: &str) -> Recipe {
    let text = format!(
        "name = \"t\"\nseed = 1\ndata = {{ {data} }}\n[train]\nepochs = 1\nbatch = 8\nloss = \"{loss}\"\noptimizer = {{ name = \"sgd\" }}\n\
         learning_rate = 1e-12\ninitializer = \"ones\"\n{more}\n{layers}"
    );
    Recipe::parse(&text).unwrap()
}

const DIGITS: &str = "kind = \"digits\", train = 80, test = 10";
const TEN: &str = "[[layer]]\nop = \"flatten\"\n[[layer]]\nop = \"dense\"\nunits = 10\nactivation = \"softmax\"\n";

/// The losses of the first epoch: training, validation.
fn losses(recipe: &Recipe) -> anyhow::Result<(f64, Option<f64>)> {
    let data = recipe.data.load(recipe.seed)?;
    let folder = tempfile::tempdir()?;
    let options = Options { out: folder.path().to_owned(), quiet: true, ..Options::default() };
    let (_, report) = train(recipe, &data, &options)?;
    Ok((report.epochs[0].loss, report.epochs[0].validation_loss))
}

#[test]
fn losses_are_those_computed_by_hand() {
    let labels = {
        let data = recipe(DIGITS, "cross_entropy", "", TEN).data.load(1).unwrap();
        (0..80).map(|index| data.train.label(index).unwrap()).collect::<Vec<_>>()
    };
    let threes = labels.iter().filter(|&&label| label == 3).count() as f64;
    assert!(threes > 0.0);
    let ln_10 = 10f64.ln();
    for (more, factor) in [
        ("", 1.0),
        // Targets whose sum is one.
        ("label_smoothing = 0.3", 1.0),
        ("mixup = 0.4", 1.0),
        ("class_weights = \"balanced\"", 1.0),
        // Each three counts five times.
        ("class_weights = { 3 = 5.0 }", (80.0 + 4.0 * threes) / 80.0),
        ("class_weights = [2, 2, 2, 2, 2, 2, 2, 2, 2, 2]\nlabel_smoothing = 0.3", 2.0),
        // A mixed sample has its weights mixed, too, and each is once the larger and once the smaller part: only a batch's sum is known.
        ("class_weights = [2, 2, 2, 2, 2, 2, 2, 2, 2, 2]\nmixup = 0.4", 2.0),
    ] {
        let (loss, _) = losses(&recipe(DIGITS, "cross_entropy", more, TEN)).unwrap();
        // Sums of ten f32 around 2.3, and their mean.
        assert!((loss - factor * ln_10).abs() < 1e-5, "{more}: {loss}, expected {}", factor * ln_10);
    }
}

#[test]
fn validation_measures_the_plain_loss() {
    let more = "validation = 0.2\nclass_weights = [3, 3, 3, 3, 3, 3, 3, 3, 3, 3]\nlabel_smoothing = 0.1\nmixup = 0.2";
    let (loss, validation) = losses(&recipe(DIGITS, "cross_entropy", more, TEN)).unwrap();
    assert!((loss - 3.0 * 10f64.ln()).abs() < 1e-4, "{loss}");
    assert!((validation.unwrap() - 10f64.ln()).abs() < 1e-5, "{validation:?}");
}

#[test]
fn what_needs_classes_or_samples_of_one_length_is_refused_without() {
    let waves = "kind = \"waves\", train = 20, test = 10, length = 8, noise = 0.1";
    let one = "[[layer]]\nop = \"gru\"\nunits = 3\n[[layer]]\nop = \"dense\"\nunits = 1\n";
    // Values can be mixed.
    assert!(losses(&recipe(waves, "mean_squared_error", "mixup = 0.2", one)).unwrap().0.is_finite());

    let folder = tempfile::tempdir().unwrap();
    for (name, rows) in [("train.csv", 5), ("test.csv", 8)] {
        let text: String = (0..rows).map(|row| format!("{row},{}\n", ["a", "b"][row % 2])).collect();
        fs::write(folder.path().join(name), format!("x,label\n{text}")).unwrap();
    }
    let path = folder.path();
    let steps =
        format!("kind = \"labelled_series\", path = {path:?}, length = 8, stride = 8, test_files = [\"test*\"]");
    let two = "[[layer]]\nop = \"gru\"\nunits = 3\nreturn_sequences = true\n[[layer]]\nop = \"dense\"\nunits = 2\nactivation = \"softmax\"\n";
    // Labels of steps can be weighted and smoothed: 3 · ln 2 for each step that is there.
    let more = "class_weights = [3, 3]\nlabel_smoothing = 0.1";
    let (loss, _) = losses(&recipe(&steps, "cross_entropy", more, two)).unwrap();
    assert!((loss - 3.0 * 2f64.ln()).abs() < 1e-5, "{loss}");

    for (data, loss, more, layers, part) in [
        (waves, "cross_entropy", "class_weights = \"balanced\"", one, "class_weights needs data with classes"),
        (waves, "cross_entropy", "label_smoothing = 0.1", one, "label_smoothing needs data with classes"),
        (&steps, "cross_entropy", "mixup = 0.2", two, "mixup cannot mix samples of different lengths"),
        (DIGITS, "cross_entropy", "class_weights = [1, 2]", TEN, "2 numbers, the data has 10 classes: 0, 1, 2"),
        (DIGITS, "cross_entropy", "class_weights = { ten = 2 }", TEN, "names \"ten\", the classes are 0, 1, 2"),
    ] {
        let found = format!("{:#}", losses(&recipe(data, loss, more, layers)).unwrap_err());
        assert!(found.contains(part), "{more}: {found}");
    }
}
