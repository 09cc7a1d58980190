//! Paths into JSON trees as sources write them.

use json_tree::Value;

/// Following paths such as `/status/phase`.
pub(crate) trait Path {
    /// What is at a path: as [`Value::pointer`] says, but for keys without escapes, which that one looks for by copying each
    /// key. Kubelets follow dozens of paths in every turn.
    fn path(&self, path: &str) -> Option<&Value>;
}

impl Path for Value {
    fn path(&self, path: &str) -> Option<&Value> {
        path.split('/').skip(1).try_fold(self, |inner, key| match inner {
            Self::Object(map) => map.get(key),
            Self::Array(list) => list.get(key.parse::<usize>().ok()?),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use json_tree::json;

    #[test]
    fn paths_lead_where_pointers_lead() {
        let tree = json!({"a": {"b": [1, {"c": "x"}]}, "": 2});
        let paths = [
            "", "/", "/a", "/a/b", "/a/b/0", "/a/b/1/c", "/a/b/2", "/a/x", "/a/b/c", "/a/b/0/c",
        ];
        for path in paths {
            assert_eq!(tree.path(path), tree.pointer(path), "{path}");
        }
    }
}
