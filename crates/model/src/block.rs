//! Blocks: refusals to update a cluster.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::invalid::check_line;
use crate::{Invalid, Validate};

/// What a block keeps from happening.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum BlockScope {
    /// Nodes are not replaced; stacks and manifests are updated.
    Nodes,
    /// Nothing is changed at all.
    #[default]
    All,
}

impl BlockScope {
    /// The spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nodes => "nodes",
            Self::All => "all",
        }
    }
}

impl fmt::Display for BlockScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for BlockScope {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "nodes" => Ok(Self::Nodes),
            "all" => Ok(Self::All),
            _ => Err(Invalid::new("scope", "must be one of nodes, all", text)),
        }
    }
}

/// A refusal to update a cluster. It says who answers for it, so that everybody knows whom to ask, and when it ends by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// What it keeps from happening.
    #[serde(default)]
    pub scope: BlockScope,
    /// Why, in one line.
    pub reason: String,
    /// The team or person that answers for it and can lift it.
    pub owner: String,
    /// Ticket or address that tells more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// Who set it.
    pub by: String,
    /// When it ends by itself; absent for one that was set through the config item of the original manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub expires_at: Option<Timestamp>,
    /// How it ended, once it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifted: Option<Lifted>,
}

/// How a block ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Lifted {
    /// Who lifted it; empty when it expired.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// When.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub at: Timestamp,
}

impl Block {
    /// The config item through which the original manager sees blocks; its presence alone blocks, whatever the value.
    pub const CONFIG_ITEM: &'static str = "cluster_update_block";

    /// What stands in the config item: `reason (who)`, as the original tool writes it.
    #[must_use]
    pub fn item_value(&self) -> String {
        format!("{} ({})", self.reason, self.by)
    }

    /// Reads the value of the config item back.
    #[must_use]
    pub fn from_item(value: &str) -> Self {
        let parts = value.strip_suffix(')').and_then(|rest| rest.rsplit_once(" ("));
        let (reason, by) = parts.unwrap_or((value, ""));
        Self {
            scope: BlockScope::All,
            reason: reason.to_owned(),
            owner: by.to_owned(),
            ticket: None,
            by: by.to_owned(),
            expires_at: None,
            lifted: None,
        }
    }

    /// Whether it holds at this moment.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.lifted.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

impl Validate for Block {
    fn check(&self, problems: &mut Vec<Invalid>) {
        check_line("reason", self.reason.trim(), problems);
        check_line("owner", self.owner.trim(), problems);
        check_line("by", self.by.trim(), problems);
        if let Some(ticket) = &self.ticket {
            check_line("ticket", ticket.trim(), problems);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(reason: &str, by: &str) -> Block {
        Block {
            by: by.to_owned(),
            owner: "team".to_owned(),
            ..Block::from_item(reason)
        }
    }

    #[test]
    fn the_config_item_reads_as_the_original_tool_writes_it() {
        assert_eq!(block("canary broken", "alice").item_value(), "canary broken (alice)");
        let read = Block::from_item("canary (2) broken (alice)");
        assert_eq!((read.reason.as_str(), read.by.as_str()), ("canary (2) broken", "alice"));
        assert_eq!(Block::from_item("").reason, "");
    }

    #[test]
    fn a_block_holds_until_it_expires_or_is_lifted() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut block = block("x", "alice");
        assert!(block.holds(at(100)));
        block.expires_at = Some(at(100));
        assert!(block.holds(at(99)) && !block.holds(at(100)));
        block.expires_at = None;
        block.lifted = Some(Lifted {
            by: "bob".to_owned(),
            at: at(5),
        });
        assert!(!block.holds(at(6)));
    }

    #[test]
    fn texts_are_checked_by_name() {
        let fields = |block: Block| -> Vec<String> {
            block
                .validate()
                .err()
                .into_iter()
                .flatten()
                .map(|problem| problem.field)
                .collect()
        };
        assert_eq!(fields(block("x", "alice")), Vec::<String>::new());
        assert_eq!(fields(block(" ", "a\nb")), ["reason", "by"]);
    }
}
