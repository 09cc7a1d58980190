//! Template functions against independent oracles, and arbitrary templates.

use proptest::prelude::*;

use crate::support::render_one;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn asg_size_is_exact_division(size in 0i64..10_000, groups in 1i64..20) {
        let found = render_one(&format!("{{{{ asgSize {size} {groups} }}}}"));
        match size % groups {
            0 => prop_assert_eq!(found, Ok((size / groups).to_string())),
            _ => prop_assert!(found.is_err()),
        }
    }

    #[test]
    fn nodes_and_pods_follow_the_powers_of_two(pod in 10i64..20, node in 20i64..32, extra in 0i64..200) {
        let nodes = render_one(&format!("{{{{ nodeCIDRMaxNodesPodCIDR {pod} {node} {extra} }}}}"));
        if (14..=16).contains(&pod) && (24..=28).contains(&node) {
            prop_assert_eq!(nodes, Ok((2i64.pow(u32::try_from(node - pod).unwrap()) - extra).to_string()));
            let pods = 2i64.pow(u32::try_from(32 - node).unwrap()) / 2 + extra;
            prop_assert_eq!(render_one(&format!("{{{{ nodeCIDRMaxPods {node} {extra} }}}}")), Ok(pods.min(110).to_string()));
        } else {
            prop_assert!(nodes.is_err());
        }
    }

    #[test]
    fn nth_address_wraps_in_the_last_byte(address in any::<u32>(), prefix in 0u32..=32, n in 0u32..2000) {
        let ip = std::net::Ipv4Addr::from(address);
        let found = render_one(&format!("{{{{ nthAddressFromCIDR \"{ip}/{prefix}\" {n} }}}}"));
        // In 128 bits no shift overflows: the oracle needs no special case for /0.
        let network = (u128::from(address) >> (32 - prefix)) << (32 - prefix);
        let expected = (network & !0xff) | ((network + u128::from(n)) & 0xff);
        let expected = std::net::Ipv4Addr::from(u32::try_from(expected).unwrap());
        prop_assert_eq!(found, Ok(expected.to_string()));
    }

    #[test]
    fn nat_subnets_lie_in_the_second_quarter(address in any::<u32>(), prefix in 1u32..=24) {
        let ip = std::net::Ipv4Addr::from(address);
        let found = render_one(&format!("{{{{ range stupsNATSubnets \"{ip}/{prefix}\" }}}}{{{{ . }}}} {{{{ end }}}}")).unwrap();
        let network = (u128::from(address) >> (32 - prefix)) << (32 - prefix);
        let quarter = (1u128 << (32 - prefix)) / 4;
        let starts: Vec<u128> = found
            .split_whitespace()
            .map(|cidr| u128::from(u32::from(cidr.strip_suffix("/28").unwrap().parse::<std::net::Ipv4Addr>().unwrap())))
            .collect();
        prop_assert_eq!(starts, vec![network + quarter, network + quarter + 16, network + quarter + 32]);
    }

    #[test]
    fn sums_of_millis(parts in prop::collection::vec(-5000i64..5000, 0..6)) {
        let arguments: Vec<String> = parts.iter().map(|part| format!("\"{part}m\"")).collect();
        let found = render_one(&format!("{{{{ sumQuantities {} }}}}", arguments.join(" "))).unwrap();
        let sum: i64 = parts.iter().sum();
        let expected = if sum % 1000 == 0 {
            // Canonical form takes the largest suffix that leaves a whole number.
            let units = sum / 1000;
            if units != 0 && units % 1000 == 0 { format!("{}k", units / 1000) } else { units.to_string() }
        } else {
            format!("{sum}m")
        };
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn split_and_join_are_inverse(parts in prop::collection::vec("[a-z]{1,5}", 1..6)) {
        let text = parts.join(",");
        prop_assert_eq!(render_one(&format!("{{{{ split \"{text}\" \",\" | join \",\" }}}}")), Ok(text.clone()));
        prop_assert_eq!(render_one(&format!("{{{{ base64 \"{text}\" | base64Decode }}}}")), Ok(text));
    }

    #[test]
    fn arbitrary_templates_render_or_are_refused(text in "(\\{\\{|\\}\\}|if |end|range |\\.Cluster|\\.ConfigItems|\\.aa|split|dict| |\"x\"|1|\\(|\\)|\\||\\$x|:=|,|-|[a-z]){0,25}") {
        let _ = render_one(&text);
        let _ = render_one(&format!("{{{{ {text} }}}}"));
    }
}
