//! Reading requests strictly: whatever is not understood is refused, with the field, the rule and the value.

mod body;
mod caller;
mod conditional;
mod path;
mod query;
mod strict;

pub(crate) use body::{Json, MAX_ITEM_BYTES, content_type, read_text};
pub(crate) use caller::{AsAdmin, AsOperator, AsReader, Writer};
pub(crate) use conditional::{etag, not_modified};
pub(crate) use path::{
    AccountPath, ActPath, ApprovalsPath, BlockPath, BlocksPath, ClusterItemPath, ClusterPath, EntriesPath, EntryPath,
    HistoryPath, PoolItemPath, PoolPath, UpdatePath,
};
pub(crate) use query::{
    AccountQuery, ActQuery, ChangesQuery, ClusterListQuery, ClusterQuery, ImportQuery, LedgerQuery, NoQuery, PageQuery,
    Query,
};
pub(crate) use strict::{check_nul, import_document, whole_numbers};
