//! Kinds of errors, each with its URI, status code and title.

/// Why a request was refused or failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorKind {
    /// The request cannot be read: not JSON, not UTF-8, a malformed header.
    Malformed,
    /// The object breaks rules; `errors` lists each.
    Invalid,
    /// The caller is not known.
    Unauthorized,
    /// The caller's role, or the state of the object, does not allow it.
    Forbidden,
    /// There is no such object.
    NotFound,
    /// There is no such path.
    NoSuchPath,
    /// The path does not take this method; the header `Allow` names those that it does.
    MethodNotAllowed,
    /// None of the offered content types is accepted.
    NotAcceptable,
    /// The request did not arrive in time.
    Timeout,
    /// A value that must be unique is taken.
    AlreadyExists,
    /// The writer no longer holds the lease that it wrote under.
    FenceLost,
    /// The object is not at the revision that the writer expected.
    WrongRevision,
    /// The body is larger than the server takes.
    TooLarge,
    /// The body is of a content type that the operation does not take.
    UnsupportedMediaType,
    /// The server failed.
    Internal,
    /// The server is overloaded, starting or stopping.
    Busy,
    /// The store cannot be reached.
    Unavailable,
}

impl ErrorKind {
    /// Every kind.
    pub const ALL: [Self; 17] = [
        Self::Malformed,
        Self::Invalid,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::NoSuchPath,
        Self::MethodNotAllowed,
        Self::NotAcceptable,
        Self::Timeout,
        Self::AlreadyExists,
        Self::FenceLost,
        Self::WrongRevision,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::Internal,
        Self::Busy,
        Self::Unavailable,
    ];

    /// URI, status code and title.
    const fn facts(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::Malformed => ("urn:fleetwright:error:malformed", 400, "The request cannot be read"),
            Self::Invalid => ("urn:fleetwright:error:invalid", 400, "The request breaks rules"),
            Self::Unauthorized => ("urn:fleetwright:error:unauthorized", 401, "The caller is not known"),
            Self::Forbidden => ("urn:fleetwright:error:forbidden", 403, "Not allowed"),
            Self::NotFound => ("urn:fleetwright:error:not-found", 404, "No such object"),
            Self::NoSuchPath => ("urn:fleetwright:error:no-such-path", 404, "No such path"),
            Self::MethodNotAllowed => (
                "urn:fleetwright:error:method-not-allowed",
                405,
                "The path does not take this method",
            ),
            Self::NotAcceptable => (
                "urn:fleetwright:error:not-acceptable",
                406,
                "No accepted content type is offered",
            ),
            Self::Timeout => (
                "urn:fleetwright:error:timeout",
                408,
                "The request did not arrive in time",
            ),
            Self::AlreadyExists => ("urn:fleetwright:error:already-exists", 409, "A unique value is taken"),
            Self::FenceLost => ("urn:fleetwright:error:fence-lost", 409, "The lease is no longer held"),
            Self::WrongRevision => ("urn:fleetwright:error:wrong-revision", 412, "The object has changed"),
            Self::TooLarge => ("urn:fleetwright:error:too-large", 413, "The body is too large"),
            Self::UnsupportedMediaType => (
                "urn:fleetwright:error:unsupported-media-type",
                415,
                "The content type is not taken",
            ),
            Self::Internal => ("urn:fleetwright:error:internal", 500, "The server failed"),
            Self::Busy => ("urn:fleetwright:error:busy", 503, "The server is busy"),
            Self::Unavailable => ("urn:fleetwright:error:unavailable", 503, "The store cannot be reached"),
        }
    }

    /// The URI that names this kind, member `type` of the body.
    #[must_use]
    pub const fn uri(self) -> &'static str {
        self.facts().0
    }

    /// The HTTP status code.
    #[must_use]
    pub const fn status(self) -> u16 {
        self.facts().1
    }

    /// One line for people, the same for every occurrence.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.facts().2
    }

    /// The kind of this URI.
    #[must_use]
    pub fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.uri() == uri)
    }
}
