//! The OpenAPI document, made from the operations, and the page that shows it without a network.

mod refusals;
mod schemas;

use axum::response::IntoResponse;
use http::header;
use serde_json::Value;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

pub(crate) use refusals::{
    AgreeRefusals, CancelRefusals, CreateRefusals, DeleteRefusals, EntryRefusals, ExportAnswers, FeedAnswers,
    HistoryRefusals, ImportRefusals, LedgerRefusals, LiftRefusals, ListRefusals, ReadHeaders, ReadRefusals, Removed,
    Tagged, WriteHeaders, WriteRefusals,
};

/// Where the page finds its script.
pub(crate) const SCRIPT_PATH: &str = "/docs/page.js";

/// What the document says beside the operations. Schemas that only answers use are named here, since they reach the
/// document through no operation's signature.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Cluster Registry",
        description = "The list of all clusters: the API that the original Cluster Lifecycle Manager speaks, plus paging, \
                       revisions, change feed, history, import and export. Every refusal is a problem document (RFC 7807).",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "InfrastructureAccounts", description = "Where clusters live and who pays for them"),
        (name = "KubernetesClusters", description = "Clusters"),
        (name = "ConfigItems", description = "Config items of clusters and node pools"),
        (name = "NodePools", description = "Groups of equal nodes"),
        (name = "Changes", description = "What happened, as it happens and afterwards"),
        (name = "Blocks", description = "Refusals to update a cluster"),
        (name = "Approvals", description = "Requests and agreements to deletions"),
        (name = "Channels", description = "Where each channel stands, and the gates between them"),
        (name = "Waves", description = "What people do to the movement of the fleet"),
        (name = "Updates", description = "How clusters were brought to their versions"),
        (name = "Rollouts", description = "How nodes were replaced, and what was forced on the way"),
        (name = "Ledger", description = "What the engine writes down, as it is"),
        (name = "Transfer", description = "The whole registry as one document")
    ),
    security(("bearer" = [])),
    components(schemas(
        model::Cluster, model::ClusterUpdate, model::ClusterStatus, model::Problem, model::LifecycleStatus,
        model::ClusterId, model::AccountId, model::Alias, model::ConfigKey, model::NodePoolName,
        model::InfrastructureAccount, model::InfrastructureAccountUpdate, model::AccountLifecycle,
        model::NodePool, model::NodePoolUpdate, model::FileRegistry, model::FileCluster,
        registry_api::ErrorBody, registry_api::FieldError, registry_api::ClusterList, registry_api::AccountList,
        registry_api::NodePoolList, registry_api::ConfigValue, registry_api::ChangeEvent, registry_api::ChangeList,
        registry_api::HistoryList, registry_api::HistoryEntry, registry_api::FieldChange, registry_api::ImportReport,
        registry_api::BlockEntry, registry_api::BlockList, registry_api::BlockDraft, registry_api::UpdateEntry,
        registry_api::UpdateList, registry_api::ApprovalEntry, registry_api::ApprovalList, registry_api::ApprovalDraft,
        registry_api::DecommissionDraft, registry_api::ActEntry, registry_api::ActList, registry_api::ActDraft,
        registry_api::ActName, registry_api::LedgerEntry, registry_api::LedgerEntryList,
        registry_api::LedgerEntryDraft, registry_api::GuardedName, registry_api::StandingName, model::BlockScope, model::Lifted, model::Update, model::UpdateStep, model::Progress,
        registry_api::ChannelList, registry_api::GateAgreementList, registry_api::GateAgreementDraft,
        registry_api::ObjectKindName, registry_api::ActionName, registry_api::ImportModeName
    ))
)]
struct Frame;

/// The document before any operation is added.
pub(crate) fn frame() -> utoipa::openapi::OpenApi {
    let mut document = Frame::openapi();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("A token of the server's token file, or a JWT of its OIDC issuer."))
        .build();
    document
        .components
        .get_or_insert_default()
        .add_security_scheme("bearer", SecurityScheme::Http(bearer));
    document
}

/// The document as it is served: with the rules that attributes on the types cannot express.
pub(crate) fn finish(document: utoipa::openapi::OpenApi) -> Value {
    let mut value = serde_json::to_value(document).unwrap_or_default();
    schemas::tighten(&mut value);
    value
}

/// The OpenAPI 3.1 document of the server, as `/openapi.json` serves it and `openapi/registry.json` keeps it.
#[must_use]
pub fn openapi_document() -> Value {
    finish(crate::routes::operations().into_openapi())
}

/// The page. It loads nothing from elsewhere, and its policy forbids it to.
pub(crate) async fn page() -> impl IntoResponse {
    let policy = "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'; \
                  base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let head = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy),
    ];
    (head, include_str!("openapi/page.html"))
}

/// The page's script.
pub(crate) async fn script() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")],
        include_str!("openapi/page.js"),
    )
}
