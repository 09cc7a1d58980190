//! Where one stands and what keys do.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::list::{Row, rows};
use crate::picture::Picture;

/// Rows that a page key moves by.
const PAGE: usize = 15;

/// What is on the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum View {
    /// All clusters.
    Clusters,
    /// The newest updates.
    Updates,
    /// Nodes on their way out.
    Rollouts,
    /// Blocks that hold.
    Blocks,
    /// One cluster, by alias.
    Cluster(String),
    /// One update, by id.
    Update(String),
    /// The keys.
    Help,
}

impl View {
    /// The view that a word after `:` means; k9s' habit of plural and short forms.
    fn of(word: &str) -> Option<Self> {
        let (name, rest) = word.split_once(' ').unwrap_or((word, ""));
        let rest = rest.trim();
        Some(match name {
            "cluster" | "clusters" | "cl" if !rest.is_empty() => Self::Cluster(rest.to_owned()),
            "cluster" | "clusters" | "cl" | "fleet" => Self::Clusters,
            "update" | "updates" | "up" => Self::Updates,
            "rollout" | "rollouts" | "ro" | "node" | "nodes" | "no" => Self::Rollouts,
            "block" | "blocks" | "bl" => Self::Blocks,
            "help" => Self::Help,
            _ => return None,
        })
    }

    /// Its name in the crumbs.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Clusters => "clusters".to_owned(),
            Self::Updates => "updates".to_owned(),
            Self::Rollouts => "rollouts".to_owned(),
            Self::Blocks => "blocks".to_owned(),
            Self::Cluster(alias) => alias.clone(),
            Self::Update(id) => id.clone(),
            Self::Help => "help".to_owned(),
        }
    }
}

/// What the program has to do after a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Do {
    /// Nothing but drawing.
    Draw,
    /// Read the fleet anew.
    Fetch,
    /// Leave.
    Leave,
}

/// What is being typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Typing {
    Nothing,
    Filter,
    Command(String),
}

/// The state of the screen.
#[derive(Debug)]
pub struct App {
    pub(crate) picture: Picture,
    /// Where one came from, the present view at the end; never empty.
    pub(crate) trail: Vec<View>,
    pub(crate) filter: String,
    pub(crate) typing: Typing,
    /// Row of the cursor, or first line of a text.
    pub(crate) at: usize,
    /// What is said at the bottom: an unknown command, a server that does not answer.
    pub(crate) note: String,
}

impl Default for App {
    fn default() -> Self {
        Self::new()
    }
}

impl App {
    /// The fleet, before it was read.
    #[must_use]
    pub fn new() -> Self {
        Self {
            picture: Picture::default(),
            trail: vec![View::Clusters],
            filter: String::new(),
            typing: Typing::Nothing,
            at: 0,
            note: "reading the fleet".to_owned(),
        }
    }

    /// Shows what was read. The cursor stays on its row, wherever that is now.
    pub fn take(&mut self, picture: Picture) {
        let key = self.rows().get(self.at).map(|row| row.key.clone());
        self.picture = picture;
        self.note.clear();
        if let Some(key) = key
            && let Some(at) = self.rows().iter().position(|row| row.key == key)
        {
            self.at = at;
        }
        self.bound();
    }

    /// Says why the picture is old.
    pub fn trouble(&mut self, why: &str) {
        why.clone_into(&mut self.note);
    }

    /// What is on the screen.
    #[must_use]
    pub fn view(&self) -> &View {
        self.trail.last().unwrap_or(&View::Clusters)
    }

    pub(crate) fn rows(&self) -> Vec<Row> {
        rows(&self.picture, self.view(), &self.filter)
    }

    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent) -> Do {
        if key.modifiers.contains(KeyModifiers::CONTROL) && matches!(key.code, KeyCode::Char('c' | 'd')) {
            return Do::Leave;
        }
        let done = match self.typing.clone() {
            Typing::Nothing => self.move_key(key.code),
            Typing::Filter => self.filter_key(key.code),
            Typing::Command(text) => self.command_key(key.code, text),
        };
        self.bound();
        done
    }

    fn move_key(&mut self, code: KeyCode) -> Do {
        match code {
            KeyCode::Down | KeyCode::Char('j') => self.at = self.at.saturating_add(1),
            KeyCode::Up | KeyCode::Char('k') => self.at = self.at.saturating_sub(1),
            KeyCode::PageDown | KeyCode::Char(' ') => self.at = self.at.saturating_add(PAGE),
            KeyCode::PageUp => self.at = self.at.saturating_sub(PAGE),
            KeyCode::Home | KeyCode::Char('g') => self.at = 0,
            KeyCode::End | KeyCode::Char('G') => self.at = usize::MAX,
            KeyCode::Enter => self.enter(),
            KeyCode::Char('/') => self.typing = Typing::Filter,
            KeyCode::Char(':') => self.typing = Typing::Command(String::new()),
            KeyCode::Char('?') if *self.view() != View::Help => self.go(View::Help),
            KeyCode::Char('r') => return Do::Fetch,
            KeyCode::Char('q') if self.trail.len() == 1 => return Do::Leave,
            KeyCode::Esc | KeyCode::Char('q') => self.back(),
            _ => {}
        }
        Do::Draw
    }

    fn filter_key(&mut self, code: KeyCode) -> Do {
        match code {
            KeyCode::Char(letter) => self.filter.push(letter),
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Esc => {
                self.filter.clear();
                self.typing = Typing::Nothing;
            }
            KeyCode::Enter | KeyCode::Down => self.typing = Typing::Nothing,
            _ => {}
        }
        self.at = 0;
        Do::Draw
    }

    fn command_key(&mut self, code: KeyCode, mut text: String) -> Do {
        match code {
            KeyCode::Char(letter) => text.push(letter),
            KeyCode::Backspace if text.is_empty() => {
                self.typing = Typing::Nothing;
                return Do::Draw;
            }
            KeyCode::Backspace => {
                text.pop();
            }
            KeyCode::Esc => {
                self.typing = Typing::Nothing;
                return Do::Draw;
            }
            KeyCode::Enter => {
                self.typing = Typing::Nothing;
                return self.command(text.trim());
            }
            _ => {}
        }
        self.typing = Typing::Command(text);
        Do::Draw
    }

    fn command(&mut self, text: &str) -> Do {
        if matches!(text, "q" | "quit" | "q!") {
            return Do::Leave;
        }
        match View::of(text) {
            Some(View::Cluster(alias)) if !self.knows(&alias) => self.note = format!("there is no cluster {alias:?}"),
            Some(view) => {
                self.trail.clear();
                if matches!(view, View::Cluster(_)) {
                    self.trail.push(View::Clusters);
                }
                self.go(view);
            }
            None if text.is_empty() => {}
            None => {
                self.note =
                    format!("there is no view {text:?}: clusters, cluster NAME, updates, rollouts, blocks, help, q")
            }
        }
        Do::Draw
    }

    fn knows(&self, alias: &str) -> bool {
        self.picture
            .clusters
            .iter()
            .any(|line| line.cluster.alias.as_str() == alias)
    }

    fn go(&mut self, view: View) {
        self.trail.push(view);
        self.filter.clear();
        self.note.clear();
        self.at = 0;
    }

    fn enter(&mut self) {
        let Some(row) = self.rows().into_iter().nth(self.at) else {
            return;
        };
        match self.view() {
            View::Clusters | View::Blocks | View::Rollouts => self.go(View::Cluster(row.key)),
            View::Updates => self.go(View::Update(row.key)),
            View::Cluster(_) | View::Update(_) | View::Help => {}
        }
    }

    /// First the filter goes, then the view.
    fn back(&mut self) {
        self.note.clear();
        if !self.filter.is_empty() {
            self.filter.clear();
        } else if self.trail.len() > 1 {
            self.trail.pop();
            self.at = 0;
        }
    }

    fn bound(&mut self) {
        let last = match self.view() {
            View::Cluster(_) | View::Update(_) | View::Help => crate::draw::text(self).len(),
            _ => self.rows().len(),
        };
        self.at = self.at.min(last.saturating_sub(1));
    }
}
