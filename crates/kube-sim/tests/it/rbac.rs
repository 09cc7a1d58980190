//! Role-based access control: who may do what, and who may grant it.

use std::sync::Arc;

use http::{Method, Request};
use http_body_util::BodyExt;
use json_tree::{Value, json};
use kube_sim::{
    ApiServer, CallError, LoopbackWebhooks, TokenTable, UserInfo, WebhookAuthorizer, WebhookCaller, WebhookTarget,
};
use ports::{Clock, SeededIds, SimClock};
use tower::ServiceExt;

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn user(name: &str, groups: &[&str]) -> UserInfo {
    UserInfo {
        name: name.to_owned(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        ..UserInfo::default()
    }
}

fn clock() -> Arc<SimClock> {
    Arc::new(SimClock::starting_at("2026-01-01T00:00:00Z".parse().unwrap()))
}

fn tokens() -> TokenTable {
    TokenTable::new()
        .with("admin", user("admin", &["system:masters"]))
        .with("user", user("user", &["devs"]))
}

fn server_on(clock: Arc<dyn Clock>, tokens: TokenTable) -> ApiServer {
    ApiServer::builder(clock, Arc::new(SeededIds::new(7)))
        .rbac(tokens)
        .build()
}

fn server() -> ApiServer {
    server_on(clock(), tokens())
}

/// Sends a request with a token (none if it is empty).
async fn call(server: &ApiServer, token: &str, method: Method, path: &str, body: Value) -> (u16, Value) {
    let media = if method == Method::PATCH {
        "application/merge-patch+json"
    } else {
        "application/json"
    };
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", media);
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let text = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let response = server.clone().oneshot(request.body(text).unwrap()).await.unwrap();
    let code = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (
        code,
        serde_json::from_slice(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into_owned().into()),
    )
}

async fn get(server: &ApiServer, token: &str, path: &str) -> (u16, Value) {
    call(server, token, Method::GET, path, Value::Null).await
}

/// Creates something as the administrator.
async fn make(server: &ApiServer, path: &str, body: Value) {
    let (code, answer) = call(server, "admin", Method::POST, path, body).await;
    assert_eq!(code, 201, "{answer}");
}

fn role(kind: &str, name: &str, rules: Value) -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "rules": rules})
}

fn binding(kind: &str, name: &str, role: (&str, &str), subject: Value) -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role.0, "name": role.1}, "subjects": [subject]})
}

fn to_user(name: &str) -> Value {
    json!({"kind": "User", "name": name, "apiGroup": "rbac.authorization.k8s.io"})
}

async fn may(server: &ApiServer, token: &str, verb: &str, resource: &str) -> Value {
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"namespace": "default", "verb": verb, "resource": resource}}});
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let (code, answer) = call(server, token, Method::POST, path, review).await;
    assert_eq!(code, 201, "{answer}");
    answer["status"].clone()
}

#[tokio::test]
async fn rights_come_from_bindings() {
    let server = server();
    let (code, answer) = get(&server, "user", MAPS).await;
    let text = "configmaps is forbidden: User \"user\" cannot list resource \"configmaps\" in API group \"\" in the namespace \"default\"";
    assert_eq!((code, answer["message"].as_str()), (403, Some(text)));
    assert_eq!(
        may(&server, "user", "list", "configmaps").await,
        json!({"allowed": false})
    );
    let rules = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}]);
    make(
        &server,
        &format!("{RBAC}/namespaces/default/roles"),
        role("Role", "reader", rules),
    )
    .await;
    let group = json!({"kind": "Group", "name": "devs", "apiGroup": "rbac.authorization.k8s.io"});
    let bound = binding("RoleBinding", "devs", ("Role", "reader"), group);
    make(&server, &format!("{RBAC}/namespaces/default/rolebindings"), bound).await;
    assert_eq!(get(&server, "user", MAPS).await.0, 200);
    assert_eq!(
        get(&server, "user", "/api/v1/namespaces/kube-system/configmaps")
            .await
            .0,
        403
    );
    let reason = "RBAC: allowed by RoleBinding \"devs/default\" of Role \"reader\" to Group \"devs\"";
    assert_eq!(
        may(&server, "user", "list", "configmaps").await,
        json!({"allowed": true, "reason": reason})
    );
    // Taking the binding away takes the right away.
    let path = format!("{RBAC}/namespaces/default/rolebindings/devs");
    assert_eq!(call(&server, "admin", Method::DELETE, &path, Value::Null).await.0, 200);
    assert_eq!(get(&server, "user", MAPS).await.0, 403);
}

#[tokio::test]
async fn missing_roles_are_named() {
    let server = server();
    for (name, role) in [("b1", ("Role", "none")), ("b2", ("ClusterRole", "nothing"))] {
        make(
            &server,
            &format!("{RBAC}/namespaces/default/rolebindings"),
            binding("RoleBinding", name, role, to_user("user")),
        )
        .await;
    }
    let (_, answer) = get(&server, "user", "/api/v1/namespaces/default/secrets/x").await;
    let text = "secrets \"x\" is forbidden: User \"user\" cannot get resource \"secrets\" in API group \"\" in the namespace \"default\": RBAC: [role.rbac.authorization.k8s.io \"none\" not found, clusterrole.rbac.authorization.k8s.io \"nothing\" not found]";
    assert_eq!(answer["message"], text);
}

#[tokio::test]
async fn strangers_see_little() {
    let server = server();
    let check = async |token: &str, path: &str, expected: u16| {
        let (code, answer) = get(&server, token, path).await;
        assert_eq!(code, expected, "{token} {path} {answer}");
        answer
    };
    check("", "/version", 200).await;
    check("", "/healthz", 200).await;
    let answer = check("", "/api/v1/pods", 403).await;
    let text = "pods is forbidden: User \"system:anonymous\" cannot list resource \"pods\" in API group \"\" at the cluster scope";
    assert_eq!(answer["message"], text);
    let answer = check("user", "/metrics", 403).await;
    assert_eq!(
        answer["message"],
        "forbidden: User \"user\" cannot get path \"/metrics\""
    );
    check("user", "/apis", 200).await;
    check("wrong", "/version", 401).await;
    let closed = server_on(clock(), tokens().without_anonymous());
    assert_eq!(get(&closed, "", "/version").await.0, 401);
}

#[tokio::test]
async fn aggregated_roles_gather() {
    let server = server();
    make(
        &server,
        &format!("{RBAC}/namespaces/default/rolebindings"),
        binding("RoleBinding", "view", ("ClusterRole", "view"), to_user("user")),
    )
    .await;
    assert_eq!(get(&server, "user", MAPS).await.0, 200);
    assert_eq!(get(&server, "user", "/api/v1/namespaces/default/secrets").await.0, 403);
    let mut more = role(
        "ClusterRole",
        "more",
        json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}]),
    );
    more["metadata"]["labels"] = json!({"rbac.authorization.k8s.io/aggregate-to-view": "true"});
    make(&server, &format!("{RBAC}/clusterroles"), more).await;
    assert_eq!(get(&server, "user", "/api/v1/namespaces/default/secrets").await.0, 200);
}

#[tokio::test]
async fn nobody_grants_what_he_does_not_hold() {
    let server = server();
    let verbs = json!(["create", "update", "patch", "get", "delete"]);
    let rules = json!([
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"], "verbs": verbs},
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}]);
    let (roles, bindings) = (
        format!("{RBAC}/namespaces/default/roles"),
        format!("{RBAC}/namespaces/default/rolebindings"),
    );
    make(&server, &roles, role("Role", "rw", rules)).await;
    make(
        &server,
        &bindings,
        binding("RoleBinding", "rw", ("Role", "rw"), to_user("user")),
    )
    .await;
    let check = async |method: Method, path: &str, body: Value, code: u16, text: &str| {
        let (found, answer) = call(&server, "user", method, path, body).await;
        assert_eq!(
            (found, answer["message"].as_str().unwrap_or_default()),
            (code, text),
            "{answer}"
        );
    };
    let own = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]);
    check(Method::POST, &roles, role("Role", "own", own), 201, "").await;
    let more = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "delete"]}]);
    let granting = "is forbidden: user \"user\" (groups=[\"devs\" \"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n";
    check(
        Method::PATCH,
        &format!("{roles}/own"),
        json!({"rules": more}),
        403,
        &format!(
            "roles.rbac.authorization.k8s.io \"own\" {granting}{{APIGroups:[\"\"], Resources:[\"configmaps\"], Verbs:[\"delete\"]}}"
        ),
    )
    .await;
    check(
        Method::POST,
        &bindings,
        binding("RoleBinding", "b", ("ClusterRole", "cluster-admin"), to_user("user")),
        403,
        &format!(
            "rolebindings.rbac.authorization.k8s.io \"b\" {granting}{{APIGroups:[\"*\"], Resources:[\"*\"], Verbs:[\"*\"]}}\n{{NonResourceURLs:[\"*\"], Verbs:[\"*\"]}}"
        ),
    )
    .await;
    let missing = binding("RoleBinding", "b", ("Role", "nothere"), to_user("user"));
    check(
        Method::POST,
        &bindings,
        missing,
        404,
        "rolebindings.rbac.authorization.k8s.io \"nothere\" not found",
    )
    .await;
    check(
        Method::POST,
        &bindings,
        binding("RoleBinding", "c", ("Role", "own"), to_user("bob")),
        201,
        "",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn service_account_tokens_end() {
    let clock = clock();
    let server = server_on(clock.clone(), tokens());
    let path = "/api/v1/namespaces/default/serviceaccounts/default/token";
    let ask =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}});
    let (code, answer) = call(&server, "admin", Method::POST, path, ask).await;
    assert_eq!(code, 201, "{answer}");
    let token = answer["status"]["token"].as_str().unwrap().to_owned();
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}});
    let reviews = "/apis/authentication.k8s.io/v1/tokenreviews";
    let (_, answer) = call(&server, "admin", Method::POST, reviews, review.clone()).await;
    assert_eq!(
        answer["status"]["user"]["username"],
        "system:serviceaccount:default:default"
    );
    let (_, answer) = get(&server, &token, MAPS).await;
    assert!(
        answer["message"]
            .as_str()
            .unwrap()
            .contains("User \"system:serviceaccount:default:default\" cannot list")
    );
    clock.sleep(std::time::Duration::from_secs(601)).await;
    assert_eq!(get(&server, &token, MAPS).await.0, 401);
    let (_, answer) = call(&server, "admin", Method::POST, reviews, review).await;
    assert_eq!(answer["status"]["error"], "invalid bearer token");
}

#[tokio::test]
async fn rights_can_be_listed() {
    let server = server();
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": "default"}});
    let path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
    let (code, answer) = call(&server, "user", Method::POST, path, review).await;
    assert_eq!(code, 201, "{answer}");
    let rules = answer["status"]["resourceRules"].as_array().unwrap();
    assert!(
        rules
            .iter()
            .any(|rule| rule["resources"] == json!(["selfsubjectaccessreviews", "selfsubjectrulesreviews"]))
    );
    assert!(!answer["status"]["nonResourceRules"].as_array().unwrap().is_empty());
}

/// Allows what ends in `maps`, denies secrets and has no opinion on the rest.
#[derive(Debug)]
struct Judge;

#[async_trait::async_trait]
impl WebhookCaller for Judge {
    async fn call(&self, _server: &ApiServer, _target: &WebhookTarget, review: &Value) -> Result<Value, CallError> {
        assert_eq!(
            (&review["kind"], &review["spec"]["user"]),
            (&json!("SubjectAccessReview"), &json!("user"))
        );
        let resource = review["spec"]["resourceAttributes"]["resource"]
            .as_str()
            .unwrap_or_default();
        Ok(match resource {
            "secrets" => json!({"status": {"allowed": false, "denied": true, "reason": "they are secret"}}),
            other => json!({"status": {"allowed": other.ends_with("maps")}}),
        })
    }
}

#[tokio::test]
async fn a_webhook_can_decide() {
    let server = |caller: Arc<dyn WebhookCaller>| {
        ApiServer::builder(clock(), Arc::new(SeededIds::new(7)))
            .authenticator(Arc::new(tokens()))
            .authorizer(Arc::new(WebhookAuthorizer::new(
                caller,
                "https://127.0.0.1:1/authorize",
                Vec::new(),
            )))
            .build()
    };
    let judged = server(Arc::new(Judge));
    assert_eq!(get(&judged, "user", MAPS).await.0, 200);
    let (code, answer) = get(&judged, "user", "/api/v1/namespaces/default/secrets").await;
    assert_eq!(code, 403);
    assert!(
        answer["message"].as_str().unwrap().ends_with(": they are secret"),
        "{answer}"
    );
    assert_eq!(get(&judged, "user", "/api/v1/nodes").await.0, 403);
    // Nothing listens at the address: the webhook fails, and failing refuses, but not the administrator.
    let unreachable = server(Arc::new(LoopbackWebhooks::new()));
    assert_eq!(get(&unreachable, "admin", MAPS).await.0, 200);
    let (code, answer) = get(&unreachable, "user", MAPS).await;
    assert_eq!(code, 403);
    assert!(
        answer["message"]
            .as_str()
            .unwrap()
            .ends_with("connect: connection refused"),
        "{answer}"
    );
}
