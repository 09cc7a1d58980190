//! `manifestHash`: the digest of a rendered sibling file.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gotemplate::{CallContext, Execution, FunctionError, Functions, Read, ReadSet, Recorder, Value};
use sha2::{Digest, Sha256};

use crate::config::Config;
use crate::data;
use crate::error::RenderErrorKind;
use crate::functions;
use crate::templates::Templates;

use super::Run;

/// Name under which the use of another file's text is recorded.
pub(super) const FILES: &str = "Files";

type Parsed = Result<Arc<gotemplate::Template>, RenderErrorKind>;

/// Everything that `manifestHash` needs, owned, since functions outlive the borrow of a run.
struct Siblings {
    config: Config,
    parser: Arc<Templates>,
    /// All manifests, parsed when the first is asked for: most clusters of an unchanged tree need none.
    templates: OnceLock<BTreeMap<String, Parsed>>,
    dot: Value,
    /// The same functions without `manifestHash`, which must not be nested.
    functions: Functions,
    done: Mutex<BTreeMap<String, (String, ReadSet)>>,
}

/// A recorder behind another one, for calls where lifetimes keep the outer one from being passed on.
struct Forward<'f, 'r>(&'f mut (dyn Recorder + 'r));

impl Recorder for Forward<'_, '_> {
    fn read(&mut self, container: &Arc<str>, read: Read<'_>) {
        self.0.read(container, read);
    }
}

impl Run<'_> {
    /// The functions for manifests, where siblings can be hashed.
    pub(super) fn component_functions(&self, values: &BTreeMap<String, Value>) -> Functions {
        let siblings = Siblings {
            config: self.input.config.clone(),
            parser: Arc::clone(&self.renderer.templates),
            templates: OnceLock::new(),
            dot: data::dot(&self.cluster, None, values),
            functions: functions::build(&self.input.facts, None),
            done: Mutex::default(),
        };
        let hash = move |context: &mut CallContext<'_>, name: &str| siblings.hash(context, name);
        functions::build(&self.input.facts, Some(Arc::new(hash)))
    }
}

impl Siblings {
    fn hash(&self, context: &mut CallContext<'_>, relative: &str) -> Result<String, FunctionError> {
        let caller = context.template().to_owned();
        let directory = caller.rsplit_once('/').map_or("", |(directory, _)| directory);
        let path = clean(&format!("{directory}/{relative}"));
        // Only files of the same component are known.
        let templates = self.templates.get_or_init(|| {
            let components = self.config.components();
            let files = components.iter().flat_map(|component| &component.files);
            files.map(|file| (file.name(), self.parser.get(file))).collect()
        });
        let template = match templates.get(&path) {
            Some(template) if path.rsplit_once('/').is_some_and(|(found, _)| found == directory) => template,
            _ => return Err(FunctionError::new(format!("template file not found: {path}"))),
        };
        let done = self
            .done
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&path)
            .cloned();
        let (hash, reads) = match done {
            Some(done) => done,
            None => {
                let template = template.as_ref().map_err(|kind| FunctionError::new(kind.to_string()))?;
                let mut reads = ReadSet::new();
                let text = Execution::new(template, &self.functions)
                    .recorder(&mut reads)
                    .run(&self.dot)
                    .map_err(|error| FunctionError::new(error.to_string()))?;
                let result = (hex::encode(Sha256::digest(text)), reads);
                let mut all = self.done.lock().unwrap_or_else(PoisonError::into_inner);
                all.insert(path.clone(), result.clone());
                result
            }
        };
        if let Some(recorder) = context.recorder() {
            let mut recorder = Forward(recorder);
            recorder.read(&FILES.into(), Read::Key(&path));
            for (container, read) in reads.containers() {
                for key in &read.keys {
                    recorder.read(container, Read::Key(key));
                }
                if read.whole {
                    recorder.read(container, Read::Whole);
                }
            }
        }
        Ok(hash)
    }
}

/// A path without `.` and `..`.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}
