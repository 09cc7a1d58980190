//! What a reader tolerates and how much it is willing to build.

/// What happens when a mapping has the same key twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DuplicateKeys {
    /// The last one wins and a warning names the place (fact 45).
    WarnLastWins,
    /// The document is refused.
    Refuse,
}

/// Which bare words are booleans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Booleans {
    /// YAML 1.1: also `yes`, `no`, `on`, `off`, `y`, `n`; each use is reported as a warning.
    Legacy,
    /// Only `true` and `false` in their three spellings; the others are strings.
    Strict,
}

/// Bounds against hostile input. Each is checked while reading, before the memory is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest text, in bytes.
    pub text_bytes: usize,
    /// Deepest nesting, aliases followed.
    pub depth: usize,
    /// Most nodes of all documents together, aliases expanded.
    pub nodes: usize,
    /// Most bytes of scalars of all documents together, aliases expanded.
    pub scalar_bytes: usize,
    /// Most warnings that are kept for one stream.
    pub warnings: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            text_bytes: 16 << 20,
            depth: 100,
            nodes: 500_000,
            scalar_bytes: 64 << 20,
            warnings: 1000,
        }
    }
}

/// How to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Treatment of duplicate keys.
    pub duplicate_keys: DuplicateKeys,
    /// Which bare words are booleans.
    pub booleans: Booleans,
    /// Bounds.
    pub limits: Limits,
    /// A node with a local tag becomes a mapping with the tag as its only key: `!Ref Key` is `{"!Ref": "Key"}`. Without
    /// it the tag is lost, with a warning. For stack templates, whose short functions are such tags.
    pub keep_local_tags: bool,
}

impl Options {
    /// For manifests: what kubectl tolerates is tolerated, with warnings.
    #[must_use]
    pub fn manifests() -> Self {
        Self {
            duplicate_keys: DuplicateKeys::WarnLastWins,
            booleans: Booleans::Legacy,
            limits: Limits::default(),
            keep_local_tags: false,
        }
    }

    /// For files that only this project reads: duplicate keys are refused and only `true` and `false` are booleans.
    #[must_use]
    pub fn strict() -> Self {
        Self {
            duplicate_keys: DuplicateKeys::Refuse,
            booleans: Booleans::Strict,
            limits: Limits::default(),
            keep_local_tags: false,
        }
    }

    /// For stack templates that are to be understood and not only passed on: local tags are kept, duplicate keys
    /// refused, and `Y` is a name like any other.
    #[must_use]
    pub fn templates() -> Self {
        Self {
            keep_local_tags: true,
            ..Self::strict()
        }
    }

    /// The same with duplicate keys refused, as `files.yaml` of node pools is read.
    #[must_use]
    pub fn refusing_duplicates(mut self) -> Self {
        self.duplicate_keys = DuplicateKeys::Refuse;
        self
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::manifests()
    }
}
