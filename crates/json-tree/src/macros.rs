//! Values written down as JSON.

/// Makes a [`Value`](crate::Value) from JSON with Rust expressions in it, as `serde_json::json!` does. Expressions are borrowed:
/// everything that is [`ToTree`](crate::ToTree) can stand there. Names of members are literals, variables, constants,
/// or other expressions in parentheses.
///
/// ```
/// use json_tree::json;
/// let (key, labels) = ("b", json!({"app": "web"}));
/// let value = json!({"a": [1, null, {"c": true}], key: labels, (key.to_uppercase()): 1.5});
/// assert_eq!(value.to_string(), r#"{"B":1.5,"a":[1,null,{"c":true}],"b":{"app":"web"}}"#);
/// ```
#[macro_export]
macro_rules! json {
    (null) => { $crate::Value::Null };
    ([ $($items:tt)* ]) => {{
        #[allow(unused_mut, reason = "there may be no items")]
        let mut list = $crate::List::new();
        $crate::json_items!(list; $($items)*);
        $crate::Value::Array(list)
    }};
    ({ $($members:tt)* }) => {{
        #[allow(unused_mut, reason = "there may be no members")]
        let mut map = $crate::Map::new();
        $crate::json_members!(map; $($members)*);
        $crate::Value::Object(map)
    }};
    ($value:expr) => { $crate::ToTree::to_tree(&$value) };
}

/// The items of a list in [`json!`].
#[doc(hidden)]
#[macro_export]
macro_rules! json_items {
    ($list:ident;) => {};
    ($list:ident; null $(, $($rest:tt)*)?) => {
        $list.push($crate::Value::Null);
        $($crate::json_items!($list; $($rest)*);)?
    };
    ($list:ident; [ $($inner:tt)* ] $(, $($rest:tt)*)?) => {
        $list.push($crate::json!([ $($inner)* ]));
        $($crate::json_items!($list; $($rest)*);)?
    };
    ($list:ident; { $($inner:tt)* } $(, $($rest:tt)*)?) => {
        $list.push($crate::json!({ $($inner)* }));
        $($crate::json_items!($list; $($rest)*);)?
    };
    ($list:ident; $value:expr $(, $($rest:tt)*)?) => {
        $list.push($crate::json!($value));
        $($crate::json_items!($list; $($rest)*);)?
    };
}

/// The members of a map in [`json!`].
#[doc(hidden)]
#[macro_export]
macro_rules! json_members {
    ($map:ident;) => {};
    ($map:ident; $key:tt : null $(, $($rest:tt)*)?) => {
        $map.insert($key, $crate::Value::Null);
        $($crate::json_members!($map; $($rest)*);)?
    };
    ($map:ident; $key:tt : [ $($inner:tt)* ] $(, $($rest:tt)*)?) => {
        $map.insert($key, $crate::json!([ $($inner)* ]));
        $($crate::json_members!($map; $($rest)*);)?
    };
    ($map:ident; $key:tt : { $($inner:tt)* } $(, $($rest:tt)*)?) => {
        $map.insert($key, $crate::json!({ $($inner)* }));
        $($crate::json_members!($map; $($rest)*);)?
    };
    ($map:ident; $key:tt : $value:expr $(, $($rest:tt)*)?) => {
        $map.insert($key, $crate::json!($value));
        $($crate::json_members!($map; $($rest)*);)?
    };
    ($map:ident; $key:path : $($rest:tt)+) => {
        $crate::json_members!($map; ($key) : $($rest)+);
    };
}
