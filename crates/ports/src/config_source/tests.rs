//! Names, overrides and the combination of sources, on sources that answer from a table.

use super::*;
use crate::{Classified, Fault, Retry};

/// Channels by name; every tree is empty but for its id.
#[derive(Debug)]
struct Table {
    name: SourceName,
    channels: Vec<(&'static str, &'static str)>,
}

#[async_trait]
impl ConfigSource for Table {
    fn name(&self) -> &SourceName {
        &self.name
    }

    async fn resolve(&self, channel: &Channel) -> Result<ConfigVersion, ConfigSourceError> {
        let found = self.channels.iter().find(|(name, _)| *name == channel.as_str());
        match found {
            Some((_, id)) => Ok(ConfigVersion::from_id(*id)),
            None => Err(ConfigSourceError::unknown_channel(&self.name, channel, Vec::new())),
        }
    }

    async fn tree(&self, version: &ConfigVersion) -> Result<Arc<ConfigTree>, ConfigSourceError> {
        Ok(Arc::new(ConfigTree {
            id: version.id.clone(),
            ..ConfigTree::default()
        }))
    }

    async fn channels(&self) -> Result<Vec<ChannelInfo>, ConfigSourceError> {
        Ok(Vec::new())
    }

    async fn refresh(&self) -> Result<Refreshed, ConfigSourceError> {
        Ok(Refreshed::default())
    }
}

fn source(name: &str, channels: &[(&'static str, &'static str)]) -> Arc<dyn ConfigSource> {
    Arc::new(Table {
        name: SourceName::new(name).unwrap(),
        channels: channels.to_vec(),
    })
}

fn two() -> ConfigSources {
    let main = source("main", &[("beta", "A"), ("next", "N")]);
    let extra = source("extra", &[("beta", "B"), ("next", "C")]);
    ConfigSources::new(vec![main, extra]).unwrap()
}

fn channel(name: &str) -> Channel {
    Channel::new(name).unwrap()
}

#[test]
fn names_cannot_break_version_strings() {
    for name in ["main", "a", "kubernetes-on-aws", "x_1.2"] {
        assert!(SourceName::new(name).is_ok(), "{name}");
    }
    for name in ["", "-a", "a=b", "a;b", "a/b", "a b", "a,b", "ä", &"x".repeat(64)] {
        assert!(SourceName::new(name).is_err(), "{name}");
    }
    for name in ["beta", "feature/x", "v1.2.3", "0123abc", "refs/heads/dev"] {
        assert!(Channel::new(name).is_ok(), "{name}");
    }
    for name in ["", "-x", "a b", "a;b", "a=b", "main~1", "a^", "a:b", "a\nb"] {
        assert!(Channel::new(name).is_err(), "{name:?}");
    }
}

#[tokio::test]
async fn fact_6_ids_and_overrides() {
    let none = ChannelOverrides::default();
    let version = two().resolve(&channel("beta"), &none).await.unwrap();
    assert_eq!(version.id(), "main=A;extra=B");
    let overrides: ChannelOverrides = "extra=next".parse().unwrap();
    let version = two().resolve(&channel("beta"), &overrides).await.unwrap();
    assert_eq!(version.id(), "main=A;extra=C");
    let error = "extra".parse::<ChannelOverrides>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "config item override_channel: part 1 must have the form source=channel"
    );
}

#[tokio::test]
async fn a_single_source_is_used_as_it_is() {
    let one = ConfigSources::new(vec![source("main", &[("beta", "A"), ("next", "N")])]).unwrap();
    let overrides: ChannelOverrides = "main=next,gone=next".parse().unwrap();
    assert_eq!(one.resolve(&channel("beta"), &overrides).await.unwrap().id(), "A");
}

#[tokio::test]
async fn an_override_of_an_unknown_source_is_refused() {
    let overrides: ChannelOverrides = "extr=next".parse().unwrap();
    let error = two().resolve(&channel("beta"), &overrides).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "config item override_channel names config source extr, but there are only: main, extra"
    );
}

#[test]
fn overrides_are_parsed_with_the_place_of_the_error() {
    let cases = [
        ("a=b,c", "part 2 must have the form"),
        ("=b", "part 1 config source name"),
        ("a=", "part 1 channel"),
        ("a=b,", "part 2 must have the form"),
        ("a=b,a=c", "part 2 names source a a second time"),
        ("a=b=c", "part 1 channel"),
    ];
    for (text, expected) in cases {
        let message = text.parse::<ChannelOverrides>().unwrap_err().to_string();
        assert!(message.contains(expected), "{text}: {message}");
    }
    assert!("".parse::<ChannelOverrides>().unwrap().is_empty());
    let spaced: ChannelOverrides = "a=b, c=d/e".parse().unwrap();
    assert_eq!(spaced.get(&SourceName::new("c").unwrap()), Some(&channel("d/e")));
}

#[tokio::test]
async fn trees_come_in_source_order() {
    let sources = two();
    let version = sources
        .resolve(&channel("beta"), &ChannelOverrides::default())
        .await
        .unwrap();
    let trees = sources.trees(&version).await.unwrap();
    let ids: Vec<_> = trees
        .iter()
        .map(|tree| (tree.source.as_str(), tree.tree.id.as_str()))
        .collect();
    assert_eq!(ids, [("main", "A"), ("extra", "B")]);
}

#[test]
fn stored_versions_are_read_back() {
    let sources = two();
    let version = sources.parse_version("main=A;extra=B").unwrap();
    assert_eq!(version.id(), "main=A;extra=B");
    for id in ["A", "main=A", "extra=B;main=A", "main=A;extra=B;x=C", ""] {
        assert!(
            matches!(sources.parse_version(id), Err(SourcesError::OtherSources { .. })),
            "{id}"
        );
    }
}

#[test]
fn sources_need_distinct_names() {
    assert!(matches!(ConfigSources::new(Vec::new()), Err(SourcesError::NoSource)));
    let twice = vec![source("main", &[]), source("main", &[])];
    assert!(matches!(
        ConfigSources::new(twice),
        Err(SourcesError::DuplicateName { .. })
    ));
}

#[tokio::test]
async fn errors_say_whose_fault_they_are() {
    let error = two()
        .resolve(&channel("beat"), &ChannelOverrides::default())
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "config source main has no channel \"beat\"");
    assert_eq!((error.fault(), error.retry()), (Fault::User, Retry::Never));
    let near = vec!["beta".to_owned()];
    let error = ConfigSourceError::unknown_channel(&SourceName::new("main").unwrap(), &channel("beat"), near);
    assert_eq!(
        error.to_string(),
        "config source main has no channel \"beat\"; did you mean \"beta\"?"
    );
}
