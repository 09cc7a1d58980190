//! Moving a branch of the origin to a commit that the origin has already.
//!
//! This is the smallest push there is: one command and a pack without objects. The command carries the commit that the branch
//! has to be at, and the server changes it only then, so that nothing that somebody else pushed is ever lost.

use std::io::Write as _;

use async_trait::async_trait;
use gix::ObjectId;
use gix::progress::Discard;
use gix::protocol::handshake::Ref;
use gix::protocol::transport::Service;
use gix::protocol::transport::client::blocking_io::Transport;
use gix::protocol::transport::client::{MessageKind, WriteMode};
use gix::remote::Direction;
use model::Lineage;
use ports::config_source::Channel;
use ports::promote::{Promote, PromoteError, Way};

use super::cause::Cause;
use super::{GitSource, Shared};

/// A pack without objects: its header, for version 2, and the SHA-1 of that.
const EMPTY_PACK: &[u8] = b"PACK\x00\x00\x00\x02\x00\x00\x00\x00\
    \x02\x9d\x08\x82\x3b\xd8\xa8\xea\xb5\x10\xad\x6a\xc7\x5c\x82\x3c\xfd\x3e\xd3\x1e";
/// What we can do, in the words of the protocol.
const CAPABILITIES: &str = concat!("report-status agent=fleetwright/", env!("CARGO_PKG_VERSION"));

fn unavailable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> PromoteError {
    PromoteError::Unavailable(cause.into())
}

fn commit(text: &str) -> Result<ObjectId, PromoteError> {
    ObjectId::from_hex(text.as_bytes()).map_err(|_| PromoteError::UnknownCommit {
        commit: text.to_owned(),
    })
}

#[async_trait]
impl Promote for GitSource {
    async fn lineage(&self, old: &str, new: &str) -> Result<Lineage, PromoteError> {
        let snapshot = self.snapshot().await.map_err(unavailable)?;
        let (old, new) = (commit(old)?, commit(new)?);
        let work = move || {
            let repo = snapshot.repo();
            if reaches(&repo, old, new)? {
                return Ok(Lineage::Behind);
            }
            Ok(match reaches(&repo, new, old)? {
                true => Lineage::Ahead,
                false => Lineage::Diverged,
            })
        };
        tokio::task::spawn_blocking(work).await.map_err(unavailable)?
    }

    async fn move_branch(&self, channel: &Channel, from: &str, to: &str, way: Way) -> Result<(), PromoteError> {
        if way == Way::Forward && self.lineage(from, to).await? != Lineage::Ahead {
            return Err(PromoteError::NotForward {
                channel: channel.to_string(),
                from: from.to_owned(),
                to: to.to_owned(),
            });
        }
        let (shared, channel) = (self.shared.clone(), channel.clone());
        let (from, to) = (commit(from)?, commit(to)?);
        let limit = self.shared.options.fetch_timeout;
        let work = tokio::task::spawn_blocking(move || shared.push(channel.as_str(), from, to));
        match tokio::time::timeout(limit, work).await {
            Ok(done) => done.map_err(unavailable)?,
            Err(_) => Err(unavailable(self.shared.timeout())),
        }
    }
}

/// Whether `ancestor` is `from`, or can be reached from there.
fn reaches(repo: &gix::Repository, from: ObjectId, ancestor: ObjectId) -> Result<bool, PromoteError> {
    for known in [from, ancestor] {
        if repo.find_commit(known).is_err() {
            return Err(PromoteError::UnknownCommit {
                commit: known.to_string(),
            });
        }
    }
    for commit in repo
        .rev_walk([from])
        .all()
        .map_err(|error| unavailable(error.to_string()))?
    {
        if commit.map_err(|error| unavailable(error.to_string()))?.id == ancestor {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Shared {
    fn failed(&self, cause: gix::Error) -> PromoteError {
        unavailable(Cause::scrubbed(&cause, &self.location.secrets()))
    }

    /// Waits for the network.
    fn push(&self, branch: &str, from: ObjectId, to: ObjectId) -> Result<(), PromoteError> {
        let repo = self.mirror.open().map_err(|error| unavailable(error.to_string()))?;
        let repo = repo.to_thread_local();
        let url = self.location.url().clone();
        let shown = url.to_bstring();
        let options = repo.transport_options(shown.as_slice(), None);
        let remote = repo.remote_at(url).map_err(|error| self.failed(error))?;
        let mut connection = remote.connect(Direction::Push).map_err(|error| self.failed(error))?;
        let transport = connection.transport_mut();
        if let Some(options) = options.map_err(|error| self.failed(error))? {
            transport.configure(&*options).map_err(|error| self.failed(error))?;
        }
        let name = format!("refs/heads/{branch}");
        let service = Service::ReceivePack;
        let authenticate = |action| self.credentials(action);
        let known = gix::protocol::handshake(&mut *transport, service, authenticate, Vec::new(), &mut Discard)
            .map_err(|error| self.failed(error))?;
        let found = known
            .refs
            .as_deref()
            .unwrap_or_default()
            .iter()
            .find_map(|reference| match reference {
                Ref::Direct { full_ref_name, object } if *full_ref_name == name.as_str() => Some(*object),
                _ => None,
            });
        if found != Some(from) {
            return Err(PromoteError::Elsewhere {
                channel: branch.to_owned(),
                expected: from.to_string(),
                found: found.map_or_else(|| "nowhere".to_owned(), |found| found.to_string()),
            });
        }
        let report = send(transport, &format!("{from} {to} {name}\0{CAPABILITIES}"))
            .map_err(|error| unavailable(error.to_string()))?;
        judge(branch, &name, &report)
    }
}

/// Sends the command and reads what the server says about it, line by line.
fn send(transport: &mut (impl Transport + ?Sized), command: &str) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let mut request = transport.request(WriteMode::Binary, MessageKind::Flush, false)?;
    request.write_all(command.as_bytes())?;
    request.write_message(MessageKind::Flush)?;
    let (mut raw, mut answer) = request.into_parts();
    raw.write_all(EMPTY_PACK)?;
    raw.flush()?;
    // The answer comes once nothing more is written.
    drop(raw);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if answer.readline_str(&mut line)? == 0 {
            return Ok(lines);
        }
        lines.push(line.trim_end().to_owned());
    }
}

/// What the report says: both that the pack was taken and that the branch was moved.
fn judge(branch: &str, name: &str, report: &[String]) -> Result<(), PromoteError> {
    let moved = report.iter().any(|line| line.strip_prefix("ok ") == Some(name));
    if moved {
        return Ok(());
    }
    let why = report
        .iter()
        .find_map(|line| line.strip_prefix("ng ")?.strip_prefix(name));
    let unpacked = report
        .iter()
        .find_map(|line| line.strip_prefix("unpack ").filter(|how| *how != "ok"));
    match (why, unpacked) {
        (Some(why), _) | (None, Some(why)) => Err(PromoteError::Refused {
            channel: branch.to_owned(),
            why: why.trim().to_owned(),
        }),
        (None, None) => Err(unavailable("the server did not say whether the branch was moved")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_report_that_says_so_means_that_the_branch_was_moved() {
        let told = |lines: &[&str]| {
            let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            judge("beta", "refs/heads/beta", &lines).map_err(|error| error.to_string())
        };
        assert_eq!(told(&["unpack ok", "ok refs/heads/beta"]), Ok(()));
        let refused = "the server refuses to move branch beta: non-fast-forward";
        assert_eq!(
            told(&["unpack ok", "ng refs/heads/beta non-fast-forward"]),
            Err(refused.to_owned())
        );
        assert!(
            told(&["unpack index-pack abnormal exit"])
                .unwrap_err()
                .contains("abnormal exit")
        );
        assert!(told(&[]).unwrap_err().contains("cannot be written to"));
    }
}
