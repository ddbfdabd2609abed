//! Recipes: everything about a run in one TOML file, so that the same file and seed give the same bytes.

mod sequence;
mod svdf;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize};

use crate::data::{Augment, Scaling, Source};
use crate::front_end::FrontEnd;
use crate::graph::{Graph, Input, Node, Op};
use crate::nn::{Initializer, Loss, Optimizer, Schedule};
use crate::quantize::aware;
use crate::train::ClassWeights;

/// A run from data to model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Name of the model and of its folder.
    pub name: String,
    /// Decides everything that is left to chance.
    #[serde(default)]
    pub seed: u64,
    /// What to learn from.
    pub data: Source,
    /// What turns samples of a microphone or another sensor into features.
    pub front_end: Option<FrontEnd>,
    /// How raw values, or features, become what the network sees.
    #[serde(default)]
    pub scaling: Scaling,
    /// Chance changes of training images.
    #[serde(default)]
    pub augment: Augment,
    /// The network, in order.
    #[serde(rename = "layer")]
    pub layers: Vec<toml::Table>,
    /// How to learn.
    pub train: Train,
    /// How to make it integer.
    #[serde(default)]
    pub quantize: Quantize,
}

const fn batch() -> usize {
    64
}

const fn learning_rate() -> f64 {
    1e-3
}

/// How to learn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Train {
    /// Times through the training set.
    pub epochs: usize,
    /// Samples per step.
    #[serde(default = "batch")]
    pub batch: usize,
    /// What becomes small.
    pub loss: Loss,
    /// What changes the weights.
    pub optimizer: Optimizer,
    /// How far, at most.
    #[serde(default = "learning_rate")]
    pub learning_rate: f64,
    /// How the rate changes.
    #[serde(default)]
    pub schedule: Schedule,
    /// First weights.
    #[serde(default)]
    pub initializer: Initializer,
    /// Factor of the weights that is added to their gradients (L2).
    #[serde(default)]
    pub l2: f32,
    /// Factors of the losses by class, in training; nothing else is weighted.
    pub class_weights: Option<ClassWeights>,
    /// Part of each label that is spread evenly over all classes, in training: 0.1 is usual.
    #[serde(default)]
    pub label_smoothing: f32,
    /// `α` of mixup, in training: 0.1 to 0.4 is usual, 0 mixes nothing.
    #[serde(default)]
    pub mixup: f32,
    /// Largest norm of the gradient over all weights; a longer one is shortened to it.
    pub clip_norm: Option<f64>,
    /// Share of the training set that is kept aside to watch the progress.
    #[serde(default)]
    pub validation: f64,
    /// Stop after so many epochs without a better validation loss, and take the best weights.
    pub patience: Option<usize>,
    /// Learn with what int8 will compute.
    pub quantization_aware: Option<aware::Settings>,
}

impl Train {
    fn check_regularization(&self) -> Result<()> {
        let &Self { label_smoothing, mixup, .. } = self;
        if !(0.0..1.0).contains(&label_smoothing) {
            bail!("train: label_smoothing {label_smoothing} is not in [0, 1)");
        }
        if !(mixup >= 0.0 && mixup.is_finite()) {
            bail!("train: mixup {mixup} must be 0 or positive");
        }
        if let Some(norm) = self.clip_norm.filter(|&norm| !(norm > 0.0 && norm.is_finite())) {
            bail!("train: clip_norm {norm} must be positive");
        }
        for (name, is_set) in
            [("label_smoothing", label_smoothing > 0.0), ("class_weights", self.class_weights.is_some())]
        {
            if is_set && self.loss != Loss::CrossEntropy {
                bail!("train: {name} goes with loss = \"cross_entropy\" only");
            }
        }
        Ok(())
    }
}

/// How ranges of activations are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Calibration {
    /// Smallest and largest value seen.
    MinMax,
    /// What 99.99 % of the values lie in.
    Percentile,
    /// The range with the least mean square error after quantization.
    #[default]
    Mse,
    /// The range whose 256 values keep most of the distribution (least Kullback-Leibler divergence).
    Entropy,
}

impl Calibration {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Mse, Self::MinMax, Self::Percentile, Self::Entropy];
}

/// Who says what is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The other fields.
    #[default]
    Fixed,
    /// What is measured to help, tensor by tensor and layer by layer; of the other fields only `samples` counts.
    Auto,
}

const fn samples() -> usize {
    512
}

/// How to make it integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quantize {
    /// Who says what is done.
    pub method: Method,
    /// How ranges of activations are found.
    pub calibration: Calibration,
    /// Training samples that are looked at for it.
    pub samples: usize,
    /// Whether channels are brought to ranges of like size first, which changes nothing that the network computes.
    pub equalize: bool,
    /// Whether biases make up for the mean error of the rounded weights.
    pub bias_correction: bool,
    /// Whether weights are rounded up or down for the outputs of their layer, instead of to the nearest.
    pub adaround: bool,
}

impl Default for Quantize {
    fn default() -> Self {
        Self {
            method: Method::default(),
            calibration: Calibration::default(),
            samples: samples(),
            equalize: false,
            bias_correction: false,
            adaround: false,
        }
    }
}

impl Recipe {
    /// Reads a recipe.
    ///
    /// # Errors
    /// Names the file and line, what was found and what can stand there.
    pub fn load(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read the recipe {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("in the recipe {}", path.display()))
    }

    /// Reads a recipe's text.
    ///
    /// # Errors
    /// As [`Recipe::load`].
    pub fn parse(text: &str) -> Result<Self> {
        let recipe: Self = toml::from_str(text).map_err(|error| anyhow!("{}", error.to_string().trim_end()))?;
        recipe.checked()
    }

    /// The recipe in a table.
    ///
    /// # Errors
    /// As [`Recipe::load`].
    pub fn from_table(table: toml::Table) -> Result<Self> {
        let recipe: Self =
            table.try_into().map_err(|error: toml::de::Error| anyhow!("{}", error.to_string().trim_end()))?;
        recipe.checked()
    }

    fn checked(self) -> Result<Self> {
        let train = &self.train;
        if self.layers.is_empty() {
            bail!("it has no [[layer]]");
        }
        if train.epochs == 0 || train.batch == 0 {
            bail!("train: epochs and batch must be at least 1");
        }
        if !(train.learning_rate > 0.0 && train.learning_rate.is_finite()) {
            bail!("train: learning_rate {} must be positive", train.learning_rate);
        }
        if !(0.0..1.0).contains(&train.validation) {
            bail!("train: validation {} is not in [0, 1)", train.validation);
        }
        train.check_regularization()?;
        if train.patience.is_some() && train.validation == 0.0 {
            bail!("train: patience needs a validation share, for instance validation = 0.1");
        }
        if let Some(aware) = &train.quantization_aware {
            aware.check(train.epochs)?;
        }
        if let (Some(rate), Some(FrontEnd::Spectrum(spectrum))) = (self.data.rate(), &self.front_end)
            && rate != spectrum.rate
        {
            bail!(
                "front_end: rate {} is not the data's rate of {rate} samples per second: recordings are resampled to the \
                 latter, so say the same in both",
                spectrum.rate
            );
        }
        self.nodes()?;
        Ok(self)
    }

    /// The network for samples of this shape.
    ///
    /// # Errors
    /// Names the layer, what was found and what it takes.
    pub fn graph(&self, shape: &[usize]) -> Result<Graph> {
        let nodes = self.nodes()?;
        let outputs = nodes.last().map(|node| node.name.clone()).into_iter().collect();
        let inputs = vec![Input { name: "input".into(), shape: shape.to_vec() }];
        let graph = Graph { name: self.name.clone(), inputs, nodes, outputs };
        graph.shapes()?;
        Ok(graph)
    }

    fn nodes(&self) -> Result<Vec<Node>> {
        let mut nodes: Vec<Node> = Vec::new();
        for (number, table) in (1..).zip(&self.layers) {
            let previous = nodes.last().map_or("input", |node| &node.name).to_owned();
            let layer = Layer::new(number, table.clone(), previous)?;
            nodes.extend(layer.nodes()?);
        }
        Ok(nodes)
    }
}

/// A layer as a recipe writes it: an operator with its parameters, and four words of the recipe's own.
struct Layer {
    place: String,
    name: String,
    inputs: Vec<String>,
    bidirectional: bool,
    activation: Option<Op>,
    what: What,
}

/// One operator, or several under one name.
enum What {
    Op(Op),
    Svdf(svdf::Svdf),
}

impl Layer {
    fn new(number: usize, mut table: toml::Table, previous: String) -> Result<Self> {
        let kind = match table.get("op") {
            Some(toml::Value::String(kind)) => kind.clone(),
            _ => bail!("layer {number}: has no op = \"...\"; possible are {}", names()),
        };
        let mut take = |key: &str| table.remove(key);
        let name = take("name").map_or(Ok(format!("{kind}_{number}")), text);
        let inputs = match take("inputs") {
            None => Ok(vec![previous]),
            Some(toml::Value::Array(inputs)) => inputs.into_iter().map(text).collect(),
            Some(other) => Err(anyhow!("inputs must be a list of names, found {other}")),
        };
        let bidirectional = take("bidirectional").map_or(Ok(false), flag);
        let activation = take("activation").map(|kind| operator(toml::Table::from_iter([("op".into(), kind)])));
        let place = |name: &str| format!("layer {number} \"{name}\" ({kind})");
        let name = name.with_context(|| format!("layer {number} ({kind})"))?;
        Ok(Self {
            inputs: inputs.with_context(|| place(&name))?,
            bidirectional: bidirectional.with_context(|| place(&name))?,
            activation: activation.transpose().with_context(|| format!("activation of {}", place(&name)))?,
            what: if kind == svdf::NAME {
                svdf::Svdf::parse(table).map(What::Svdf)
            } else {
                operator(table).map(What::Op)
            }
            .with_context(|| place(&name))?,
            place: place(&name),
            name,
        })
    }

    /// The operator, then its activation as a node of its own, which has the layer's name: it is what others refer to.
    fn nodes(mut self) -> Result<Vec<Node>> {
        let Some(activation) = self.activation.take() else { return self.inner() };
        if activation.arity() != (1..=1) {
            bail!("{}: {} is not an activation", self.place, activation.name());
        }
        let name = self.name.clone();
        self.name = match &self.what {
            What::Op(op) => format!("{name}_{}", op.name()),
            What::Svdf(_) => format!("{name}_{}", svdf::NAME),
        };
        let inner = self.name.clone();
        let mut nodes = self.inner()?;
        nodes.push(Node { name, inputs: vec![inner], op: activation });
        Ok(nodes)
    }

    /// The operator, or the two directions of a recurrent layer side by side.
    fn inner(self) -> Result<Vec<Node>> {
        let Self { place, name, inputs, what, bidirectional, .. } = self;
        let op = match what {
            What::Op(op) => op,
            What::Svdf(svdf) if !bidirectional => return Ok(svdf.nodes(&name, &inputs)),
            What::Svdf(_) => bail!("{place}: only a recurrent layer can be bidirectional"),
        };
        if !bidirectional {
            return Ok(vec![Node { name, inputs, op }]);
        }
        let mut backward = op.clone();
        match &mut backward {
            Op::SimpleRnn { go_backwards, .. } | Op::Lstm { go_backwards, .. } | Op::Gru { go_backwards, .. } => {
                *go_backwards = !*go_backwards;
            }
            _ => bail!("{place}: only a recurrent layer can be bidirectional"),
        }
        let names = ["forward", "backward"].map(|direction| format!("{name}_{direction}"));
        let direction = |number: usize, op| Node { name: names[number].clone(), inputs: inputs.clone(), op };
        Ok(vec![
            direction(0, op),
            direction(1, backward),
            Node { name, inputs: names.to_vec(), op: Op::Concat { axis: -1 } },
        ])
    }
}

/// All that can stand behind `op =`.
fn names() -> String {
    let of_sequences = sequence::NAMES.iter().map(|(name, _)| *name);
    Op::NAMES.into_iter().chain(of_sequences).chain([svdf::NAME]).collect::<Vec<_>>().join(", ")
}

fn text(value: toml::Value) -> Result<String> {
    match value {
        toml::Value::String(text) => Ok(text),
        other => bail!("expected a name in quotes, found {other}"),
    }
}

fn flag(value: toml::Value) -> Result<bool> {
    value.as_bool().with_context(|| format!("bidirectional must be true or false, found {value}"))
}

fn operator(table: toml::Table) -> Result<Op> {
    let table = sequence::widen(table)?;
    let kind = table.get("op").and_then(toml::Value::as_str).unwrap_or_default().to_owned();
    if !Op::NAMES.contains(&kind.as_str()) {
        bail!("unknown op \"{kind}\"; possible are {}", names());
    }
    table.try_into().map_err(|error: toml::de::Error| anyhow!("{}", error.message()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "name = \"t\"\n[data]\nkind = \"digits\"\n[train]\nepochs = 1\nloss = \"cross_entropy\"\n\
                        optimizer = { name = \"adam\" }\n";

    fn parse(layers: &str) -> Result<Graph> {
        Recipe::parse(&format!("{HEAD}{layers}"))?.graph(&[28, 28, 1])
    }

    fn error(layers: &str) -> String {
        format!("{:#}", parse(layers).unwrap_err())
    }

    #[test]
    fn layers_follow_one_another_unless_they_name_their_inputs() {
        let graph = parse(
            "[[layer]]\nop = \"conv2d\"\nname = \"a\"\nfilters = 4\nkernel = 3\npadding = \"same\"\nactivation = \"relu\"\n\
             [[layer]]\nop = \"conv2d\"\nname = \"b\"\nfilters = 4\nkernel = [1, 3]\npadding = \"same\"\n\
             [[layer]]\nop = \"add\"\ninputs = [\"a\", \"b\"]\n",
        )
        .unwrap();
        let names: Vec<(&str, Vec<&str>)> =
            graph.nodes.iter().map(|n| (n.name.as_str(), n.inputs.iter().map(String::as_str).collect())).collect();
        let expected =
            [("a_conv2d", vec!["input"]), ("a", vec!["a_conv2d"]), ("b", vec!["a"]), ("add_3", vec!["a", "b"])];
        assert_eq!(names, expected);
    }

    #[test]
    fn sequences_have_words_of_their_own() {
        let text = "[[layer]]\nop = \"reshape\"\nshape = [28, 28]\n\
             [[layer]]\nop = \"conv1d\"\nname = \"c\"\nfilters = 4\nkernel = 3\ndilation = 2\npadding = \"causal\"\n\
             [[layer]]\nop = \"max_pool1d\"\nname = \"p\"\n\
             [[layer]]\nop = \"gru\"\nname = \"g\"\nunits = 5\nbidirectional = true\nreturn_sequences = true\n\
             [[layer]]\nop = \"dense\"\nname = \"d\"\nunits = 6\n\
             [[layer]]\nop = \"lstm\"\nname = \"l\"\nunits = 7\n";
        let graph = parse(text).unwrap();
        let shapes = graph.shapes().unwrap();
        let expected: [(&str, &[usize]); 6] = [
            ("c", &[28, 4]),
            ("p", &[14, 4]),
            ("g_backward", &[14, 5]),
            ("g", &[14, 10]),
            ("d", &[14, 6]),
            ("l", &[7]),
        ];
        expected.iter().for_each(|(name, shape)| assert_eq!(shapes[*name], *shape, "{name}"));
        let Some(Op::Conv2d { padding, .. }) = graph.node("c").map(|node| &node.op) else { panic!() };
        assert_eq!(*padding, crate::graph::Padding::Explicit([4, 0, 0, 0]));

        let svdf = "[[layer]]\nop = \"reshape\"\nshape = [28, 28]\n[[layer]]\nop = \"svdf\"\nname = \"s\"\nunits = 6\nmemory = 9\n";
        let graph = parse(&format!("{svdf}rank = 2\nactivation = \"relu\"\n")).unwrap();
        let names: Vec<&str> = graph.nodes.iter().skip(1).map(|node| node.name.as_str()).collect();
        let expected =
            ["s_svdf_features_0", "s_svdf_filtered_0", "s_svdf_features_1", "s_svdf_filtered_1", "s_svdf", "s"];
        assert_eq!(names, expected);
        assert_eq!(graph.nodes[5].inputs, ["s_svdf_filtered_0", "s_svdf_filtered_1"]);
        assert_eq!(graph.shapes().unwrap()["s"], [28, 6]);
        let found = error(&format!("{svdf}rank = 0\n"));
        assert!(found.contains("\"s\" (svdf)") && found.contains("rank"), "{found}");
        assert!(error(&format!("{svdf}ranks = 2\n")).contains("ranks"));

        let found = error("[[layer]]\nop = \"gru\"\nunits = 3\n");
        assert!(found.contains("takes a sequence") && found.contains("[28, 28, 1]"), "{found}");
        let found = error("[[layer]]\nop = \"dense\"\nunits = 3\nbidirectional = true\n");
        assert!(found.contains("only a recurrent layer"), "{found}");
        let found = error("[[layer]]\nop = \"conv1d\"\nfilters = 3\nkernel = [3, 3]\n");
        assert!(found.contains("kernel must be one number"), "{found}");
    }

    #[test]
    fn errors_name_the_layer_and_what_is_possible() {
        let found = error("[[layer]]\nop = \"convolve\"\n");
        assert!(
            found.contains("layer 1") && found.contains("convolve") && found.contains("depthwise_conv2d"),
            "{found}"
        );
        let found = error("[[layer]]\nop = \"dense\"\nname = \"last\"\nunit = 3\n");
        assert!(found.contains("\"last\"") && found.contains("unit") && found.contains("units"), "{found}");
        let found = error("[[layer]]\nop = \"dense\"\nunits = 3\n");
        assert!(found.contains("layer 1") && found.contains("flatten"), "{found}");
        let found = error("[[layer]]\nop = \"conv2d\"\nfilters = 3\nkernel = 3\nactivation = \"add\"\n");
        assert!(found.contains("not an activation"), "{found}");
        let found = error("[[layer]]\nfilters = 3\n");
        assert!(found.contains("layer 1") && found.contains("no op"), "{found}");
    }

    #[test]
    fn rates_of_recordings_and_front_end_must_be_the_same() {
        let text = |rate: u32| {
            let data = "kind = \"wav\"\npath = \"x\"\nrate = 8000\nseconds = 1.0\n";
            let front_end = "[front_end]\nfeatures = \"log_mel\"\nframe = 256\nhop = 128\nrate = ";
            let head = HEAD.replace("kind = \"digits\"\n", &format!("{data}{front_end}{rate}\n"));
            format!("{head}[[layer]]\nop = \"flatten\"\n")
        };
        Recipe::parse(&text(8000)).unwrap();
        let found = format!("{:#}", Recipe::parse(&text(16_000)).unwrap_err());
        assert!(found.contains("rate 16000") && found.contains("rate of 8000"), "{found}");
    }

    #[test]
    fn regularization_has_its_ranges_and_its_loss() {
        let with = |line: &str, loss: &str| {
            let head = HEAD.replace("cross_entropy", loss);
            Recipe::parse(&format!("{head}{line}\n[[layer]]\nop = \"flatten\"\n"))
        };
        for line in [
            "label_smoothing = 0.1",
            "mixup = 0.2",
            "clip_norm = 1.0",
            "class_weights = \"balanced\"",
            "class_weights = { a = 2 }",
        ] {
            let recipe = with(line, "cross_entropy").unwrap();
            // What a run writes down is read back as it was.
            assert_eq!(Recipe::parse(&toml::to_string(&recipe).unwrap()).unwrap(), recipe);
        }
        for (line, loss, part) in [
            ("label_smoothing = 1.0", "cross_entropy", "not in [0, 1)"),
            ("mixup = -0.1", "cross_entropy", "0 or positive"),
            ("clip_norm = 0.0", "cross_entropy", "must be positive"),
            ("class_weights = \"even\"", "cross_entropy", "\"balanced\", a list"),
            ("label_smoothing = 0.1", "mean_squared_error", "cross_entropy"),
            ("class_weights = [1.0]", "mean_squared_error", "cross_entropy"),
        ] {
            let found = format!("{:#}", with(line, loss).unwrap_err());
            assert!(found.contains(part), "{line}: {found}");
        }
        with("mixup = 0.2", "mean_squared_error").unwrap();
    }

    #[test]
    fn unknown_fields_are_named_with_their_line() {
        let text = format!("{HEAD}epoch = 3\n[[layer]]\nop = \"flatten\"\n");
        let found = format!("{:#}", Recipe::parse(&text).unwrap_err());
        assert!(found.contains("line 8") && found.contains("epoch"), "{found}");
        let found = Recipe::load(Path::new("nowhere.toml")).unwrap_err().to_string();
        assert!(found.contains("nowhere.toml"), "{found}");
    }
}
