//! The official JSON Schema test suite, as `scripts/bootstrap test` puts it into `.deps`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Draft;

use super::super::tests::message;
use super::*;

const SUITE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../.deps/json-schema-suite");
/// Where the suite's schemas expect its remotes.
const REMOTES_URI: &str = "http://localhost:1234/";

const DRAFTS: &[(&str, Draft)] = &[
    ("draft4", Draft::Draft4),
    ("draft6", Draft::Draft6),
    ("draft7", Draft::Draft7),
    ("draft2019-09", Draft::Draft201909),
    ("draft2020-12", Draft::Draft202012),
];

#[derive(Deserialize)]
struct Case {
    description: String,
    schema: Value,
    tests: Vec<Test>,
}

#[derive(Deserialize)]
struct Test {
    description: String,
    data: Value,
    valid: bool,
}

#[derive(Default)]
struct Score {
    cases: usize,
    passed: usize,
    failed: BTreeSet<String>,
}

#[derive(Clone)]
struct Remotes(Arc<BTreeMap<String, Value>>);

impl Remotes {
    fn load() -> Self {
        let folder = Path::new(SUITE).join("remotes");
        let uri = |path: &Path| {
            let relative = path.strip_prefix(&folder).unwrap();
            format!("{REMOTES_URI}{}", relative.display())
        };
        let documents = files_below(&folder);
        Self(Arc::new(
            documents
                .iter()
                .map(|path| (uri(path), read(path)))
                .collect(),
        ))
    }
}

impl Retrieve for Remotes {
    fn retrieve(
        &self,
        uri: &Uri<String>,
    ) -> std::result::Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let document = self.0.get(uri.as_str()).cloned();
        document.ok_or_else(|| format!("{uri} is not in the suite").into())
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap_or_else(|e| panic!("{}: {e}; run scripts/bootstrap test", folder.display()));
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> T {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn run(case: &Case, draft: Draft, formats: FormatChecks, remotes: &Remotes) -> Vec<bool> {
    let mut options = options(formats).with_retriever(remotes.clone());
    if case.schema.get("$schema").is_none() {
        options = options.with_draft(draft);
    }
    let Ok(validators) = validators(&case.schema, &options) else {
        return vec![false; case.tests.len()];
    };
    let schema = JsonSchema {
        name: String::new(),
        validators,
    };
    let outcome = |test: &Test| {
        let told = message(&schema, test.data.to_string().as_bytes());
        told.is_empty() == test.valid
    };
    case.tests.iter().map(outcome).collect()
}

fn score(path: &Path, name: &str, draft: Draft, remotes: &Remotes) -> Score {
    let formats = if name.contains("/optional/format") {
        FormatChecks::Check
    } else {
        FormatChecks::Ignore
    };
    let mut score = Score::default();
    for case in read::<Vec<Case>>(path) {
        score.cases += 1;
        for (test, passed) in case.tests.iter().zip(run(&case, draft, formats, remotes)) {
            if passed {
                score.passed += 1;
            } else {
                let (case, test) = (&case.description, &test.description);
                score.failed.insert(format!("{name}: {case}: {test}"));
            }
        }
    }
    score
}

/// One line for each keyword of the draft that counts, one for each part of the older ones.
fn print(scores: &BTreeMap<String, Score>) {
    println!("{:50} {:>6} {:>7} {:>7}", "", "cases", "passed", "failed");
    let mut sums = BTreeMap::<String, (usize, usize, usize, usize)>::new();
    for (name, score) in scores {
        let (part, _) = name.rsplit_once('/').unwrap();
        let sum = sums.entry(part.to_owned()).or_default();
        sum.0 += 1;
        sum.1 += score.cases;
        sum.2 += score.passed;
        sum.3 += score.failed.len();
        if name.starts_with("draft2020-12") {
            let failed = score.failed.len();
            println!("{name:50} {:6} {:7} {failed:7}", score.cases, score.passed);
        }
    }
    for (part, (files, cases, passed, failed)) in sums {
        let what = format!("{part}, {files} files");
        println!("{what:50} {cases:6} {passed:7} {failed:7}");
    }
}

#[test]
fn every_test_of_the_official_suite_comes_out_as_it_says() {
    let remotes = Remotes::load();
    let mut scores = BTreeMap::new();
    for (draft_name, draft) in DRAFTS {
        let folder = Path::new(SUITE).join("tests");
        for path in files_below(&folder.join(draft_name)) {
            let relative = path.strip_prefix(&folder).unwrap().with_extension("");
            let name = relative.display().to_string();
            let score = score(&path, &name, *draft, &remotes);
            scores.insert(name, score);
        }
    }
    print(&scores);
    let failed: Vec<_> = scores.values().flat_map(|score| &score.failed).collect();
    assert!(failed.is_empty(), "not as the suite says: {failed:#?}");
    for (draft, _) in DRAFTS {
        let of_draft = scores.iter().filter(|(name, _)| name.starts_with(draft));
        let passed: usize = of_draft.map(|(_, score)| score.passed).sum();
        assert!(passed > 800, "{draft}: only {passed} tests were found");
    }
}
