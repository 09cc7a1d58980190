//! What is known about each resource type: how long it takes, how its ids look, which properties force a replacement.

/// One type.
///
/// In patterns `{name}` is the name that the template gives or a generated one, `{account}`, `{region}`, `{hex}` (17
/// digits) and `{uuid}` what they say, and in attributes `{id}` the physical id.
pub(super) struct TypeInfo {
    pub(super) name: &'static str,
    /// Usual time to make it.
    pub(super) seconds: u64,
    /// Property that holds its name; empty when it has none.
    pub(super) name_property: &'static str,
    pub(super) id: &'static str,
    /// Properties that cannot be changed in place; `*` means all.
    pub(super) replace: &'static [&'static str],
    pub(super) attributes: &'static [(&'static str, &'static str)],
}

const fn kind(
    name: &'static str,
    seconds: u64,
    name_property: &'static str,
    id: &'static str,
    replace: &'static [&'static str],
    attributes: &'static [(&'static str, &'static str)],
) -> TypeInfo {
    TypeInfo {
        name,
        seconds,
        name_property,
        id,
        replace,
        attributes,
    }
}

pub(super) const GROUP: &str = "AWS::AutoScaling::AutoScalingGroup";
pub(super) const TEMPLATE: &str = "AWS::EC2::LaunchTemplate";
pub(super) const HOOK: &str = "AWS::AutoScaling::LifecycleHook";
pub(super) const WAIT: &str = "AWS::CloudFormation::WaitCondition";

pub(super) const LISTENER: &str = "AWS::ElasticLoadBalancingV2::Listener";
pub(super) const LISTENER_CERTIFICATE: &str = "AWS::ElasticLoadBalancingV2::ListenerCertificate";

const ELB: &str = "arn:aws:elasticloadbalancing:{region}:{account}:";

/// All types, in name order.
const TYPES: &[TypeInfo] = &[
    kind(
        GROUP,
        15,
        "AutoScalingGroupName",
        "{name}",
        &["AutoScalingGroupName"],
        &[],
    ),
    kind(
        HOOK,
        5,
        "LifecycleHookName",
        "{name}",
        &["AutoScalingGroupName", "LifecycleHookName", "LifecycleTransition"],
        &[],
    ),
    kind(
        "AWS::AutoScaling::ScalingPolicy",
        5,
        "PolicyName",
        "arn:aws:autoscaling:{region}:{account}:scalingPolicy:{uuid}:policyName/{name}",
        &["AutoScalingGroupName"],
        &[("Arn", "{id}"), ("PolicyName", "{name}")],
    ),
    kind(
        "AWS::AutoScaling::ScheduledAction",
        5,
        "",
        "{name}",
        &["AutoScalingGroupName"],
        &[("ScheduledActionName", "{id}")],
    ),
    kind(
        "AWS::CertificateManager::Certificate",
        180,
        "",
        "arn:aws:acm:{region}:{account}:certificate/{uuid}",
        &["DomainName", "SubjectAlternativeNames", "KeyAlgorithm"],
        &[],
    ),
    kind(
        "AWS::CloudFormation::CustomResource",
        10,
        "",
        "{name}",
        &["ServiceToken"],
        &[],
    ),
    kind(
        WAIT,
        3,
        "",
        "arn:aws:cloudformation:{region}:{account}:wait/{name}",
        &["*"],
        &[("Data", "{}")],
    ),
    kind(
        "AWS::CloudFormation::WaitConditionHandle",
        3,
        "",
        "https://cloudformation-waitcondition-{region}.s3.amazonaws.com/{uuid}",
        &[],
        &[],
    ),
    kind(
        "AWS::CloudWatch::Alarm",
        5,
        "AlarmName",
        "{name}",
        &["AlarmName"],
        &[("Arn", "arn:aws:cloudwatch:{region}:{account}:alarm:{id}")],
    ),
    kind(
        "AWS::DynamoDB::Table",
        30,
        "TableName",
        "{name}",
        &["TableName", "KeySchema"],
        &[("Arn", "arn:aws:dynamodb:{region}:{account}:table/{id}")],
    ),
    kind(
        "AWS::EC2::EIP",
        15,
        "",
        "eipalloc-0{hex}",
        &["Domain"],
        &[("AllocationId", "{id}"), ("PublicIp", "203.0.113.1")],
    ),
    kind(
        "AWS::EC2::InternetGateway",
        15,
        "",
        "igw-0{hex}",
        &[],
        &[("InternetGatewayId", "{id}")],
    ),
    kind(
        TEMPLATE,
        5,
        "LaunchTemplateName",
        "lt-0{hex}",
        &["LaunchTemplateName"],
        &[
            ("LatestVersionNumber", ""),
            ("DefaultVersionNumber", ""),
            ("LaunchTemplateId", "{id}"),
        ],
    ),
    kind(
        "AWS::EC2::NatGateway",
        120,
        "",
        "nat-0{hex}",
        &["SubnetId", "AllocationId"],
        &[("NatGatewayId", "{id}")],
    ),
    kind(
        "AWS::EC2::Route",
        15,
        "",
        "r-rtb-0{hex}",
        &["RouteTableId", "DestinationCidrBlock"],
        &[],
    ),
    kind(
        "AWS::EC2::RouteTable",
        10,
        "",
        "rtb-0{hex}",
        &["VpcId"],
        &[("RouteTableId", "{id}")],
    ),
    kind(
        "AWS::EC2::SecurityGroup",
        8,
        "GroupName",
        "sg-0{hex}",
        &["GroupDescription", "GroupName", "VpcId"],
        &[("GroupId", "{id}"), ("VpcId", "")],
    ),
    kind(
        "AWS::EC2::SecurityGroupEgress",
        4,
        "",
        "sgr-0{hex}",
        &["*"],
        &[("Id", "{id}")],
    ),
    kind(
        "AWS::EC2::SecurityGroupIngress",
        4,
        "",
        "sgr-0{hex}",
        &["*"],
        &[("Id", "{id}")],
    ),
    kind(
        "AWS::EC2::Subnet",
        10,
        "",
        "subnet-0{hex}",
        &["AvailabilityZone", "CidrBlock", "VpcId"],
        &[("SubnetId", "{id}")],
    ),
    kind(
        "AWS::EC2::VPC",
        15,
        "",
        "vpc-0{hex}",
        &["CidrBlock"],
        &[("VpcId", "{id}")],
    ),
    kind("AWS::EC2::VPCGatewayAttachment", 15, "", "{name}", &["VpcId"], &[]),
    kind(
        "AWS::EC2::Volume",
        10,
        "",
        "vol-0{hex}",
        &["AvailabilityZone", "Encrypted", "KmsKeyId", "SnapshotId"],
        &[("VolumeId", "{id}")],
    ),
    kind(
        "AWS::EKS::Cluster",
        600,
        "Name",
        "{name}",
        &["Name", "RoleArn"],
        &[
            ("Arn", "arn:aws:eks:{region}:{account}:cluster/{id}"),
            ("Endpoint", "https://{id}.eks.{region}.amazonaws.com"),
            ("CertificateAuthorityData", "c2ltdWxhdGVk"),
            (
                "OpenIdConnectIssuerUrl",
                "https://oidc.eks.{region}.amazonaws.com/id/{id}",
            ),
            ("ClusterSecurityGroupId", "sg-0{hex}"),
        ],
    ),
    kind(
        "AWS::ElasticLoadBalancing::LoadBalancer",
        15,
        "LoadBalancerName",
        "{name}",
        &["LoadBalancerName", "Scheme"],
        &[
            ("DNSName", "{id}.{region}.elb.amazonaws.com"),
            ("CanonicalHostedZoneNameID", "Z215JYRZR1TBD5"),
        ],
    ),
    kind(
        LISTENER,
        4,
        "",
        "listener/{name}/{hex}",
        &["LoadBalancerArn"],
        &[("ListenerArn", "{id}")],
    ),
    kind(
        LISTENER_CERTIFICATE,
        4,
        "",
        "listener-certificate/{name}/{hex}",
        &["ListenerArn"],
        &[],
    ),
    kind(
        "AWS::ElasticLoadBalancingV2::ListenerRule",
        4,
        "",
        "listener-rule/{name}/{hex}",
        &["ListenerArn"],
        &[("RuleArn", "{id}")],
    ),
    kind(
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        150,
        "Name",
        "loadbalancer/net/{name}/{hex}",
        &["Name", "Scheme", "Type"],
        &[
            ("DNSName", "{name}-{hex}.elb.{region}.amazonaws.com"),
            ("LoadBalancerName", "{name}"),
            ("LoadBalancerFullName", "net/{name}/{hex}"),
            ("CanonicalHostedZoneID", "Z3F0SRJ5LGBH90"),
            ("LoadBalancerArn", "{id}"),
        ],
    ),
    kind(
        "AWS::ElasticLoadBalancingV2::TargetGroup",
        12,
        "Name",
        "targetgroup/{name}/{hex}",
        &["Name", "Port", "Protocol", "VpcId", "TargetType"],
        &[
            ("TargetGroupFullName", "targetgroup/{name}/{hex}"),
            ("TargetGroupName", "{name}"),
            ("TargetGroupArn", "{id}"),
        ],
    ),
    kind(
        "AWS::Events::Rule",
        45,
        "Name",
        "{name}",
        &["Name"],
        &[("Arn", "arn:aws:events:{region}:{account}:rule/{id}")],
    ),
    kind(
        "AWS::IAM::InstanceProfile",
        110,
        "InstanceProfileName",
        "{name}",
        &["InstanceProfileName", "Path"],
        &[("Arn", "arn:aws:iam::{account}:instance-profile/{id}")],
    ),
    kind(
        "AWS::IAM::ManagedPolicy",
        15,
        "ManagedPolicyName",
        "arn:aws:iam::{account}:policy/{name}",
        &["ManagedPolicyName", "Path"],
        &[("PolicyArn", "{id}")],
    ),
    kind(
        "AWS::IAM::OIDCProvider",
        8,
        "Url",
        "arn:aws:iam::{account}:oidc-provider/{name}",
        &["Url"],
        &[("Arn", "{id}")],
    ),
    kind(
        "AWS::IAM::Policy",
        12,
        "PolicyName",
        "{name}",
        &["PolicyName"],
        &[("Id", "{id}")],
    ),
    kind(
        "AWS::IAM::Role",
        18,
        "RoleName",
        "{name}",
        &["RoleName", "Path"],
        &[("Arn", "arn:aws:iam::{account}:role/{id}"), ("RoleId", "AROA{name}")],
    ),
    kind(
        "AWS::IAM::User",
        18,
        "UserName",
        "{name}",
        &["UserName"],
        &[("Arn", "arn:aws:iam::{account}:user/{id}")],
    ),
    kind("AWS::KMS::Alias", 4, "AliasName", "{name}", &["AliasName"], &[]),
    kind(
        "AWS::KMS::Key",
        30,
        "",
        "{uuid}",
        &[],
        &[("Arn", "arn:aws:kms:{region}:{account}:key/{id}"), ("KeyId", "{id}")],
    ),
    kind(
        "AWS::Lambda::Function",
        12,
        "FunctionName",
        "{name}",
        &["FunctionName"],
        &[("Arn", "arn:aws:lambda:{region}:{account}:function:{id}")],
    ),
    kind("AWS::Lambda::Permission", 5, "", "{name}", &["*"], &[("Id", "{id}")]),
    kind(
        "AWS::Logs::LogGroup",
        5,
        "LogGroupName",
        "{name}",
        &["LogGroupName"],
        &[("Arn", "arn:aws:logs:{region}:{account}:log-group:{id}:*")],
    ),
    kind(
        "AWS::Logs::SubscriptionFilter",
        5,
        "FilterName",
        "{name}",
        &["LogGroupName", "FilterName"],
        &[],
    ),
    kind(
        "AWS::Route53::HostedZone",
        40,
        "",
        "Z{name}",
        &["Name"],
        &[("Id", "{id}")],
    ),
    kind(
        "AWS::Route53::RecordSet",
        35,
        "Name",
        "{name}",
        &["Name", "HostedZoneId", "HostedZoneName", "SetIdentifier"],
        &[],
    ),
    kind(
        "AWS::S3::Bucket",
        22,
        "BucketName",
        "{name}",
        &["BucketName"],
        &[
            ("Arn", "arn:aws:s3:::{id}"),
            ("DomainName", "{id}.s3.amazonaws.com"),
            ("RegionalDomainName", "{id}.s3.{region}.amazonaws.com"),
        ],
    ),
    kind("AWS::S3::BucketPolicy", 4, "", "{name}", &["Bucket"], &[]),
    kind(
        "AWS::SNS::Topic",
        10,
        "TopicName",
        "arn:aws:sns:{region}:{account}:{name}",
        &["TopicName"],
        &[("TopicArn", "{id}"), ("TopicName", "{name}")],
    ),
    kind(
        "AWS::SQS::Queue",
        60,
        "QueueName",
        "https://sqs.{region}.amazonaws.com/{account}/{name}",
        &["QueueName", "FifoQueue"],
        &[
            ("Arn", "arn:aws:sqs:{region}:{account}:{name}"),
            ("QueueName", "{name}"),
            ("QueueUrl", "{id}"),
        ],
    ),
    kind("AWS::SQS::QueuePolicy", 4, "", "{name}", &[], &[("Id", "{id}")]),
    kind(
        "AWS::SSM::Document",
        10,
        "Name",
        "{name}",
        &["DocumentType", "Name"],
        &[],
    ),
    kind(
        "AWS::SSM::Parameter",
        5,
        "Name",
        "{name}",
        &["Name"],
        &[("Type", "String"), ("Value", "")],
    ),
    kind(
        "AWS::SecretsManager::Secret",
        8,
        "Name",
        "arn:aws:secretsmanager:{region}:{account}:secret:{name}",
        &["Name"],
        &[("Id", "{id}")],
    ),
];

/// The type of that name. Custom resources are all alike: a function of the account's own makes them, and says yes.
pub(super) fn type_info(name: &str) -> Option<&'static TypeInfo> {
    let name = if name.starts_with("Custom::") {
        "AWS::CloudFormation::CustomResource"
    } else {
        name
    };
    TYPES
        .binary_search_by(|info| info.name.cmp(name))
        .ok()
        .and_then(|at| TYPES.get(at))
}

/// True for types whose attributes are not known beforehand.
pub(super) fn any_attribute(name: &str) -> bool {
    name.starts_with("Custom::") || name == "AWS::CloudFormation::CustomResource"
}

/// Prefix that an id gets in front: load balancing uses long ids in its own service.
pub(super) fn id_prefix(name: &str) -> &'static str {
    if name.starts_with("AWS::ElasticLoadBalancingV2::") {
        ELB
    } else {
        ""
    }
}

/// The capability that a type needs, by whether its name is given.
pub(super) fn capability(name: &str, is_named: bool) -> Option<&'static str> {
    match name {
        "AWS::IAM::InstanceProfile" | "AWS::IAM::ManagedPolicy" | "AWS::IAM::Role" | "AWS::IAM::User" if is_named => {
            Some("CAPABILITY_NAMED_IAM")
        }
        "AWS::IAM::InstanceProfile"
        | "AWS::IAM::ManagedPolicy"
        | "AWS::IAM::Policy"
        | "AWS::IAM::Role"
        | "AWS::IAM::User" => Some("CAPABILITY_IAM"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_so_that_it_can_be_searched() {
        let names: Vec<_> = TYPES.iter().map(|info| info.name).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        assert_eq!(names, sorted);
        assert!(type_info("AWS::IAM::Role").is_some());
        assert!(type_info("Custom::Anything").is_some());
        assert!(type_info("AWS::Nothing::Known").is_none());
    }
}
