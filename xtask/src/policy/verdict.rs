//! The rules against the tree. A finding says what, where, and what to do.

use std::collections::BTreeMap;

use super::lock::Lock;
use super::rules::Rules;
use super::spdx;
use super::tree::Tree;

/// Every finding, in a fixed order.
pub fn findings(rules: &Rules, lock: &Lock, tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    found.extend(licences(rules, tree));
    found.extend(sources(rules, lock));
    found.extend(bans(rules, lock));
    found.extend(duplicates(rules, tree));
    found.extend(weight(rules, tree));
    found
}

fn licences(rules: &Rules, tree: &Tree) -> Vec<String> {
    let judge = |package: &super::tree::Package| {
        let what = format!("licence: {} {}", package.name, package.version);
        let Some(expression) = &package.license else {
            return Some(format!(
                "{what} declares none: leave it out, or add it to [licences.exceptions] with the reason"
            ));
        };
        let own = rules.licences.exceptions.get(&package.name);
        let allowed = |name: &str| rules.licences.allowed.contains(name) || own.is_some_and(|own| own == name);
        match spdx::satisfied(expression, &allowed) {
            Ok(true) => None,
            Ok(false) => {
                Some(format!("{what} is `{expression}`, which is not allowed: leave it out, or change [licences]"))
            }
            Err(why) => Some(format!("{what}: {why}: read its licence and add it to [licences.exceptions]")),
        }
    };
    tree.packages.iter().filter_map(judge).collect()
}

fn sources(rules: &Rules, lock: &Lock) -> Vec<String> {
    let mut found = Vec::new();
    for package in &lock.packages {
        let Some(source) = &package.source else { continue };
        if !rules.sources.allowed.contains(source) {
            found.push(format!(
                "source: {} {} comes from {source}: take a published version from crates.io",
                package.name, package.version
            ));
        } else if package.checksum.is_none() {
            found.push(format!(
                "source: {} {} has no checksum in Cargo.lock: run `cargo update -p {}`",
                package.name, package.version, package.name
            ));
        }
    }
    found
}

fn bans(rules: &Rules, lock: &Lock) -> Vec<String> {
    let banned = lock.packages.iter().filter_map(|package| Some((package, rules.bans.get(&package.name)?)));
    let show = |(package, why): (&super::lock::Locked, &String)| {
        let (name, version) = (&package.name, &package.version);
        format!("ban: {name} {version}: {why}; `cargo tree --target all -i {name}` shows who wants it")
    };
    banned.map(show).collect()
}

fn duplicates(rules: &Rules, tree: &Tree) -> Vec<String> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in &tree.packages {
        versions.entry(&package.name).or_default().push(&package.version);
    }
    let mut found = Vec::new();
    for (name, list) in &versions {
        let budget = rules.duplicates.budget.get(*name).copied().unwrap_or(1);
        if list.len() > budget {
            found.push(format!(
                "duplicate: {name} is there as {}, {budget} allowed: align them with `cargo update`, or raise its line in [duplicates.budget]",
                list.join(" and ")
            ));
        }
    }
    for (name, budget) in &rules.duplicates.budget {
        if versions.get(name.as_str()).map_or(0, Vec::len) < *budget {
            found.push(format!(
                "duplicate: {name} has fewer than {budget} versions now: lower its line in [duplicates.budget]"
            ));
        }
    }
    found
}

fn weight(rules: &Rules, tree: &Tree) -> Option<String> {
    let (package, budget) = (&rules.weight.package, rules.weight.budget);
    match tree.weight(package) {
        0 => Some(format!("weight: no package {package} in the tree: correct [weight] in policy.toml")),
        weight if weight > budget => Some(format!(
            "weight: {weight} packages in the tree of {package}, {budget} allowed: `cargo tree -p {package} -e no-dev` \
             shows them; drop features, or raise [weight] with the reason in the commit"
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = r#"
        [licences]
        allowed = ["MIT"]
        exceptions = { odd = "GPL-3.0-only" }
        [sources]
        allowed = ["registry+here"]
        [bans]
        "evil" = "use good"
        [duplicates.budget]
        [weight]
        package = "a"
        budget = 1
    "#;

    /// `a` is built with `odd`, and tested with `b`; `more` are further packages.
    fn tree(licence: &str, more: &str) -> Tree {
        let text = format!(
            r#"{{"packages": [{more}
                {{"id": "a", "name": "a", "version": "1", "license": "MIT"}},
                {{"id": "odd", "name": "odd", "version": "1", "license": "GPL-3.0-only"}},
                {{"id": "b", "name": "b", "version": "1", "license": {licence}}}],
            "resolve": {{"nodes": [
                {{"id": "a", "deps": [
                    {{"pkg": "odd", "dep_kinds": [{{"kind": null}}]}},
                    {{"pkg": "b", "dep_kinds": [{{"kind": "dev"}}]}}]}},
                {{"id": "odd", "deps": []}}, {{"id": "b", "deps": []}}]}}}}"#
        );
        Tree::parse(&text).unwrap()
    }

    fn lock(name: &str, source: &str) -> Lock {
        let package = "[[package]]\nversion = \"3\"\nchecksum = \"0\"\n";
        Lock::parse(&format!("{package}name = \"{name}\"\nsource = \"{source}\"")).unwrap()
    }

    fn found(tree: &Tree, lock: &Lock) -> Vec<String> {
        findings(&Rules::parse(RULES).unwrap(), lock, tree)
    }

    #[test]
    fn a_tree_that_keeps_the_rules_has_no_findings() {
        assert_eq!(found(&tree("\"MIT OR GPL-3.0-only\"", ""), &lock("x", "registry+here")), Vec::<String>::new());
    }

    #[test]
    fn each_rule_finds_what_breaks_it() {
        let second = r#"{"id": "a2", "name": "a", "version": "2", "license": "MIT"},"#;
        for (licence, more, locked, says) in [
            ("\"GPL-3.0-only\"", "", ("x", "registry+here"), "licence: b 1"),
            ("null", "", ("x", "registry+here"), "licence: b 1 declares none"),
            ("\"MIT\"", "", ("x", "git+elsewhere"), "source: x 3"),
            ("\"MIT\"", "", ("evil", "registry+here"), "ban: evil 3: use good"),
            ("\"MIT\"", second, ("x", "registry+here"), "duplicate: a"),
        ] {
            let found = found(&tree(licence, more), &lock(locked.0, locked.1));
            assert!(found.iter().any(|finding| finding.starts_with(says)), "{found:?}");
        }
    }

    #[test]
    fn weight_counts_what_is_built_and_not_what_only_tests_need() {
        let tree = tree("\"MIT\"", "");
        assert_eq!(tree.weight("a"), 1);
        let mut rules = Rules::parse(RULES).unwrap();
        rules.weight.budget = 0;
        assert!(weight(&rules, &tree).unwrap().starts_with("weight: 1 packages"));
    }
}
