//! Facts 16 to 27: the template language over the data model.

use std::sync::Arc;

use render::{Config, Input, Renderer};

use crate::support::{check, check_error, r1, tree};

#[test]
fn fact_16_truth_of_strings() {
    check("{{ if .Cluster.ConfigItems.aa }}T{{ else }}F{{ end }}", "T");
    check("{{ if .Cluster.ConfigItems.bb }}T{{ else }}F{{ end }}", "F");
}

#[test]
fn fact_17_missing_items() {
    check_error(
        "{{ .Cluster.ConfigItems.missing }}",
        "map has no entry for key \"missing\"",
    );
    check("[{{ index .Cluster.ConfigItems \"missing\" }}]", "[]");
}

#[test]
fn fact_18_operands() {
    check("{{ or (index .Cluster.ConfigItems \"missing\") \"10m\" }}", "10m");
    check("{{ and \"\" (index .Values.availability_zones 9) }}", "");
}

#[test]
fn fact_19_built_ins() {
    check("{{ eq \"a\" \"b\" \"a\" }}", "true");
    check(
        "{{ print \"a\" \"b\" }} {{ print 1 2 }} {{ print \"v_\" 1 \"_\" true }}",
        "ab 1 2 v_1_true",
    );
    check("{{ \"a\" | printf \"%s-%s\" \"b\" }}", "b-a");
}

#[test]
fn fact_20_maps_are_visited_in_key_order() {
    check(
        "{{ range $az, $s := .Values.subnets }}{{ $az }}={{ $s }};{{ end }}",
        "*=s1,s2;eu-central-1a=s1;eu-central-1b=s2;",
    );
}

#[test]
fn facts_21_to_25_the_language() {
    check("{{ $x := \"1\" }}{{ if true }}{{ $x = \"2\" }}{{ end }}{{ $x }}", "2");
    check("{{ $x := \"1\" }}{{ if true }}{{ $x := \"2\" }}{{ end }}{{ $x }}", "1");
    check("{{ range split \"\" \",\" }}x{{ else }}empty{{ end }}", "empty");
    check("a  {{- \" b\" -}}  c", "a bc");
    check("x{{- /* d */ -}} y", "xy");
    check(
        "# {{ if eq .Cluster.Environment \"test\" }}\nk: v\n# {{ end }}",
        "# \nk: v\n# ",
    );
    check("{{ `{{ .Env.X }}` }}", "{{ .Env.X }}");
}

#[test]
fn fact_26_templates_defined_later() {
    let text = "{{ template \"t\" dict \"name\" \"n\" \"Cluster\" .Cluster }}{{ define \"t\" }}{{ .name }}-{{ .Cluster.LocalID }}{{ if index . \"replicas\" }}!{{ end }}{{ end }}";
    check(text, "n-kube-1");
}

#[test]
fn fact_27_dict_list_append() {
    check_error("{{ dict }}", "dict: invalid number of arguments: 0");
    check_error("{{ dict \"a\" 1 \"a\" 2 }}", "duplicate key a");
    check("{{ append (split \"a,b\" \",\") \"c\" \"d\" | join \"-\" }}", "a-b-c-d");
    check_error("{{ append (list \"a\") \"c\" }}", "wrong type");
    check("{{ list 1 \"a\" | join \",\" }}", "1,a");
}

#[test]
fn the_data_model() {
    check(
        "{{ .Cluster.Name }} {{ .Cluster.InfrastructureAccountID }}",
        "aws:123456789012:eu-central-1:kube-1 123456789012",
    );
    check(
        "{{ .Cluster.OIDCProvider }} {{ .Cluster.WorkerRoleARN }}",
        "kube-1.foo.example.org arn:aws:iam::123456789012:role/kube-1-worker",
    );
    check(
        "{{ .Values.hosted_zone }} {{ .Cluster.CriticalityLevel }}",
        "foo.example.org 1",
    );
    check(
        "{{ len .Cluster.NodePools }}{{ len .Cluster.KarpenterPools }}{{ if .Cluster.SiblingCluster }}s{{ end }}",
        "00",
    );
    check_error("{{ .Cluster.Nope }}", "can't evaluate field Nope");
}

#[test]
fn errors_name_the_place_and_the_missing_fact() {
    check_error(
        "a\n{{ .Cluster.ConfigItems.lists }}",
        "template: main/cluster/cluster.yaml:2:11:",
    );
    check_error("{{ .Values.vpc_ipv4_cidr }}", "(missing facts: vpc_ipv4_cidr)");
    check_error(
        "[{{ index .Values \"vpc_ipv4_cidr\" }}]",
        "(missing facts: vpc_ipv4_cidr)",
    );
    check_error("{{ if }}", "main/cluster/cluster.yaml:1");
    check_error(
        "{{ range $i := split .Cluster.ConfigItems.list \",\" }}{{ unknown }}{{ end }}",
        "function \"unknown\" not defined",
    );
}

#[test]
fn functions_count_what_they_make_before_they_make_it() {
    for (unit, call) in [
        (",", "split $x `,`"),
        ("a", "split $x ``"),
        ("a", &format!("join `,` (list{})", " $x".repeat(40))),
        ("a", "join $x (split (indexedList `a` 40) `,`)"),
        (",", "portRanges $x"),
        (",", "sgIngressRanges $x"),
        (",", "extractEndpointHosts $x"),
        ("$", "indexedList $x 40"),
        ("\n", "indent 40 $x"),
    ] {
        let template = format!("{{{{ $x := .Cluster.ConfigItems.long }}}}{{{{ len ({call}) }}}}");
        let mut cluster = r1();
        cluster
            .config_items
            .insert("long".parse().unwrap(), unit.repeat(2 << 20));
        let config = Config::single(tree("v1", [("cluster/cluster.yaml", template)]));
        let outcome = Renderer::new().render(&Input::new(Arc::new(cluster), config, Arc::default()));
        let error = outcome.errors[0].to_string();
        assert!(error.contains("produce more than"), "{call}: {error}");
    }
    // Lists that grow by themselves: what they hold is shared, but the room for it is not.
    check_error(
        "{{ $x := split `a` `,` }}{{ range split (indexedList `a` 30000) `,` }}{{ $x = append $x `b` }}{{ end }}",
        "produce more than",
    );
}

#[test]
fn fact_22_nothing_to_split_runs_the_else() {
    check("{{ range split \"\" \",\" }}x{{ else }}empty{{ end }}", "empty");
    check(
        "{{ range split .Cluster.ConfigItems.bb \",\" }}x{{ else }}empty{{ end }}",
        "empty",
    );
    check(
        "{{ range split .Cluster.ConfigItems.list \",\" }}[{{ . }}]{{ else }}empty{{ end }}",
        "[x=1][y=2]",
    );
    check("{{ len (split \"\" \",\") }} {{ len (split \",\" \",\") }}", "0 2");
}

#[test]
fn hostile_templates_are_bounded() {
    check_error(
        "{{ indexedList \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" 9000000000 }}",
        "template",
    );
    check_error("{{ indent 100000000 \"a\\nb\" }}", "produce more than");
    check_error(
        "{{ define \"a\" }}{{ template \"a\" }}{{ end }}{{ template \"a\" }}",
        "depth",
    );
}
