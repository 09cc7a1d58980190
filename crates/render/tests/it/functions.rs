//! Facts 28 to 41: the functions.

use crate::support::{check, check_error};

#[test]
fn fact_28_groups_and_zones() {
    check("{{ asgSize 21 3 }}", "7");
    check_error("{{ asgSize 20 3 }}", "exact multiple of 3");
    check_error("{{ asgSize 20 0 }}", "must not be zero");
    check("{{ azID \"eu-central-1c\" }} {{ azCount .Values.subnets }}", "1c 2");
}

#[test]
fn fact_29_max_pods() {
    for (mask, extra, expected) in [
        (25, 0, "64"),
        (24, 8, "110"),
        (26, 0, "32"),
        (28, 0, "8"),
        (27, 5, "21"),
    ] {
        check(&format!("{{{{ nodeCIDRMaxPods {mask} {extra} }}}}"), expected);
    }
    check_error("{{ nodeCIDRMaxPods 19 0 }}", "maskSize");
    check_error("{{ nodeCIDRMaxPods 29 0 }}", "maskSize");
}

#[test]
fn fact_30_max_nodes() {
    for (pod, node, reserved, expected) in [
        (15, 25, 5, "1019"),
        (15, 24, 5, "507"),
        (16, 24, 10, "246"),
        (14, 26, 0, "4096"),
    ] {
        check(
            &format!("{{{{ nodeCIDRMaxNodesPodCIDR {pod} {node} {reserved} }}}}"),
            expected,
        );
    }
    check("{{ nodeCIDRMaxNodes 24 10 }}", "246");
    check_error("{{ nodeCIDRMaxNodesPodCIDR 13 24 0 }}", "podCIDRMaskSize");
    check_error("{{ nodeCIDRMaxNodesPodCIDR 17 24 0 }}", "podCIDRMaskSize");
}

#[test]
fn fact_31_sums_of_quantities() {
    check("{{ sumQuantities \"1000m\" \"-518m\" \"-100m\" \"-100m\" }}", "282m");
    check(
        "{{ sumQuantities \"3\" \"-1\" }} {{ sumQuantities \"2\" \"256m\" \"-1\" }}",
        "2 1256m",
    );
    check(
        "{{ sumQuantities \"2Gi\" \"-1024Ki\" }} {{ sumQuantities }}",
        "2047Mi 0",
    );
    check_error("{{ sumQuantities \"x\" }}", "quantities must match");
}

#[test]
fn fact_32_scaled_quantities() {
    for (quantity, factor, expected) in [
        ("16Gi", "0.1", "1717986944"),
        ("8Gi", "0.134", "1151051264"),
        ("8Gi", "0.006", "51539608"),
        ("8Gi", "0.003", "25769804"),
        ("2", "0.0061", "12m"),
        ("4", "0.3", "1200m"),
        ("2.5Gi", "1", "2560Mi"),
    ] {
        check(&format!("{{{{ scaleQuantity \"{quantity}\" {factor} }}}}"), expected);
    }
    check_error("{{ scaleQuantity \"1\" 0 }}", "greater than 0.0");
    check_error("{{ scaleQuantity \"1\" -1.5 }}", "greater than 0.0");
}

#[test]
fn fact_33_ingress_ranges() {
    let show = |text: &str| {
        format!(
            "{{{{ range sgIngressRanges \"{text}\" }}}}{{{{ .CIDR }}}},{{{{ .FromPort }}}},{{{{ .ToPort }}}},{{{{ .Protocol }}}};{{{{ end }}}}"
        )
    };
    check(
        &show("10.0.0.0/8:4180-4181,0.0.0.0/0:4190,udp:0.0.0.0/0:53"),
        "10.0.0.0/8,4180,4181,tcp;0.0.0.0/0,4190,4190,tcp;0.0.0.0/0,53,53,udp;",
    );
    check(&show("10.1.2.3/8:80"), "10.0.0.0/8,80,80,tcp;");
    for text in [
        "",
        "0.0.0.0/0:30-20",
        "0.0.0.0/0:200000",
        "icmp:0.0.0.0/0:1",
        "0.0.0.0:80",
        "1:2:3:4",
        "tcp:10.0.0.0/33:1",
    ] {
        assert!(crate::support::render_one(&show(text)).is_err(), "{text}");
    }
}

#[test]
fn fact_34_port_ranges() {
    check(
        "{{ range portRanges \"0-100,300-400\" }}{{ .FromPort }}-{{ .ToPort }};{{ end }}",
        "0-100;300-400;",
    );
    for text in ["30-20", "", "80", "1-70000", "a-b"] {
        assert!(
            crate::support::render_one(&format!("{{{{ portRanges \"{text}\" }}}}")).is_err(),
            "{text}"
        );
    }
}

#[test]
fn facts_35_and_36_networks() {
    check(
        "{{ join \",\" (stupsNATSubnets \"172.31.0.0/16\") }}",
        "172.31.64.0/28,172.31.64.16/28,172.31.64.32/28",
    );
    check(
        "{{ join \",\" (stupsNATSubnets \"10.153.192.0/19\") }}",
        "10.153.200.0/28,10.153.200.16/28,10.153.200.32/28",
    );
    check_error("{{ stupsNATSubnets \"10.0.0.0/25\" }}", "/24");
    check_error("{{ stupsNATSubnets \"2a05::/16\" }}", "ipv4");
    check(
        "{{ nthAddressFromCIDR \"172.20.0.0/16\" 10 }} {{ nthAddressFromCIDR \"172.20.0.0/16\" 300 }}",
        "172.20.0.10 172.20.0.44",
    );
    check(
        "{{ nthAddressFromCIDR \"2a05:d014:9c0:bf05::/64\" 50 }}",
        "2a05:d014:9c0:bf05::32",
    );
}

#[test]
fn facts_37_and_38_texts() {
    check(
        "{{ join \",\" (extractEndpointHosts \"https://b.example.org:2379,a:1,http://b.example.org\") }}",
        "a,b.example.org",
    );
    check("{{ kubernetesSizeToKiloBytes \"4Gi\" 0.8 }}", "3355444KB");
    check(
        "{{ indexedList \"foo.bar$.baz\" 3 }}",
        "foo.bar0.baz,foo.bar1.baz,foo.bar2.baz",
    );
    check("{{ mountUnitName \"/a/b/c\" }}", "a-b-c");
    check_error("{{ mountUnitName \"a/b\" }}", "not an absolute path");
    check(
        "{{ awsValidID .Cluster.ID }}",
        "aws__123456789012__eu-central-1__kube-1",
    );
    check("{{ getAWSAccountID \"aws:1\" }} {{ accountID \"aws:2\" }}", "1 2");
    check_error("{{ accountID \"aws:2:3\" }}", "invalid account");
    check_error("{{ getAWSAccountID \"aws\" }}", "invalid account");
    check(
        "{{ with splitHostPort \"[::1]:80\" }}{{ .Host }} {{ .Port }}{{ end }}",
        "::1 80",
    );
    check_error("{{ splitHostPort \"a\" }}", "missing port");
    check(
        "{{ base64 \"hi\" }} {{ base64Decode \"aGk=\" }} {{ indent 2 \"a\\n\\nb\" }}",
        "aGk= hi   a\n  \n  b",
    );
    check_error("{{ base64Decode \"%\" }}", "illegal base64");
    check("{{ parseInt64 \"-12\" }}", "-12");
    check_error("{{ parseInt64 \"1_0\" }}", "ParseInt");
}

#[test]
fn fact_40_affixes() {
    check(
        "{{ hasPrefix \"foobar\" \"foo\" }} {{ hasPrefix \"foo\" \"foobar\" }} {{ hasSuffix \"foobar\" \"bar\" }}",
        "true false true",
    );
}

#[test]
fn cloud_facts() {
    check("{{ amiID \"a\" \"b\" }}", "ami-fb8e20fc2e4c3f248");
    check(
        "{{ instanceTypeCPUQuantity \"m6g.large\" }} {{ instanceTypeMemoryQuantity \"m6g.large\" }}",
        "2 8Gi",
    );
}

#[test]
fn keys_and_certificates() {
    let quote = |text: &str| text.replace('\n', "\\n");
    let key = quote(include_str!("../data/key.pem"));
    check(
        &format!("{{{{ publicKey \"{key}\" }}}}"),
        include_str!("../data/public.pem"),
    );
    let certificate = quote(include_str!("../data/cert.pem"));
    check(
        &format!("{{{{ certificateExpiry \"{certificate}\" }}}}"),
        "2036-11-18T09:21:12Z",
    );
    check_error("{{ publicKey \"x\" }}", "no PEM data found");
    check_error(&format!("{{{{ certificateExpiry \"{key}\" }}}}"), "CERTIFICATE");
    let public = quote(include_str!("../data/public.pem"));
    let document = crate::support::render_one(&format!("{{{{ generateJWKSDocument \"{public}\" }}}}")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&document).unwrap();
    assert_eq!(json["keys"].as_array().unwrap().len(), 2);
    assert_eq!(json["keys"][1]["kid"], "");
    assert_eq!(json["keys"][0]["e"], "AQAB");
    assert_eq!(json["keys"][0]["kid"].as_str().unwrap().len(), 43);
    let document = crate::support::render_one("{{ generateOIDCDiscoveryDocument \"https://x\" }}").unwrap();
    let json: serde_json::Value = serde_json::from_str(&document).unwrap();
    assert_eq!(json["jwks_uri"], "https://x/openid-configuration/keys.json");
    assert_eq!(json["claims_supported"], serde_json::json!(["sub", "iss"]));
}
