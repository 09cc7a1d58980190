//! Whole collections, page by page at one version.

use serde::Deserialize;
use serde_json::Value;

use crate::access::Access;
use crate::call::{Call, Depth};
use crate::error::AccessError;
use crate::resource::ApiKind;

/// Which objects of a collection.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selection {
    /// Only this namespace; empty means all of them.
    pub namespace: String,
    /// Only objects that match this label selector; empty means all.
    pub labels: String,
    /// Only objects that match this field selector; empty means all.
    pub fields: String,
}

impl Selection {
    /// All objects with these labels, in all namespaces.
    #[must_use]
    pub fn labelled(labels: &str) -> Self {
        Self {
            labels: labels.to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn query(&self) -> Vec<(&str, &str)> {
        let pairs = [("labelSelector", &self.labels), ("fieldSelector", &self.fields)];
        pairs
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(name, text)| (name, text.as_str()))
            .collect()
    }
}

/// A page of a list, its objects as `O` has them.
#[derive(Debug, Deserialize)]
pub(crate) struct Page<O> {
    pub(crate) metadata: ListMeta,
    pub(crate) items: Option<Vec<O>>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ListMeta {
    resource_version: String,
    #[serde(rename = "continue")]
    token: String,
}

/// How often a list begins again because its version was forgotten between two pages.
const RESTARTS: u32 = 3;

impl Access {
    /// Gives every object of a collection to `take`, in the server's order, and returns the version of the list. Only one page
    /// is in memory at a time. If the version is forgotten between two pages the list begins again, after `reset`.
    ///
    /// # Errors
    /// If any page cannot be read: part of a list is no list (V12).
    pub async fn list_into(
        &self,
        kind: &ApiKind,
        selection: &Selection,
        depth: Depth,
        state: &mut (dyn ListSink + Send),
    ) -> Result<String, AccessError> {
        self.pages(kind, selection, depth, &mut Trees(state)).await
    }

    /// Gives every page of a collection to `sink` as it was sent, and returns the version of the list; see [`Self::list_into`].
    pub(crate) async fn pages(
        &self,
        kind: &ApiKind,
        selection: &Selection,
        depth: Depth,
        sink: &mut (dyn PageSink + Send),
    ) -> Result<String, AccessError> {
        let mut restarts = 0;
        let limit = self.inner.settings.page.to_string();
        let mut token = String::new();
        loop {
            let mut query = selection.query();
            query.push(("limit", &limit));
            if !token.is_empty() {
                query.push(("continue", &token));
            }
            let call = Call::list(kind, &selection.namespace, &query, depth);
            let page = match self.call(&call).await {
                Ok(reply) => sink.page(&reply.body).map_err(|error| reply.unreadable(&error))?,
                Err(AccessError::Expired { .. }) if !token.is_empty() && restarts < RESTARTS => {
                    restarts += 1;
                    token.clear();
                    sink.reset();
                    continue;
                }
                // A collection, unlike an object, is never absent by name.
                Err(AccessError::NotFound { subject }) => return Err(AccessError::NotServed { subject }),
                Err(error) => return Err(error),
            };
            if page.token.is_empty() {
                return Ok(page.resource_version);
            }
            token = page.token;
        }
    }

    /// All objects of a collection.
    ///
    /// # Errors
    /// If any page cannot be read.
    pub async fn list(&self, kind: &ApiKind, selection: &Selection, depth: Depth) -> Result<Vec<Value>, AccessError> {
        let mut all = Vec::new();
        self.list_into(kind, selection, depth, &mut all).await?;
        Ok(all)
    }
}

/// Receives the pages of a list as they were sent.
pub(crate) trait PageSink {
    /// One page; says what the page says of the list.
    fn page(&mut self, body: &[u8]) -> Result<ListMeta, serde_json::Error>;
    /// The list begins again: forget what was taken.
    fn reset(&mut self);
}

/// Hands objects on as trees.
struct Trees<'s>(&'s mut (dyn ListSink + Send));

impl PageSink for Trees<'_> {
    fn page(&mut self, body: &[u8]) -> Result<ListMeta, serde_json::Error> {
        let page: Page<Value> = serde_json::from_slice(body)?;
        page.items.into_iter().flatten().for_each(|item| self.0.take(item));
        Ok(page.metadata)
    }

    fn reset(&mut self) {
        self.0.reset();
    }
}

/// Receives the objects of a list.
pub trait ListSink {
    /// One object.
    fn take(&mut self, object: Value);
    /// The list begins again: forget what was taken.
    fn reset(&mut self);
}

impl ListSink for Vec<Value> {
    fn take(&mut self, object: Value) {
        self.push(object);
    }

    fn reset(&mut self) {
        self.clear();
    }
}
