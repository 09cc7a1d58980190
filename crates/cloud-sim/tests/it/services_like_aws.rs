//! DNS, objects, keys and load balancers do what AWS does where fakes do not.

use std::time::Duration;

use cloud_sim::{GroupSpec, LaunchTemplateSpec};
use ports::cloud::{
    AliasTarget, Certificate, CertificateStatus, Certificates, CloudError, Dns, DnsAction, DnsChange, DnsRecord, Keys,
    LoadBalancerKind, LoadBalancers, NodeGroups, Objects, PutCondition, Shrink, Stacks, Tags, TargetHealth,
};

use crate::lab::{Lab, request};

fn record(name: &str, kind: &str, values: &[&str]) -> DnsRecord {
    DnsRecord {
        name: name.to_owned(),
        kind: kind.to_owned(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
        ttl: Some(60),
        alias: None,
        set_identifier: None,
        weight: None,
    }
}

fn change(action: DnsAction, record: DnsRecord) -> DnsChange {
    DnsChange { action, record }
}

/// Fakes accept a CNAME beside an A and at the apex, unquoted TXT, weighted beside simple, wrong addresses; duplicate what was upserted; call a wrong
/// deletion InvalidInput; and keep the changes before the refused one.
#[tokio::test(start_paused = true)]
async fn dns_refuses_what_route53_refuses_and_changes_nothing_then() {
    use DnsAction::{Create, Delete, Upsert};
    let lab = Lab::new(1);
    let zone = lab.sim.add_dns_zone("example.org", false);
    let a = |name| record(name, "A", &["10.0.0.1"]);
    lab.sim
        .change_dns(&zone, &[change(Upsert, a("a.example.org"))])
        .await
        .unwrap();
    let mut weighted = a("a.example.org");
    (weighted.set_identifier, weighted.weight) = (Some("x".to_owned()), Some(1));
    let cases = [
        (change(Create, a("A.example.org.")), "but it already exists"),
        (
            change(Create, record("a.example.org", "CNAME", &["b"])),
            "a CNAME must be alone",
        ),
        (
            change(Create, record("example.org", "CNAME", &["b"])),
            "not permitted at apex",
        ),
        (
            change(Create, record("t.example.org", "TXT", &["free text"])),
            "enclosed in quotation marks",
        ),
        (change(Create, weighted), "beside a simple one"),
        (
            change(Create, record("b.example.org", "A", &["10.0.0.256"])),
            "not a valid IPv4 address",
        ),
        (change(Create, a("a.example.com")), "is not permitted in zone"),
        (change(Delete, a("none.example.org")), "but it was not found"),
        (
            change(Delete, record("a.example.org.", "A", &["10.0.0.2"])),
            "do not match the current values",
        ),
    ];
    for (wrong, expected) in cases {
        let batch = [change(Create, a("good.example.org")), wrong];
        let error = lab.sim.change_dns(&zone, &batch).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("InvalidChangeBatch") && text.contains(expected), "{text}");
        assert_eq!(
            lab.sim.dns_records(&zone).await.unwrap().len(),
            1,
            "a batch is made whole or not at all"
        );
    }
}

/// In fakes DNS changes are in sync at once.
#[tokio::test(start_paused = true)]
async fn dns_changes_take_a_while_to_be_in_sync() {
    let lab = Lab::new(2);
    let zone = lab.sim.add_dns_zone("example.org", false);
    let mut alias = record("b.example.org", "A", &[]);
    alias.ttl = None;
    alias.alias = Some(AliasTarget {
        zone: "Z1".to_owned(),
        dns_name: "lb.example.net".to_owned(),
    });
    let id = lab
        .sim
        .change_dns(&zone, &[change(DnsAction::Create, alias)])
        .await
        .unwrap();
    assert!(!lab.sim.dns_in_sync(&id).await.unwrap());
    lab.minutes(2).await;
    assert!(lab.sim.dns_in_sync(&id).await.unwrap());
}

/// In fakes targets are healthy at once and do not drain.
#[tokio::test(start_paused = true)]
async fn targets_become_healthy_late_drain_and_groups_by_balancer_health_replace_silent_ones() {
    let lab = Lab::new(3);
    lab.create(
        "lb",
        "Resources: {T: {Type: AWS::ElasticLoadBalancingV2::TargetGroup, Properties: {Name: t, Port: 443}}}",
    )
    .await;
    let arn = lab.sim.stack_resources("lb").await.unwrap()[0]
        .physical_id
        .clone()
        .unwrap();
    assert!(
        arn.starts_with("arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/t/"),
        "{arn}"
    );
    lab.sim
        .create_launch_template("lt", LaunchTemplateSpec::new("ami-1", "m5.large"))
        .unwrap();
    let mut spec = GroupSpec::new("g", "lt", 1, 1, 2);
    spec.target_groups = vec![arn.clone()];
    spec.health_check = ports::cloud::HealthCheckKind::LoadBalancer;
    spec.grace = Duration::from_secs(120);
    lab.sim.create_group(spec).unwrap();
    while lab.serving().await.is_empty() {
        lab.seconds(1).await;
    }
    let id = lab.serving().await[0].clone();
    assert_eq!(
        lab.sim.target_health(&arn).await.unwrap(),
        [(id.clone(), TargetHealth::Initial)]
    );
    lab.seconds(31).await;
    assert_eq!(
        lab.sim.target_health(&arn).await.unwrap(),
        [(id.clone(), TargetHealth::Healthy)]
    );
    lab.sim.set_answers(&id, false);
    assert_eq!(
        lab.sim.target_health(&arn).await.unwrap(),
        [(id.clone(), TargetHealth::Unhealthy)]
    );
    lab.minutes(10).await;
    let next = lab.serving().await[0].clone();
    assert_ne!(next, id);
    lab.sim.terminate_in_group(&next, Shrink::No).await.unwrap();
    assert!(
        lab.sim
            .target_health(&arn)
            .await
            .unwrap()
            .contains(&(next, TargetHealth::Draining))
    );
}

/// Fakes make two load balancers of one name.
#[tokio::test(start_paused = true)]
async fn two_load_balancers_of_one_name_are_refused() {
    let lab = Lab::new(4);
    let template =
        "Resources: {L: {Type: AWS::ElasticLoadBalancingV2::LoadBalancer, Properties: {Name: nlb, Type: network}}}";
    assert_eq!(lab.create("one", template).await.1, "CREATE_COMPLETE");
    assert_eq!(lab.create("two", template).await.1, "ROLLBACK_COMPLETE");
    let events = lab.events("two").await;
    assert!(
        events
            .iter()
            .any(|e| e.contains("A load balancer with the same name 'nlb' exists")),
        "{events:?}"
    );
}

/// Fakes delete certificates in use.
#[tokio::test(start_paused = true)]
async fn a_certificate_in_use_stays() {
    let lab = Lab::new(5);
    let template =
        "Resources: {C: {Type: AWS::CertificateManager::Certificate, Properties: {DomainName: a.example.org}}}";
    lab.sim.create_stack(&request("s", template)).await.unwrap();
    assert_eq!(lab.rests("s").await, "CREATE_COMPLETE");
    let arn = lab.sim.certificates().await.unwrap().remove(0).id;
    assert_eq!(
        lab.create("web", &listener("web", &arn, &[])).await.1,
        "CREATE_COMPLETE"
    );
    assert_eq!(lab.sim.certificates().await.unwrap()[0].in_use_by.len(), 1);
    lab.sim.delete_stack("s", &Default::default()).await.unwrap();
    assert_eq!(lab.rests("s").await, "DELETE_FAILED");
    lab.sim.delete_stack("web", &Default::default()).await.unwrap();
    lab.minutes(10).await;
    lab.sim.delete_stack("s", &Default::default()).await.unwrap();
    lab.minutes(10).await;
    assert!(lab.sim.certificates().await.unwrap().is_empty());
}

/// A network load balancer with a listener that has a certificate of its own and some besides.
fn listener(name: &str, own: &str, besides: &[String]) -> String {
    let mut template = format!(
        "Resources:
  Balancer: {{Type: AWS::ElasticLoadBalancingV2::LoadBalancer, Properties: {{Name: {name}, Type: network}}}}
  Targets: {{Type: AWS::ElasticLoadBalancingV2::TargetGroup, Properties: {{Name: {name}, Port: 80, Protocol: TCP}}}}
  Listener:
    Type: AWS::ElasticLoadBalancingV2::Listener
    Properties:
      LoadBalancerArn: !Ref Balancer
      Port: 443
      Protocol: TLS
      Certificates: [{{CertificateArn: '{own}'}}]
      DefaultActions: [{{Type: forward, TargetGroupArn: !Ref Targets}}]
"
    );
    for (number, arn) in besides.iter().enumerate() {
        template.push_str(&format!(
            "  Extra{number}: {{Type: AWS::ElasticLoadBalancingV2::ListenerCertificate, Properties: {{ListenerArn: !Ref Listener, Certificates: [{{CertificateArn: '{arn}'}}]}}}}\n"
        ));
    }
    template
}

/// Puts so many certificates into the account and gives their ids.
fn certificates(lab: &Lab, count: usize) -> Vec<String> {
    let now = lab.sim.now();
    let arn = |number: usize| format!("arn:aws:acm:eu-central-1:123456789012:certificate/{number:04}");
    for number in 0..count {
        lab.sim.add_certificate(Certificate {
            id: arn(number),
            names: vec![format!("n{number}.example.org")],
            status: CertificateStatus::Issued,
            key_algorithm: "EC_prime256v1".to_owned(),
            not_before: now,
            not_after: now + Duration::from_secs(86_400 * 365),
            in_use_by: Vec::new(),
        });
    }
    (0..count).map(arn).collect()
}

/// Fakes count the listener's own certificate among the 25, and do not page the listing of certificates.
#[tokio::test(start_paused = true)]
async fn a_listener_takes_twenty_five_certificates_besides_its_own() {
    let lab = Lab::new(15);
    let arns = certificates(&lab, 120);
    assert_eq!(
        lab.sim.certificates().await.unwrap().len(),
        120,
        "all pages of the listing"
    );
    let full = lab.create("full", &listener("full", &arns[0], &arns[1..26])).await;
    assert_eq!(full.1, "CREATE_COMPLETE");
    let over = lab.create("over", &listener("over", &arns[0], &arns[1..27])).await;
    assert_eq!(over.1, "ROLLBACK_COMPLETE");
    let events = lab.events("over").await;
    assert!(
        events
            .iter()
            .any(|event| event.contains("maximum number of certificates has been reached")),
        "{events:?}"
    );
}

/// Fakes accept certificates that do not exist.
#[tokio::test(start_paused = true)]
async fn an_unknown_certificate_is_refused() {
    let lab = Lab::new(16);
    let arn = "arn:aws:acm:eu-central-1:123456789012:certificate/none";
    assert_eq!(lab.create("s", &listener("web", arn, &[])).await.1, "ROLLBACK_COMPLETE");
    let events = lab.events("s").await;
    assert!(
        events
            .iter()
            .any(|event| event.contains(&format!("Certificate '{arn}' not found"))),
        "{events:?}"
    );
}

/// In fakes load balancers of stacks are application balancers, so that TCP listeners fail, and functions and custom resources fail.
#[tokio::test(start_paused = true)]
async fn network_balancers_functions_and_custom_resources_are_made() {
    let lab = Lab::new(17);
    let template = "Resources:
  Balancer: {Type: AWS::ElasticLoadBalancingV2::LoadBalancer, Properties: {Name: api, Type: network}}
  Targets: {Type: AWS::ElasticLoadBalancingV2::TargetGroup, Properties: {Name: api, Port: 443, Protocol: TCP}}
  Listener: {Type: AWS::ElasticLoadBalancingV2::Listener, Properties: {LoadBalancerArn: !Ref Balancer, Port: 443, Protocol: TCP, DefaultActions: [{Type: forward, TargetGroupArn: !Ref Targets}]}}
  Function: {Type: AWS::Lambda::Function, Properties: {Runtime: python3.12}}
  Custom: {Type: 'Custom::Thing', Properties: {ServiceToken: !GetAtt Function.Arn}}
";
    assert_eq!(lab.create("s", template).await.1, "CREATE_COMPLETE");
    let balancers = lab.sim.load_balancers(&Tags::new()).await.unwrap();
    assert_eq!(balancers[0].kind, LoadBalancerKind::Network);
    let resources = lab.sim.stack_resources("s").await.unwrap();
    assert!(
        resources.iter().all(|resource| resource.physical_id.is_some()),
        "{resources:?}"
    );
}

/// Fakes do this right, and so it has to be here.
#[tokio::test(start_paused = true)]
async fn objects_are_written_under_conditions_and_kept_in_versions() {
    let lab = Lab::new(6);
    lab.sim.ensure_bucket("bucket").await.unwrap();
    lab.sim.keep_versions("bucket");
    let put = |bytes: &'static [u8], condition| async move {
        lab.sim
            .put_object("bucket", "k", bytes, &condition)
            .await
            .map(|i| (i.etag, lab))
    };
    let (etag, lab) = put(b"1", PutCondition::IfAbsent).await.unwrap();
    let again = lab.sim.put_object("bucket", "k", b"2", &PutCondition::IfAbsent).await;
    assert!(matches!(again, Err(CloudError::PreconditionFailed { .. })));
    lab.sim
        .put_object("bucket", "k", b"2", &PutCondition::IfMatches(etag.clone()))
        .await
        .unwrap();
    let stale = lab
        .sim
        .put_object("bucket", "k", b"3", &PutCondition::IfMatches(etag))
        .await;
    assert!(matches!(stale, Err(CloudError::PreconditionFailed { .. })));
    lab.sim.delete_object("bucket", "k", None).await.unwrap();
    assert!(lab.sim.object("bucket", "k").await.unwrap_err().is_not_found());
    assert!(lab.sim.list_objects("bucket", "").await.unwrap().is_empty());
    let versions = lab.sim.object_versions("bucket", "").await.unwrap();
    assert_eq!(
        versions.iter().map(|v| v.is_delete_marker).collect::<Vec<_>>(),
        [true, false, false]
    );
    assert!(lab.sim.delete_bucket("bucket").await.is_err(), "versions count");
    for version in versions {
        lab.sim
            .delete_object("bucket", "k", version.info.version.as_deref())
            .await
            .unwrap();
    }
    lab.sim.delete_bucket("bucket").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn keys_encrypt_little_and_know_their_own() {
    let lab = Lab::new(7);
    let arn = lab.sim.add_key(Some("alias/etcd-cluster"));
    assert_eq!(lab.sim.key("alias/etcd-cluster").await.unwrap().arn, arn);
    let one = lab.sim.encrypt("alias/etcd-cluster", b"secret text").await.unwrap();
    let other = lab.sim.encrypt(&arn, b"secret text").await.unwrap();
    assert_ne!(one, other);
    assert!(!one.windows(6).any(|part| part == b"secret"));
    assert_eq!(lab.sim.decrypt(&one).await.unwrap(), b"secret text");
    assert_eq!(lab.sim.decrypt(&other).await.unwrap(), b"secret text");
    assert!(lab.sim.encrypt(&arn, &[0; 4097]).await.is_err());
    let mut changed = one;
    *changed.last_mut().unwrap() ^= 1;
    assert!(lab.sim.decrypt(&changed).await.is_err());
}
