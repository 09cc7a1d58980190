//! Query parameters, read strictly: unknown, repeated and broken ones are refused by name.

use std::collections::BTreeMap;

use axum::extract::FromRequestParts;
use http::request::Parts;
use model::{AccountLifecycle, ClusterId, Invalid, LifecycleStatus};
use percent_encoding::percent_decode_str;
use ports::registry::{AccountFilter, ClusterFilter, Detail, ImportMode, PageRequest};
use registry_api::{ErrorKind, MAX_LIMIT, decode_cursor};
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use crate::error::ApiError;
use crate::state::AppState;

/// Parameters that have not been asked for yet, and what was wrong with the others.
pub(crate) struct Params {
    values: BTreeMap<String, String>,
    asked: Vec<&'static str>,
    problems: Vec<Invalid>,
}

impl Params {
    pub(crate) fn read(query: &str) -> Result<Self, ApiError> {
        let mut this = Self {
            values: BTreeMap::new(),
            asked: Vec::new(),
            problems: Vec::new(),
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            if value.contains('\0') {
                this.problems
                    .push(Invalid::hidden(&name, "must not contain the character U+0000", &value));
            }
            if this.values.insert(name.clone(), value.clone()).is_some() {
                this.problems.push(Invalid::hidden(name, "must be given once", &value));
            }
        }
        Ok(this)
    }

    /// The parameter as text.
    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        self.asked.push(name);
        self.values.remove(name)
    }

    /// The parameter as `parse` reads it; `rule` says what it must be.
    pub(crate) fn parsed<T>(
        &mut self,
        name: &'static str,
        rule: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(name)?;
        let value = parse(&text);
        if value.is_none() {
            self.problems.push(Invalid::new(name, rule, text));
        }
        value
    }

    /// Nothing when every parameter was known and sound.
    pub(crate) fn finish(mut self) -> Result<(), ApiError> {
        let known = if self.asked.is_empty() {
            "is not known: the operation takes no query parameters".to_owned()
        } else {
            format!("is not known: the operation takes {}", self.asked.join(", "))
        };
        for (name, value) in &self.values {
            let shown: String = name.chars().take(64).collect();
            self.problems.push(Invalid::hidden(shown, known.clone(), value));
        }
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(self.problems.into())
        }
    }

    fn page(&mut self) -> PageRequest {
        PageRequest {
            limit: self.limit(),
            after: self.parsed("continue", "must be the member `continue` of an answer", decode_cursor),
        }
    }

    fn limit(&mut self) -> Option<usize> {
        let in_bounds = |text: &str| text.parse().ok().filter(|n| (1..=MAX_LIMIT).contains(n));
        self.parsed("limit", "must be a number from 1 to 1000", in_bounds)
    }

    fn number(&mut self, name: &'static str) -> Option<i32> {
        self.parsed(name, "must be a number of 32 bits", |text| text.parse().ok())
    }

    fn flag(&mut self, name: &'static str) -> Option<bool> {
        self.parsed(name, "must be true or false", |text| text.parse().ok())
    }
}

fn decode(text: &str) -> Result<String, ApiError> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| ApiError::new(ErrorKind::Malformed, "the query is not UTF-8"))
}

/// One of a unit-only enumeration, by its spelling on the wire.
fn named<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).ok()
}

/// A set of query parameters.
pub(crate) trait FromParams: Sized {
    /// Takes its parameters; problems gather in `params`.
    fn take(params: &mut Params) -> Self;
}

/// The query of an operation; everything that `T` does not take is refused.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: FromParams> FromRequestParts<AppState> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        let mut params = Params::read(parts.uri.query().unwrap_or_default())?;
        let taken = T::take(&mut params);
        params.finish()?;
        Ok(Self(taken))
    }
}

/// For operations without query parameters.
pub(crate) struct NoQuery;

impl FromParams for NoQuery {
    fn take(_: &mut Params) -> Self {
        Self
    }
}

/// Which part of a list is asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "the fields stand for the parameters in the OpenAPI document")]
pub(crate) struct PageParams {
    /// Most entries of the answer; all when absent.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Member `continue` of the page before.
    #[param(pattern = "^1([2-6][0-9a-f]|7[0-9a-e])+$", max_length = 1025)]
    r#continue: Option<String>,
}

/// A page of a history.
pub(crate) struct PageQuery(pub(crate) PageRequest);

impl IntoParams for PageQuery {
    fn into_params(
        parameter_in_provider: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        HistoryPageParams::into_params(parameter_in_provider)
    }
}

impl FromParams for PageQuery {
    fn take(params: &mut Params) -> Self {
        Self(params.page())
    }
}

/// As [`PageParams`], for histories: their pages start after a sequence number.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "the fields stand for the parameters in the OpenAPI document")]
pub(crate) struct HistoryPageParams {
    /// Most entries of the answer; all when absent.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Member `continue` of the page before.
    #[param(pattern = "^1(3[0-9]){1,18}$")]
    r#continue: Option<String>,
}

/// Whether config items and node pools are asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ClusterQuery {
    /// `false` leaves out config items and node pools.
    #[param(value_type = Option<bool>)]
    pub(crate) verbose: Detail,
}

fn detail(params: &mut Params) -> Detail {
    match params.flag("verbose") {
        Some(false) => Detail::Brief,
        _ => Detail::Full,
    }
}

impl FromParams for ClusterQuery {
    fn take(params: &mut Params) -> Self {
        Self {
            verbose: detail(params),
        }
    }
}

/// Filters over clusters.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "the fields stand for the parameters in the OpenAPI document")]
pub(crate) struct ClusterFilterParams {
    /// By alias.
    #[param(pattern = "^[^\\x00]*$")]
    alias: Option<String>,
    /// By URL of the Kubernetes API.
    #[param(pattern = "^[^\\x00]*$")]
    api_server_url: Option<String>,
    /// By channel.
    #[param(pattern = "^[^\\x00]*$")]
    channel: Option<String>,
    /// By criticality level.
    criticality_level: Option<i32>,
    /// By environment.
    #[param(pattern = "^[^\\x00]*$")]
    environment: Option<String>,
    /// By account id.
    #[param(pattern = "^[^\\x00]*$")]
    infrastructure_account: Option<String>,
    /// By state.
    #[param(inline = false)]
    lifecycle_status: Option<LifecycleStatus>,
    /// By local id.
    #[param(pattern = "^[^\\x00]*$")]
    local_id: Option<String>,
    /// By provider.
    #[param(pattern = "^[^\\x00]*$")]
    provider: Option<String>,
    /// By region.
    #[param(pattern = "^[^\\x00]*$")]
    region: Option<String>,
    /// By cost center of the account.
    #[param(pattern = "^[^\\x00]*$")]
    cost_center: Option<String>,
}

/// Which clusters are asked for, and how much of each.
pub(crate) struct ClusterListQuery {
    pub(crate) filter: ClusterFilter,
    pub(crate) detail: Detail,
    pub(crate) page: PageRequest,
}

impl IntoParams for ClusterListQuery {
    fn into_params(
        parameter_in_provider: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        let mut params = ClusterFilterParams::into_params(&parameter_in_provider);
        params.extend(ClusterQuery::into_params(&parameter_in_provider));
        params.extend(PageParams::into_params(&parameter_in_provider));
        params
    }
}

impl FromParams for ClusterListQuery {
    fn take(params: &mut Params) -> Self {
        let states = "must be one of requested, creating, ready, decommission-requested, decommissioned";
        Self {
            filter: ClusterFilter {
                alias: params.text("alias"),
                api_server_url: params.text("api_server_url"),
                channel: params.text("channel"),
                criticality_level: params.number("criticality_level"),
                environment: params.text("environment"),
                infrastructure_account: params.text("infrastructure_account"),
                lifecycle_status: params.parsed("lifecycle_status", states, named),
                local_id: params.text("local_id"),
                provider: params.text("provider"),
                region: params.text("region"),
                cost_center: params.text("cost_center"),
            },
            detail: detail(params),
            page: params.page(),
        }
    }
}

/// Filters over accounts.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "the fields stand for the parameters in the OpenAPI document")]
pub(crate) struct AccountFilterParams {
    /// By criticality level.
    criticality_level: Option<i32>,
    /// By environment.
    #[param(pattern = "^[^\\x00]*$")]
    environment: Option<String>,
    /// By id at the provider.
    #[param(pattern = "^[^\\x00]*$")]
    external_id: Option<String>,
    /// By state.
    #[param(inline = false)]
    lifecycle_status: Option<AccountLifecycle>,
    /// By name.
    #[param(pattern = "^[^\\x00]*$")]
    name: Option<String>,
    /// By owner.
    #[param(pattern = "^[^\\x00]*$")]
    owner: Option<String>,
    /// By kind.
    #[param(pattern = "^[^\\x00]*$")]
    r#type: Option<String>,
    /// By cost center.
    #[param(pattern = "^[^\\x00]*$")]
    cost_center: Option<String>,
}

/// Which accounts are asked for.
pub(crate) struct AccountQuery {
    pub(crate) filter: AccountFilter,
    pub(crate) page: PageRequest,
}

impl IntoParams for AccountQuery {
    fn into_params(
        parameter_in_provider: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        let mut params = AccountFilterParams::into_params(&parameter_in_provider);
        params.extend(PageParams::into_params(&parameter_in_provider));
        params
    }
}

impl FromParams for AccountQuery {
    fn take(params: &mut Params) -> Self {
        let states = "must be one of requested, creating, ready, decommissioned";
        Self {
            filter: AccountFilter {
                criticality_level: params.number("criticality_level"),
                environment: params.text("environment"),
                external_id: params.text("external_id"),
                lifecycle_status: params.parsed("lifecycle_status", states, named),
                name: params.text("name"),
                owner: params.text("owner"),
                kind: params.text("type"),
                cost_center: params.text("cost_center"),
            },
            page: params.page(),
        }
    }
}

/// Filters over entries of the ledger.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "the fields stand for the parameters in the OpenAPI document")]
pub(crate) struct LedgerFilterParams {
    /// By id of the cluster.
    #[param(inline = false)]
    cluster_id: Option<ClusterId>,
    /// Those that go on, or those that are over; both when absent.
    open: Option<bool>,
}

/// Which blocks or updates are asked for.
pub(crate) struct LedgerQuery {
    pub(crate) cluster: Option<ClusterId>,
    pub(crate) open: Option<bool>,
    pub(crate) page: PageRequest,
}

impl IntoParams for LedgerQuery {
    fn into_params(
        parameter_in_provider: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        let mut params = LedgerFilterParams::into_params(&parameter_in_provider);
        params.extend(PageParams::into_params(&parameter_in_provider));
        params
    }
}

impl FromParams for LedgerQuery {
    fn take(params: &mut Params) -> Self {
        Self {
            cluster: params.parsed("cluster_id", "must be the id of a cluster", |text| text.parse().ok()),
            open: params.flag("open"),
            page: params.page(),
        }
    }
}

/// Which acts are asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ActQuery {
    /// Those that hold, or those that are over; both when absent.
    pub(crate) open: Option<bool>,
}

impl FromParams for ActQuery {
    fn take(params: &mut Params) -> Self {
        Self {
            open: params.flag("open"),
        }
    }
}

/// Which changes are asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ChangesQuery {
    /// Changes after this sequence number; all when absent.
    #[param(value_type = Option<i64>, minimum = 0)]
    pub(crate) after: i64,
    /// `false` answers the changes that there are as a list, instead of a stream that goes on.
    #[param(value_type = Option<bool>)]
    pub(crate) follow: bool,
    /// Most entries of a list (`follow=false`); 1000 when absent.
    #[param(minimum = 1, maximum = 1000)]
    pub(crate) limit: Option<usize>,
}

impl FromParams for ChangesQuery {
    fn take(params: &mut Params) -> Self {
        let position = |text: &str| text.parse().ok().filter(|n: &i64| *n >= 0);
        Self {
            after: params
                .parsed("after", "must be a sequence number, 0 or more", position)
                .unwrap_or_default(),
            follow: params.flag("follow").unwrap_or(true),
            limit: params.limit(),
        }
    }
}

/// How an import treats objects that exist.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ImportQuery {
    /// `create` (every object must be new) or `apply` (bring them to what the document says).
    #[param(value_type = Option<registry_api::ImportModeName>)]
    pub(crate) mode: ImportMode,
}

impl FromParams for ImportQuery {
    fn take(params: &mut Params) -> Self {
        Self {
            mode: params
                .parsed("mode", "must be create or apply", named)
                .unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal<T: FromParams>(query: &str) -> String {
        let read = Params::read(query).and_then(|mut params| {
            T::take(&mut params);
            params.finish()
        });
        read.err().map(|error| error.body().detail.clone()).unwrap_or_default()
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        for (query, expected) in [
            ("", ""),
            ("verbose=false", ""),
            ("verbose=no", "verbose: must be true or false, got \"no\""),
            (
                "verbose=true&verbose=true",
                "verbose: must be given once, got <4 bytes>",
            ),
            (
                "alias=x",
                "alias: is not known: the operation takes verbose, got <1 bytes>",
            ),
            ("verbose=%ff", "the query is not UTF-8"),
            (
                "verbose=%00",
                "verbose: must not contain the character U+0000, got <1 bytes>; verbose: must be true or false, got \"\\0\"",
            ),
        ] {
            assert_eq!(refusal::<ClusterQuery>(query), expected, "{query}");
        }
        for (query, expected) in [
            ("limit=1000&continue=16161", ""),
            ("limit=0", "limit: must be a number from 1 to 1000, got \"0\""),
            ("limit=1001", "limit: must be a number from 1 to 1000, got \"1001\""),
            (
                "continue=zz",
                "continue: must be the member `continue` of an answer, got \"zz\"",
            ),
        ] {
            assert_eq!(refusal::<PageQuery>(query), expected, "{query}");
        }
        assert_eq!(
            refusal::<NoQuery>("a=b"),
            "a: is not known: the operation takes no query parameters, got <1 bytes>"
        );
    }

    #[test]
    fn plus_and_percent_are_decoded() {
        let mut params = Params::read("alias=a+b%20c").ok().unwrap();
        assert_eq!(params.text("alias").as_deref(), Some("a b c"));
    }
}
