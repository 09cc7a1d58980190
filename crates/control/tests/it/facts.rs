//! Facts that a simulated cloud tells.

use control::CloudFacts;
use lifecycle::connect::FactSource;
use render::Facts;

use crate::lab::Lab;

#[tokio::test(start_paused = true)]
async fn networks_zones_types_and_outputs_come_from_the_cloud() {
    let lab = Lab::new(&["kube-1"]).await;
    let given = Facts {
        vpc_id: Some("vpc-given".to_owned()),
        load_balancer_certificate: Some("given".to_owned()),
        ..Facts::default()
    };
    let source = CloudFacts::new(lab.clouds.clone(), lab.clock.clone(), given);
    let mut cluster = lab.cluster("kube-1").await;
    let facts = source.facts(&cluster).await.unwrap();
    let zones = ["eu-central-1a", "eu-central-1b", "eu-central-1c"].map(str::to_owned);
    assert_eq!(facts.availability_zones.as_deref(), Some(&zones[..]));
    let subnets = facts.subnets.as_ref().unwrap();
    assert_eq!(subnets["*"].split(',').count(), 3);
    assert_ne!(facts.vpc_id.as_deref(), Some("vpc-given"), "what the cloud says wins");
    assert_eq!(
        facts.load_balancer_certificate.as_deref(),
        Some("given"),
        "what it does not say is given"
    );
    assert_eq!(facts.instance_types["m5.large"].vcpu, 2);
    assert_eq!(facts.stack_outputs, None, "there is no main stack yet");
    // A value that looks encrypted and is not is an error that does not repeat it.
    cluster
        .config_items
        .insert("secret".parse().unwrap(), "aws:kms:hunter2!".to_owned());
    let error = source.facts(&cluster).await.unwrap_err().to_string();
    assert_eq!(error, "config item secret cannot be decrypted: it is no base64");
}
