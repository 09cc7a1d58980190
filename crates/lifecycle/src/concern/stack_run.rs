//! Bringing one stack to what is wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::{ClusterId, Progress};
use ports::cloud::{Cloud, CloudError, PutCondition, Stack, StackRequest, StackTemplate, StackUpdate};
use ports::ledger::{EntryDraft, EntryId, EntryKind};
use ports::{Clock, Fault, Ledger, RegistryError, WriteContext};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::stack_move::{Asked, Move, cause, next_move};
use super::{Failure, Finding};
use crate::guard::{Guard, Refusal, Touches};
use crate::journal::Journal;
use crate::turns::Turns;
use crate::words;

/// How often a stack that changes is looked at (the original's pace, cloud fact 5.2).
const LOOK: Duration = Duration::from_secs(15);
/// How often is asked, in between, whether to go on at all.
const ASK: Duration = Duration::from_secs(5);
/// Largest template that a request may hold.
const INLINE: usize = 51_200;

/// What we asked of the stacks of a cluster, kept in the ledger.
#[derive(Clone)]
pub(crate) struct StackMemory {
    cluster: ClusterId,
    ledger: Arc<dyn Ledger>,
    context: WriteContext,
    asked: Arc<Mutex<BTreeMap<String, Asked>>>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Body {
    stacks: BTreeMap<String, Asked>,
}

fn kind() -> EntryKind {
    match "stacks".parse() {
        Ok(kind) => kind,
        Err(refused) => unreachable!("a name of this module: {refused}"),
    }
}

impl StackMemory {
    /// Reads what is known.
    pub(crate) async fn load(
        cluster: &ClusterId,
        ledger: Arc<dyn Ledger>,
        context: WriteContext,
    ) -> Result<Self, RegistryError> {
        let id: EntryId = cluster.as_str().parse()?;
        let asked = match ledger.get_entry(&kind(), &id).await {
            // What cannot be read is asked again, which costs a call and nothing else.
            Ok(entry) => serde_json::from_value::<Body>(entry.body).unwrap_or_default().stacks,
            Err(RegistryError::NotFound { .. }) => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        Ok(Self {
            cluster: cluster.clone(),
            ledger,
            context,
            asked: Arc::new(Mutex::new(asked)),
        })
    }

    fn get(&self, stack: &str) -> Option<Asked> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(stack)
            .cloned()
    }

    pub(super) async fn set(&self, stack: &str, asked: Option<Asked>) -> Result<(), RegistryError> {
        let stacks = {
            let mut known = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            match asked {
                Some(asked) => known.insert(stack.to_owned(), asked),
                None => known.remove(stack),
            };
            known.clone()
        };
        let body = serde_json::to_value(Body { stacks }).map_err(|error| RegistryError::Internal(Box::new(error)))?;
        let draft = EntryDraft {
            kind: kind(),
            id: self.cluster.as_str().parse()?,
            cluster: Some(self.cluster.clone()),
            open: true,
            body,
            items: Vec::new(),
        };
        self.ledger.put_entry(draft, &self.context).await.map(drop)
    }
}

/// What the work on a stack needs.
pub(crate) struct StackRun<'a> {
    pub(crate) cloud: &'a dyn Cloud,
    pub(crate) guard: &'a Guard,
    pub(crate) journal: &'a Journal,
    pub(crate) memory: &'a StackMemory,
    pub(crate) clock: &'a dyn Clock,
    /// Bucket for templates that are too large for a request.
    pub(crate) bucket: &'a str,
    /// Who may be worked on now.
    pub(crate) turns: &'a Turns,
}

/// Digest of everything that is asked.
fn digest(request: &StackRequest, text: &str) -> String {
    let mut hash = Sha256::new();
    for part in [&request.name, text] {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.update(format!(
        "{:?}{:?}{:?}",
        request.parameters, request.tags, request.capabilities
    ));
    hex::encode(hash.finalize())
}

impl StackRun<'_> {
    /// Brings the stack to what is wanted, step by step, and answers its last state. `path` is its place in the journal.
    pub(crate) async fn run(&self, path: &str, request: StackRequest, text: &str) -> (Finding, Option<Stack>) {
        let digest = digest(&request, text);
        self.journal.begin(path);
        let began = self.clock.now();
        let mut acted = false;
        let finding = loop {
            let seen = match self.cloud.stack(&request.name).await {
                Ok(stack) => Some(stack),
                Err(CloudError::NotFound { .. }) => None,
                Err(error) => break Finding::Failed(Failure::of(path, "the stack cannot be read", &error)),
            };
            let asked = self.memory.get(&request.name);
            let next = next_move(seen.as_ref(), &digest, asked.as_ref());
            if let (Move::DeleteHusk | Move::ContinueRollback | Move::Update, Some(stack), true) = (&next, &seen, acted)
                && !stack.status.succeeded()
            {
                // What was asked for in this run has failed: say why, and leave the repair to the next run.
                break Finding::Failed(self.failure(path, stack).await);
            }
            match next {
                Move::Done => {
                    self.journal.note(path, Progress::Done, "");
                    break Finding::Done;
                }
                Move::Stuck(why) => break Finding::Failed(Failure::told(path, why, Fault::User)),
                Move::Wait => {
                    acted = true;
                    let status = seen.as_ref().map(|stack| stack.status.to_string()).unwrap_or_default();
                    let since = words::ago(began, self.clock.now());
                    let sentence = format!(
                        "stack {} waits for the cloud ({status}) since {since}; the cloud gives up by itself",
                        request.name
                    );
                    self.journal.note(path, Progress::Waiting, &sentence);
                    if let Err(error) = self.journal.save().await {
                        break Finding::Failed(Failure::of(path, "the history cannot be written", &error));
                    }
                    if let Err(refusal) = self.pause().await {
                        break refusal.into();
                    }
                }
                step => match self.act(&step, &request, text, &digest).await {
                    Ok(false) => acted = true,
                    Ok(true) => {
                        self.journal.note(path, Progress::Done, "nothing to change");
                        break Finding::Done;
                    }
                    Err(finding) => break finding,
                },
            }
        };
        self.close(path, &finding);
        let last = self.cloud.stack(&request.name).await.ok();
        (finding, last)
    }

    fn close(&self, path: &str, finding: &Finding) {
        match finding {
            Finding::Done => {}
            Finding::Wait { sentence, .. } => self.journal.note(path, Progress::Waiting, sentence),
            Finding::Failed(failure) => self.journal.note(path, Progress::Failing, &failure.title),
            Finding::Refused(refusal) => self.journal.note(path, Progress::Stopped, &refusal.to_string()),
        }
    }

    /// Waits until the stack is worth another look, asking in between whether to go on.
    pub(super) async fn pause(&self) -> Result<(), Refusal> {
        let end = self.clock.now().saturating_add(LOOK).unwrap_or(jiff::Timestamp::MAX);
        while self.clock.now() < end {
            self.clock.sleep(ASK).await;
            self.permit().await?;
        }
        Ok(())
    }

    /// Whether the next call that writes may leave now. It is asked right before each of them: what was read since the last
    /// answer took time.
    pub(super) async fn permit(&self) -> Result<(), Refusal> {
        self.guard.permit(Touches::Configuration).await
    }

    /// Takes one step. `Ok(true)` means that there was nothing to do.
    async fn act(&self, step: &Move, request: &StackRequest, text: &str, digest: &str) -> Result<bool, Finding> {
        let path = format!("stacks/{}", request.name);
        let failed = |title: &str, error: &CloudError| Finding::Failed(Failure::of(&path, title, error));
        match step {
            Move::DeleteHusk => {
                self.permit().await?;
                let lifted = self.cloud.set_stack_protection(&request.name, false).await;
                lifted.map_err(|error| failed("the protection of the failed stack cannot be lifted", &error))?;
                self.permit().await?;
                let deleted = self.cloud.delete_stack(&request.name, &BTreeSet::new()).await;
                deleted.map_err(|error| failed("the failed stack cannot be deleted", &error))?;
                Ok(false)
            }
            Move::ContinueRollback => {
                self.permit().await?;
                let continued = self
                    .cloud
                    .continue_stack_rollback(&request.name, &BTreeSet::new())
                    .await;
                continued.map_err(|error| failed("the roll-back cannot be continued", &error))?;
                Ok(false)
            }
            Move::Create => {
                let request = self.placed(request, text).await?;
                self.permit().await?;
                match self.cloud.create_stack(&request).await {
                    // Somebody was faster, or an answer was lost: the next look tells.
                    Ok(_) | Err(CloudError::AlreadyExists { .. } | CloudError::OutcomeUnknown { .. }) => {}
                    Err(error) => return Err(failed("the stack cannot be made", &error)),
                }
                self.remember(&request.name, digest).await?;
                Ok(false)
            }
            Move::Update => {
                // What another packer packed keeps its bytes: taking a cluster over replaces no node (decision 0005).
                let existing = match self.cloud.stack_template(&request.name).await {
                    Ok(existing) => existing,
                    Err(error) => return Err(failed("the template of the stack cannot be read", &error)),
                };
                self.held(&request.name, &existing, text).await?;
                let request = self.placed(request, &render::keep_packed(&existing, text)).await?;
                self.permit().await?;
                match self.cloud.update_stack(&request).await {
                    Ok(StackUpdate::Started) | Err(CloudError::OutcomeUnknown { .. }) => {
                        self.remember(&request.name, digest).await?;
                        Ok(false)
                    }
                    Ok(StackUpdate::NothingToDo) => {
                        self.remember(&request.name, digest).await?;
                        Ok(true)
                    }
                    Err(error) => Err(failed("the stack cannot be updated", &error)),
                }
            }
            Move::Wait | Move::Done | Move::Stuck(_) => Ok(false),
        }
    }

    /// Notes what was asked, as the cloud shows the stack right after.
    async fn remember(&self, name: &str, digest: &str) -> Result<(), Finding> {
        let path = format!("stacks/{name}");
        let asked = match self.cloud.stack(name).await {
            Ok(stack) => Some(Asked {
                digest: digest.to_owned(),
                stack: stack.id,
                updated: stack.updated,
            }),
            // Not knowing costs a call later and nothing else.
            Err(_) => None,
        };
        let saved = self.memory.set(name, asked).await;
        saved.map_err(|error| Finding::Failed(Failure::of(&path, "the registry cannot be written", &error)))
    }

    /// Puts an object into the cluster's bucket, which is made when the first object comes.
    pub(super) async fn store(&self, key: &str, bytes: &[u8], condition: &PutCondition) -> Result<(), CloudError> {
        self.cloud.ensure_bucket(self.bucket).await?;
        self.cloud
            .put_object(self.bucket, key, bytes, condition)
            .await
            .map(drop)
    }

    /// The request with its template where the cloud can read it.
    async fn placed(&self, request: &StackRequest, text: &str) -> Result<StackRequest, Finding> {
        let mut request = request.clone();
        if text.len() <= INLINE {
            request.template = StackTemplate::Inline(text.to_owned());
            return Ok(request);
        }
        let key = format!("{}.template", request.name);
        self.permit().await?;
        let stored = self.store(&key, text.as_bytes(), &PutCondition::Always).await;
        let path = format!("stacks/{}", request.name);
        stored.map_err(|error| Finding::Failed(Failure::of(&path, "the template cannot be stored", &error)))?;
        request.template = StackTemplate::Stored {
            bucket: self.bucket.to_owned(),
            key,
        };
        Ok(request)
    }

    async fn failure(&self, path: &str, stack: &Stack) -> Failure {
        let events = self.cloud.stack_events(&stack.id, 0).await.unwrap_or_default();
        let own = stack.status_reason.clone().unwrap_or_default();
        let why = cause(&stack.name, &events).unwrap_or(own);
        Failure::told(
            path,
            format!("stack {} is {}: {why}", stack.name, stack.status),
            Fault::Config,
        )
    }
}
