//! The report of small runs: what is in the page, what hostile names do to it, and what it says of what is missing.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use pulldown_cmark::{Event, Parser, Tag, TagEnd};
use roxmltree::{Document, Node, ParsingOptions};
use tempfile::TempDir;
use thumbnet_trainer::compile::{Family, compile, pack};
use thumbnet_trainer::quantize::doctor::examine;
use thumbnet_trainer::quantize::{quantize, quantize_with_reference};
use thumbnet_trainer::recipe::Recipe;
use thumbnet_trainer::report::{Options, Report, collect, html, markdown};
use thumbnet_trainer::train::{Options as Training, train};
use thumbnet_trainer::verify::golden_inputs;

const DIGITS: &str = r#"
name = "tiny"
seed = 1
data = { kind = "digits", train = 800, test = 120 }
[train]
epochs = 2
batch = 32
loss = "cross_entropy"
optimizer = { name = "adam" }
learning_rate = 5e-3
validation = 0.2
[[layer]]
op = "conv2d"
name = "first"
filters = 6
kernel = 3
stride = 3
activation = "relu"
[[layer]]
op = "flatten"
[[layer]]
op = "dense"
name = "scores"
units = 10
activation = "softmax"
"#;

/// What a name can hold that means something to HTML, SVG or Markdown.
const HOSTILE: [&str; 4] =
    ["<script>alert(1)</script>", "a|b`c``d", "\"'&amp;<b onclick=x>", "[x](http://example.org) @all **c**"];

fn run_of(recipe: &Recipe) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let data = recipe.data.load(recipe.seed).unwrap();
    let options = Training { out: folder.path().to_owned(), quiet: true, ..Training::default() };
    train(recipe, &data, &options).unwrap();
    folder
}

/// As `thumbnet export` does it.
fn export(recipe: &Recipe, folder: &Path) {
    let data = recipe.data.load(recipe.seed).unwrap();
    let model = thumbnet_trainer::model::Model::load(&folder.join("model.safetensors")).unwrap();
    let mut program = quantize(&model, &data.train, recipe.quantize).unwrap();
    pack(&mut program, Family::default());
    let golden = golden_inputs(&program, &data.test, 2).unwrap();
    fs::write(folder.join("model.tnet"), compile(&program, &golden).unwrap().bytes).unwrap();
}

fn report(folder: &Path) -> Report {
    collect(folder, &Options::default()).unwrap()
}

/// Parses a page, which must be well-formed even for XML, and checks what holds of every page.
fn checked(page: &str) -> Document<'_> {
    let document = Document::parse_with_options(page, ParsingOptions { allow_dtd: true, ..Default::default() });
    let document = document.unwrap_or_else(|error| panic!("the page is not well-formed: {error}"));
    let mut ids = HashSet::new();
    for node in document.descendants().filter(Node::is_element) {
        let tag = node.tag_name().name();
        assert!(!["script", "link", "iframe", "object", "embed", "base", "form"].contains(&tag), "<{tag}>");
        for attribute in node.attributes() {
            let (name, value) = (attribute.name(), attribute.value());
            match name {
                "id" => assert!(ids.insert(value), "two elements have the id {value}"),
                "src" => assert!(value.starts_with("data:image/png;base64,"), "{value}"),
                "href" => assert!(value.starts_with('#'), "{value}"),
                _ => assert!(!name.starts_with("on") && !value.contains("url("), "{name}={value}"),
            }
        }
    }
    for svg in document.descendants().filter(|node| node.has_tag_name("svg")) {
        let labels = svg.attribute("aria-labelledby").expect("a picture without words");
        assert!(svg.attribute("role") == Some("img") && labels.split(' ').all(|id| ids.contains(id)), "{labels}");
    }
    let links = document.descendants().filter_map(|node| node.attribute("href"));
    links.for_each(|link| assert!(ids.contains(&link[1..]), "{link} leads nowhere"));
    let style = document.descendants().find(|node| node.has_tag_name("style")).unwrap().text().unwrap();
    assert!(style.contains("prefers-color-scheme: dark") && !style.contains("@import") && !style.contains("url("));
    document
}

/// All text of an element, with single spaces.
fn text(node: Node<'_, '_>) -> String {
    let all: String = node.descendants().filter(Node::is_text).filter_map(|node| node.text()).collect();
    all.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The section with this heading.
fn section<'a>(document: &'a Document<'_>, id: &str) -> Node<'a, 'a> {
    let is_section = |node: &Node<'_, '_>| node.attribute("aria-labelledby") == Some(id);
    document.descendants().find(is_section).unwrap_or_else(|| panic!("no section {id}"))
}

/// Rows of the tables of a section, cells as text.
fn rows(section: Node<'_, '_>) -> Vec<Vec<String>> {
    let rows = section.descendants().filter(|node| node.has_tag_name("tr"));
    rows.map(|row| row.children().filter(Node::is_element).map(text).collect()).collect()
}

#[test]
fn the_page_has_the_numbers_of_the_run() {
    let recipe = Recipe::parse(DIGITS).unwrap();
    let folder = run_of(&recipe);
    export(&recipe, folder.path());
    let report = report(folder.path());
    let page = html(&report).unwrap();
    let document = checked(&page);

    let metrics: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(folder.path().join("metrics.json")).unwrap()).unwrap();
    let training = rows(section(&document, "training"));
    for (row, epoch) in training[1..].iter().zip(metrics["epochs"].as_array().unwrap()) {
        assert_eq!(row[1], format!("{:.6}", epoch["loss"].as_f64().unwrap()));
        assert_eq!(row[3], format!("{:.6}", epoch["validation_loss"].as_f64().unwrap()));
    }
    assert_eq!(training.len(), 3);

    let matrix: Vec<Vec<usize>> = serde_json::from_value(metrics["test"]["confusion"]["matrix"].clone()).unwrap();
    let right: usize = (0..10).map(|class| matrix[class][class]).sum();
    let accuracy = format!("{:.2} %", 100.0 * right as f64 / 120.0);
    assert!(text(section(&document, "answers")).contains(&format!("Right: {accuracy} in float")));
    let integer = report.answers.found().unwrap().integer.found().unwrap().confusion.clone().unwrap();
    let cells = rows(section(&document, "answers"));
    for class in 0..10 {
        let counts: Vec<String> = integer.matrix[class].iter().map(usize::to_string).collect();
        assert_eq!(cells[1 + class][1..], counts);
        assert_eq!(cells[12 + class][2], format!("{:.4}", integer.scores(class).recall));
    }

    let data = recipe.data.load(recipe.seed).unwrap();
    let model = thumbnet_trainer::model::Model::load(&folder.path().join("model.safetensors")).unwrap();
    let quantized = quantize_with_reference(&model, &data.train, recipe.quantize).unwrap();
    let diagnosis = examine(&quantized, &data.test, 256).unwrap();
    let layers = rows(section(&document, "layers"));
    assert_eq!(layers.len(), 1 + diagnosis.layers.len());
    for (row, layer) in layers[1..].iter().zip(&diagnosis.layers) {
        assert_eq!(row[..2], [layer.name.clone(), format!("{:.1} dB", layer.decibels)]);
        assert_eq!(row[2], format!("{:.2} %", 100.0 * layer.saturated));
    }

    let bytes = fs::read(folder.path().join("model.tnet")).unwrap();
    let memory = report.memory.found().unwrap();
    let cost = report.cost.found().unwrap();
    let flash: u64 = cost.layers.iter().map(|layer| layer.step.flash).sum();
    assert_eq!(flash + cost.certificate + cost.rest, bytes.len() as u64);
    assert_eq!(cost.layers.iter().map(|layer| layer.step.macs).sum::<u64>(), cost.macs);
    let ends = memory.slots.iter().map(|slot| slot.offset + slot.bytes);
    assert_eq!(ends.max().unwrap().next_multiple_of(4) as usize, memory.arena_len);
    assert_eq!(rows(section(&document, "memory")).len(), 1 + memory.slots.len());
    for part in ["arena-wide", "arena-narrow"] {
        let id = format!("{part}-title");
        let map = document.descendants().find(|node| node.attribute("id") == Some(&id)).unwrap().parent().unwrap();
        let drawn =
            map.descendants().filter(|node| node.has_tag_name("rect") && node.attribute("fill") == Some("none"));
        assert_eq!(drawn.count(), memory.slots.len(), "a rectangle for each");
        assert!(text(map).contains("peak") && text(map).contains("first in step"), "{}", text(map));
    }

    let samples = report.samples.found().unwrap();
    let wrong = 120 - (0..10).map(|class| integer.matrix[class][class]).sum::<usize>();
    assert_eq!(samples.wrong, Some(wrong));
    let rights: Vec<bool> = samples.shown.iter().map(|sample| sample.is_right.unwrap()).collect();
    assert!(rights.is_sorted() && rights.len() == 24, "wrong ones first: {rights:?}");
    let images = document.descendants().filter(|node| node.has_tag_name("img"));
    assert!(images.map(|image| image.attribute("alt").unwrap()).all(|alt| alt.starts_with("Sample ")));

    let certificate = report.certificate.found().unwrap();
    assert_eq!((certificate.cases, &certificate.mismatch), (2, &None));
    let largest = certificate.bounds.found().unwrap();
    assert!(largest.len() == 2 && largest.iter().all(|bound| bound.share > 0.0 && bound.share < 1.0), "{largest:?}");
    assert!(text(section(&document, "recipe")).contains("name = \"first\""));
    assert!(text(section(&document, "environment")).contains(env!("CARGO_PKG_VERSION")));
    assert!(text(section(&document, "tuning")).contains("No tuning"));

    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["training"]["epochs"], metrics["epochs"]);
    assert_eq!(json["answers"]["float"]["confusion"], metrics["test"]["confusion"]);
    assert_eq!(json["summary"]["model_bytes"], bytes.len());

    let short = markdown(&report).unwrap();
    let tables = tables(&short, &[]);
    assert!(tables.iter().any(|table| table.len() == 1 + memory.slots.len()), "no table of the arena");
    assert!(short.contains(&format!("| accuracy | {accuracy} |")), "{short}");
    narrow(&page);
    command(folder.path(), &page, &short, &serde_json::to_string_pretty(&report).unwrap());
}

/// The command writes both files, or prints one of three forms; all say the same as the library.
fn command(folder: &Path, page: &str, short: &str, json: &str) {
    let thumbnet = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_thumbnet"));
        let output = command.arg("report").arg(folder).args(args).output().unwrap();
        let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        (output.status.success(), stdout, stderr)
    };
    assert_eq!(thumbnet(&["--markdown"]).1.trim_end(), short.trim_end());
    assert_eq!(thumbnet(&["--json"]).1.trim_end(), json);
    assert!(!folder.join("report.html").exists(), "printing writes no file");
    assert!(thumbnet(&[]).0);
    assert_eq!(fs::read_to_string(folder.join("report.html")).unwrap(), page);
    assert_eq!(fs::read_to_string(folder.join("report.md")).unwrap(), short);
    let (is_ok, _, error) = thumbnet(&["-o", "page.md"]);
    assert!(!is_ok && error.contains("name the page, *.html"), "{error}");
    let (is_ok, _, error) = thumbnet(&["--on", "host"]);
    assert!(!is_ok && error.contains("--on m4"), "{error}");
}

/// The tables of a text, which must be whole, rows of cells; no HTML but ours, and none of `names` means anything.
fn tables(short: &str, names: &[&str]) -> Vec<Vec<Vec<String>>> {
    let mut tables: Vec<Vec<Vec<String>>> = Vec::new();
    let mut all = String::new();
    for event in Parser::new_ext(short, pulldown_cmark::Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Table(_)) => tables.push(Vec::new()),
            Event::Start(Tag::TableHead | Tag::TableRow) => tables.last_mut().unwrap().push(Vec::new()),
            Event::Start(Tag::TableCell) => tables.last_mut().unwrap().last_mut().unwrap().push(String::new()),
            Event::Start(Tag::Link { .. } | Tag::Image { .. } | Tag::Strong) => panic!("a name became markup: {short}"),
            Event::End(TagEnd::Table) => {
                let table = tables.last().unwrap();
                assert!(table.len() > 1 && table.iter().all(|row| row.len() == table[0].len()), "{table:?}");
            }
            Event::Html(tag) | Event::InlineHtml(tag) => {
                let ours = ["<details>", "</details>", "<summary>", "</summary>", "<!-- -->"];
                let is_ours = ours.iter().any(|our| tag.trim().starts_with(our));
                assert!(is_ours, "HTML from elsewhere: {tag}");
            }
            Event::Text(text) | Event::Code(text) => {
                all.push_str(&text);
                if let Some(cell) = tables.last_mut().and_then(|table| table.last_mut()?.last_mut()) {
                    cell.push_str(&text);
                }
            }
            _ => {}
        }
    }
    names.iter().for_each(|name| assert!(all.contains(name), "{name} is not there as it is: {all}"));
    tables
}

/// A run on numbers in columns, whose classes and layers have hostile names.
fn hostile() -> (Recipe, TempDir, TempDir) {
    let data = tempfile::tempdir().unwrap();
    let mut table = csv::Writer::from_path(data.path().join("data.csv")).unwrap();
    table.write_record(["x", "y", "class"]).unwrap();
    for at in 0..200 {
        let class = at % HOSTILE.len();
        let row = [format!("{}.{}", class, at % 7), format!("{}.{}", 3 - class, at % 5), HOSTILE[class].to_owned()];
        table.write_record(row).unwrap();
    }
    table.flush().unwrap();
    drop(table);
    let recipe = format!(
        "name = {:?}\nseed = 1\ndata = {{ kind = \"csv\", path = {:?} }}\n[train]\nepochs = 3\nbatch = 16\nloss = \"cross_entropy\"\n\
         optimizer = {{ name = \"adam\" }}\n[[layer]]\nop = \"dense\"\nname = {:?}\nunits = 8\nactivation = \"relu\"\n\
         [[layer]]\nop = \"dense\"\nunits = 4\nactivation = \"softmax\"\n",
        HOSTILE[0],
        data.path().join("data.csv"),
        HOSTILE[1]
    );
    let recipe = Recipe::parse(&recipe).unwrap();
    let folder = run_of(&recipe);
    (recipe, folder, data)
}

#[test]
fn hostile_names_mean_nothing() {
    let (recipe, folder, _data) = hostile();
    export(&recipe, folder.path());
    let report = report(folder.path());
    let page = html(&report).unwrap();
    let document = checked(&page);
    let answers = text(section(&document, "answers"));
    HOSTILE.iter().for_each(|name| assert!(answers.contains(name), "{name} is not there as it is"));
    assert!(text(section(&document, "memory")).contains(HOSTILE[1]));
    assert!(document.descendants().filter(|node| node.has_tag_name("b")).all(|node| node.attributes().len() == 0));
    tables(&markdown(&report).unwrap(), &HOSTILE);
    narrow(&page);
}

#[test]
fn what_is_missing_is_said_and_the_rest_comes() {
    let (recipe, folder, data) = hostile();
    // No export yet, and the data is gone.
    drop(data);
    let found = report(folder.path());
    let page = html(&found).unwrap();
    let document = checked(&page);
    for (id, why) in [
        ("memory", "There is no model file model.tnet: thumbnet export writes it"),
        ("cost", "There is no model file"),
        ("certificate", "There is no model file"),
        ("samples", "The data is not at hand, name its folder with --data"),
        ("layers", "The data is not at hand"),
    ] {
        let said = text(section(&document, id));
        assert!(said.contains(why), "{id}: {said}");
    }
    assert!(text(section(&document, "answers")).contains("Confusion matrix, float"));
    assert_eq!(rows(section(&document, "training")).len(), 1 + recipe.train.epochs);
    tables(&markdown(&found).unwrap(), &[]);

    // A training that was interrupted.
    for file in ["metrics.json", "recipe.toml", "model.safetensors"] {
        fs::remove_file(folder.path().join(file)).unwrap();
    }
    let page = html(&report(folder.path())).unwrap();
    let document = checked(&page);
    assert!(text(section(&document, "training")).contains("not finished yet"));
    assert_eq!(rows(section(&document, "training")).len(), 1 + recipe.train.epochs);
    assert!(text(section(&document, "answers")).contains("There is no metrics.json"));

    fs::write(folder.path().join("metrics.json"), "{").unwrap();
    let page = html(&report(folder.path())).unwrap();
    assert!(text(section(&checked(&page), "answers")).contains("The file metrics.json is damaged"));

    let empty = tempfile::tempdir().unwrap();
    let error = collect(empty.path(), &Options::default()).unwrap_err().to_string();
    assert!(error.contains("folder of no run") && error.contains("thumbnet train"), "{error}");
    let error = collect(&empty.path().join("nowhere"), &Options::default()).unwrap_err().to_string();
    assert!(error.contains("is not a folder"), "{error}");
}

#[test]
fn tunings_show_their_front() {
    let folder = tempfile::tempdir().unwrap();
    let result = |accuracy: f64, bytes: u64| {
        serde_json::json!({
            "parameters": { "layer.a.filters": bytes, HOSTILE[1]: HOSTILE[0] }, "status": "ok", "message": null, "seconds": 1.0,
            "rungs": [{ "epochs": 2, "measures": {
                "accuracy": accuracy, "float_accuracy": accuracy, "test_accuracy": accuracy, "mean_squared_error": 0.1,
                "parameters": 10, "model_bytes": bytes, "flash_bytes": null, "ram_bytes": bytes, "macs": bytes, "instructions": null
            } }]
        })
    };
    let failed = serde_json::json!(
        { "parameters": {}, "status": "failed", "message": "it diverged", "seconds": 1.0, "rungs": [] }
    );
    let all = [result(0.9, 1000), result(0.95, 2000), result(0.85, 3000), failed];
    for (number, result) in all.iter().enumerate() {
        let trial = folder.path().join("trials").join(number.to_string());
        fs::create_dir_all(&trial).unwrap();
        fs::write(trial.join("result.json"), result.to_string()).unwrap();
    }
    let report_of = |folder: &Path| report(folder);
    let whole = report_of(folder.path());
    let tuning = whole.tuning.found().unwrap();
    let best: Vec<bool> = tuning.trials.iter().map(|trial| trial.is_best).collect();
    assert_eq!((best, tuning.failed), (vec![true, true, false, false], 1));
    let page = html(&whole).unwrap();
    let document = checked(&page);
    let said = text(section(&document, "tuning"));
    assert!(
        said.contains("4 trials, 1 of them without a result") && said.contains("Objectives are the usual ones"),
        "{said}"
    );
    assert!(said.contains("95.00 %") && said.contains(HOSTILE[0]), "{said}");
    // Three objectives over accuracy, for a wide page and a phone.
    let svgs = section(&document, "tuning").descendants().filter(|node| node.has_tag_name("svg"));
    assert_eq!(
        svgs.map(|svg| svg.descendants().filter(|node| node.has_tag_name("circle")).count()).collect::<Vec<_>>(),
        [3; 6]
    );
    tables(&markdown(&whole).unwrap(), &[]);
    narrow(&page);

    // The report of a trial's own run shows where it stands.
    let trial = folder.path().join("trials").join("1");
    fs::write(trial.join("recipe.toml"), DIGITS).unwrap();
    let found = report_of(&trial);
    let this: Vec<bool> = found.tuning.found().unwrap().trials.iter().map(|trial| trial.is_this).collect();
    assert_eq!(this, [false, true, false, false]);
}

/// With THUMBNET_FULL and a Chromium: nothing is wider than a phone's 375 pixels.
fn narrow(page: &str) {
    if std::env::var_os("THUMBNET_FULL").is_none() {
        eprintln!("skipped: the page in a browser (THUMBNET_FULL=1 and chromium)");
        return;
    }
    // A window is never narrower than 500 pixels, a frame can be.
    let frame = "<iframe src=\"page.html\" width=\"375\" height=\"800\" style=\"border:0\"></iframe><script>\
                 onmessage = message => document.body.dataset.widths = message.data;</script>";
    let script = "<script>onload = () => { const d = document.documentElement; \
                  parent.postMessage(d.scrollWidth + ' ' + d.clientWidth, '*'); };</script>";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("frame.html");
    fs::write(&path, frame).unwrap();
    fs::write(folder.path().join("page.html"), page.replace("</body>", &format!("{script}</body>"))).unwrap();
    let mut chromium = Command::new("chromium");
    chromium.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--virtual-time-budget=5000",
        "--dump-dom",
    ]);
    chromium.arg(format!("--user-data-dir={}", folder.path().display())).arg(format!("file://{}", path.display()));
    let Ok(output) = chromium.output() else {
        eprintln!("skipped: the page in a browser, for there is no chromium");
        return;
    };
    let dom = String::from_utf8_lossy(&output.stdout);
    let widths = dom.split_once("data-widths=\"").and_then(|(_, rest)| rest.split_once('"'));
    let widths =
        widths.unwrap_or_else(|| panic!("chromium gave no page: {}", String::from_utf8_lossy(&output.stderr))).0;
    let numbers: Vec<u32> = widths.split(' ').map(|number| number.parse().unwrap()).collect();
    assert_eq!(numbers[1], 375, "the frame has another width");
    assert!(numbers[0] <= numbers[1], "the page is {} pixels wide", numbers[0]);
}
