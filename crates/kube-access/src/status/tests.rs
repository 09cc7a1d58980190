use ports::{Classified, Fault, Retry};
use serde_json::{Value, json};

use super::*;
use crate::resource::{ApiKind, GroupKind};

fn call(kind: &str) -> Call {
    let kind = ApiKind {
        id: GroupKind::new("", kind),
        version: "v1".into(),
        plural: "things".into(),
        singular: "thing".into(),
        short_names: Vec::new(),
        namespaced: true,
        verbs: Vec::new(),
    };
    let key = kind.key("ns", "n");
    Call::apply(&kind, &key, bytes::Bytes::new(), "me", false, false)
}

fn check(code: u16, status: &Value, text: &str, fault: Fault, retry: Retry) {
    let error = error_of(&call("Thing"), code, None, status.to_string().as_bytes());
    assert_eq!(error.to_string(), text);
    assert_eq!(error.fault(), fault, "{text}");
    assert_eq!(error.retry(), retry, "{text}");
}

#[test]
fn refusals_name_what_and_who() {
    let seconds = Duration::from_secs;
    check(
        409,
        &json!({"reason": "Conflict", "message": "Apply failed", "details": {"causes": [
            {"reason": "FieldManagerConflict", "message": "conflict with \"kubectl\" using v1", "field": ".data.a"}]}}),
        "Thing ns/n: .data.a is owned by \"kubectl\"",
        Fault::Config,
        Retry::Never,
    );
    check(
        409,
        &json!({"reason": "Conflict", "message": "modified"}),
        "Thing ns/n: changed since it was read: modified",
        Fault::Cluster,
        Retry::Now,
    );
    check(
        403,
        &json!({"reason": "Forbidden", "message": "things \"n\" is forbidden: no"}),
        "Thing ns/n: forbidden: things \"n\" is forbidden: no",
        Fault::User,
        Retry::Never,
    );
    check(
        400,
        &json!({"message": "admission webhook \"w.example.org\" denied the request: not today"}),
        "Thing ns/n: refused by webhook \"w.example.org\": not today",
        Fault::Config,
        Retry::Never,
    );
    check(
        422,
        &json!({"message": "things \"n\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: too big"}),
        "Thing ns/n: refused by policy \"p\": too big",
        Fault::Config,
        Retry::Never,
    );
    check(
        500,
        &json!({"reason": "InternalError", "message": "Internal error occurred: failed calling webhook \"w\": refused"}),
        "Thing ns/n: webhook \"w\" cannot be asked: Internal error occurred: failed calling webhook \"w\": refused",
        Fault::Cluster,
        Retry::After(seconds(30)),
    );
    check(
        429,
        &json!({"reason": "TooManyRequests", "message": "slow down", "details": {"retryAfterSeconds": 7}}),
        "Thing ns/n: the cluster asks to wait 7 s",
        Fault::Cluster,
        Retry::After(seconds(7)),
    );
    check(
        422,
        &json!({"reason": "Invalid", "message": "bad", "details": {"causes": [
            {"reason": "FieldValueInvalid", "message": "Invalid value: {}: field is immutable", "field": "spec.selector"}]}}),
        "Thing ns/n: cannot be changed in place: bad",
        Fault::Config,
        Retry::Never,
    );
    check(
        504,
        &json!({"reason": "Timeout", "message": "gave up"}),
        "Thing ns/n: the answer was lost (gave up); it is unknown whether the cluster carried out the apply",
        Fault::Cluster,
        Retry::After(seconds(1)),
    );
    check(
        502,
        &Value::Null,
        "Thing ns/n: the cluster answered 502: ",
        Fault::Cluster,
        Retry::After(seconds(1)),
    );
    check(
        404,
        &json!({"reason": "NotFound", "message": "the server could not find the requested resource", "details": {}}),
        "Thing ns/n: the cluster does not serve this kind",
        Fault::Config,
        Retry::Never,
    );
}

#[test]
fn a_header_counts_where_the_body_is_silent() {
    let error = error_of(&call("Thing"), 429, Some(9), b"too many");
    assert_eq!(error.retry(), Retry::After(Duration::from_secs(9)));
}

#[test]
fn values_of_secrets_stay_out_of_messages() {
    let status = json!({"reason": "Invalid", "message": "Secret \"n\" is invalid: data[k]: Invalid value: \"hunter2\": no",
        "details": {"causes": [{"reason": "FieldValueInvalid", "message": "Invalid value: \"hunter2\": no", "field": "data[k]"}]}});
    let error = error_of(&call("Secret"), 422, None, status.to_string().as_bytes());
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    assert!(error.to_string().contains("data[k]"), "{error}");
}
