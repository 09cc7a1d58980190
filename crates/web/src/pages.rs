//! The pages, one module each; here what they share.

mod blocks;
mod cluster;
mod fleet;
mod nodes;
mod rollouts;
mod updates;

pub(crate) use blocks::blocks;
pub(crate) use cluster::cluster;
pub(crate) use fleet::fleet;
pub(crate) use rollouts::rollouts;
pub(crate) use updates::{update, updates};

use axum::response::Response;
use lifecycle::waves::Alarm;
use maud::{Markup, html};

use crate::form::{Ask, part};
use crate::page::{self, Frame, Refusal};
use crate::server::Pages;
use crate::session::Visitor;
use crate::table::Table;

/// How a list can be taken along.
const FILES: [&str; 2] = ["tsv", "json"];

/// A link to a cluster's page.
pub(crate) fn cluster_link(alias: &str) -> Markup {
    html! { a href={ "/clusters/" (part(alias)) } { (alias) } }
}

/// A word with its colour.
pub(crate) fn pill(word: &str) -> Markup {
    html! { span class={ "pill " (word) } { (word) } }
}

/// Something that has been so for too long.
pub(crate) fn alarm_banner(alarm: &Alarm) -> Markup {
    let tone = if alarm.kind == "halt" { "failing" } else { "waiting" };
    html! { p class={ "banner alarm " (tone) } { strong { (alarm.subject) } " " (alarm.says) } }
}

/// A page, or the table on it as a file.
struct ListPage<'a> {
    title: &'a str,
    note: &'a str,
    /// File name without its end.
    file: &'a str,
    table: Table,
}

impl ListPage<'_> {
    fn answer(self, pages: &Pages, visitor: &Visitor, ask: &Ask, refresh: u32) -> Result<Response, Refusal> {
        let table = self.table.view(ask)?;
        if let Some(kind) = ask.one_of("download", &FILES)? {
            return Ok(page::download(&table, kind, self.file));
        }
        let body = html! {
            div.head { h1 { (self.title) } (filter(ask)) (page::downloads(ask)) }
            p.note { (self.note) }
            section id="list" data-live { (table.html(ask)) }
        };
        Ok(page::page(&frame(self.title, pages, visitor, ask, refresh), &body))
    }
}

/// The frame of a page.
fn frame<'a>(title: &'a str, pages: &Pages, visitor: &'a Visitor, ask: &'a Ask, refresh: u32) -> Frame<'a> {
    Frame {
        title,
        ask,
        caller: &visitor.caller,
        signed_in: visitor.signed_in,
        world: pages.surroundings.world_time(),
        refresh,
    }
}

/// The field that filters a list; without JavaScript it asks the server.
fn filter(ask: &Ask) -> Markup {
    html! {
        form.filter method="get" role="search" {
            @for (name, value) in ask.except(&["q", "download"]) { input type="hidden" name=(name) value=(value); }
            input type="search" name="q" value=(ask.get("q")) placeholder="Filter  /" aria-label="Filter" data-filter;
        }
    }
}
