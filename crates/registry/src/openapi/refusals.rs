//! What operations answer, by kind of operation, so that no operation can forget one.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use registry_api::{ErrorBody, ErrorKind, PROBLEM_JSON};
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::{
    Content, ContentBuilder, KnownFormat, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder, SchemaFormat, Type,
};
use utoipa::{IntoParams, IntoResponses, PartialSchema, ToSchema};

type Responses = BTreeMap<String, RefOr<Response>>;

/// What any operation may answer.
const ALWAYS: &[ErrorKind] = &[
    ErrorKind::Malformed,
    ErrorKind::Invalid,
    ErrorKind::Unauthorized,
    ErrorKind::Forbidden,
    ErrorKind::Internal,
    ErrorKind::Busy,
    ErrorKind::Unavailable,
];
/// What an operation with a body may answer.
const BODY: &[ErrorKind] = &[ErrorKind::Timeout, ErrorKind::TooLarge, ErrorKind::UnsupportedMediaType];

fn refusals(sets: &[&[ErrorKind]]) -> Responses {
    let mut by_status: BTreeMap<u16, Vec<ErrorKind>> = BTreeMap::new();
    for kind in sets.iter().copied().flatten() {
        by_status.entry(kind.status()).or_default().push(*kind);
    }
    by_status
        .into_iter()
        .map(|(status, kinds)| (status.to_string(), refusal(status, &kinds).into()))
        .collect()
}

fn refusal(status: u16, kinds: &[ErrorKind]) -> Response {
    let titles: Vec<&str> = kinds.iter().map(|kind| kind.title()).collect();
    let problem = ContentBuilder::new().schema(Some(reference::<ErrorBody>())).build();
    let response = ResponseBuilder::new()
        .description(titles.join("; "))
        .content(PROBLEM_JSON, problem);
    match status {
        401 => response.header("WWW-Authenticate", text_header("How to authenticate (RFC 6750)")),
        503 => response.header("Retry-After", number_header("Seconds after which to try again")),
        _ => response,
    }
    .build()
}

fn text_header(description: &str) -> utoipa::openapi::Header {
    HeaderBuilder::new()
        .schema(Some(ObjectBuilder::new().schema_type(Type::String).build()))
        .description(Some(description))
        .build()
}

fn number_header(description: &str) -> utoipa::openapi::Header {
    let number = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(0));
    HeaderBuilder::new()
        .schema(Some(number.build()))
        .description(Some(description))
        .build()
}

fn reference<T: ToSchema>() -> Ref {
    Ref::from_schema_name(T::name())
}

fn json<T: ToSchema>() -> Content {
    ContentBuilder::new().schema(Some(reference::<T>())).build()
}

const ETAG: &str = "The revision in quotes, for If-Match and If-None-Match";

/// An object with the tag of its revision.
pub(crate) struct Tagged<const STATUS: u16, T>(PhantomData<T>);

impl<const STATUS: u16, T: ToSchema + PartialSchema> IntoResponses for Tagged<STATUS, T> {
    fn responses() -> Responses {
        let description = if STATUS == 201 { "It is made" } else { "As it is now" };
        let mut response = ResponseBuilder::new()
            .description(description)
            .content("application/json", json::<T>())
            .header("ETag", text_header(ETAG));
        if STATUS == 201 {
            response = response.header("Location", text_header("Path of the new object"));
        }
        BTreeMap::from([(STATUS.to_string(), response.build().into())])
    }
}

/// A part of a cluster that is gone.
pub(crate) struct Removed;

impl IntoResponses for Removed {
    fn responses() -> Responses {
        let tag = "After If-Match with a revision: the one that the cluster is at now, in quotes";
        let response = ResponseBuilder::new()
            .description("It is gone")
            .header("ETag", text_header(tag));
        BTreeMap::from([("204".to_owned(), response.build().into())])
    }
}

macro_rules! refusals_type {
    ($(#[$doc:meta])* $name:ident = $($set:expr),+) => {
        $(#[$doc])*
        pub(crate) struct $name;

        impl IntoResponses for $name {
            fn responses() -> Responses {
                refusals(&[ALWAYS, $($set),+])
            }
        }
    };
}

refusals_type!(
    /// Of operations that list.
    ListRefusals = &[]
);
refusals_type!(
    /// Of operations that make an object.
    CreateRefusals = BODY, &[ErrorKind::AlreadyExists, ErrorKind::NotFound]
);
refusals_type!(
    /// Of operations that change an object with a body.
    WriteRefusals = BODY, &[ErrorKind::NotFound, ErrorKind::AlreadyExists, ErrorKind::FenceLost, ErrorKind::WrongRevision]
);
refusals_type!(
    /// Of operations that remove an object.
    DeleteRefusals = &[ErrorKind::NotFound, ErrorKind::FenceLost, ErrorKind::WrongRevision]
);
refusals_type!(
    /// Of the operation that sets a block.
    LedgerRefusals = BODY, &[ErrorKind::NotFound, ErrorKind::FenceLost]
);
refusals_type!(
    /// Of operations that lift blocks.
    LiftRefusals = &[ErrorKind::NotFound, ErrorKind::FenceLost]
);
refusals_type!(
    /// Of operations that ask for deletions or agree to them.
    AgreeRefusals = BODY, &[ErrorKind::NotFound, ErrorKind::FenceLost, ErrorKind::WrongRevision]
);
refusals_type!(
    /// Of the operation that writes an entry.
    EntryRefusals = BODY, &[ErrorKind::NotFound, ErrorKind::FenceLost, ErrorKind::WrongRevision]
);
refusals_type!(
    /// Of the operation that calls deletions off.
    CancelRefusals = &[ErrorKind::NotFound, ErrorKind::FenceLost, ErrorKind::WrongRevision]
);
refusals_type!(
    /// Of the operation that reads a history.
    HistoryRefusals = &[ErrorKind::NotFound]
);
refusals_type!(
    /// Of the operation that imports.
    ImportRefusals = BODY, &[ErrorKind::AlreadyExists, ErrorKind::NotFound, ErrorKind::FenceLost, ErrorKind::WrongRevision]
);

/// Of operations that read one object.
pub(crate) struct ReadRefusals;

impl IntoResponses for ReadRefusals {
    fn responses() -> Responses {
        let mut all = refusals(&[ALWAYS, &[ErrorKind::NotFound]]);
        let unchanged = ResponseBuilder::new()
            .description("The caller has this revision already (If-None-Match)")
            .header("ETag", text_header(ETAG));
        all.insert("304".to_owned(), unchanged.build().into());
        all
    }
}

/// The change feed's two forms.
pub(crate) struct FeedAnswers;

impl IntoResponses for FeedAnswers {
    fn responses() -> Responses {
        let text = ObjectBuilder::new().schema_type(Type::String).build();
        let response = ResponseBuilder::new()
            .description("A stream of server-sent events, or a list (follow=false)")
            .content("text/event-stream", ContentBuilder::new().schema(Some(text)).build())
            .content("application/json", json::<registry_api::ChangeList>());
        BTreeMap::from([("200".to_owned(), response.build().into())])
    }
}

/// Answers of the operation that exports.
pub(crate) struct ExportAnswers;

impl IntoResponses for ExportAnswers {
    fn responses() -> Responses {
        let mut all = refusals(&[ALWAYS, &[ErrorKind::NotAcceptable]]);
        let mut response = ResponseBuilder::new().description("The whole registry");
        for kind in [
            "application/yaml",
            "application/x-yaml",
            "text/yaml",
            "text/x-yaml",
            "application/json",
        ] {
            response = response.content(kind, json::<model::FileRegistry>());
        }
        all.insert("200".to_owned(), response.build().into());
        all
    }
}

/// Conditions of a write.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "the field stands for the header in the OpenAPI document")]
pub(crate) struct WriteHeaders {
    /// Revision in quotes that the object must be at, or `*` for any.
    #[param(rename = "If-Match", pattern = r#"^(\*|"[0-9]{1,18}")$"#)]
    if_match: Option<String>,
}

/// Conditions of a read.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "the field stands for the header in the OpenAPI document")]
pub(crate) struct ReadHeaders {
    /// Revisions in quotes that the caller has; 304 when the object is at one of them.
    #[param(rename = "If-None-Match")]
    if_none_match: Option<String>,
}
