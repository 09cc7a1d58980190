//! What comes with every namespace.

use json_tree::json;

use crate::server::Core;
use crate::store::{Key, State};

/// Every namespace has a `default` ServiceAccount, unless the server was told to leave that to others.
pub(crate) fn give_service_account(core: &Core, state: &mut State, namespace: &str) {
    let Some(resource) = crate::registry::builtin("", "serviceaccounts").filter(|_| core.config.service_accounts)
    else {
        return;
    };
    let key = Key::new(namespace, "default");
    if state.get(&resource.stored_as, &key).is_some() {
        return;
    }
    let metadata = json!({
        "name": "default", "namespace": namespace, "uid": core.ids.uuid(), "creationTimestamp": core.now_text()});
    state.put(
        resource,
        &key,
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}),
    );
}
