use super::*;

const HYBRID: &str = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
    32 31 0:29 / /sys/fs/cgroup/cpu\\040time rw,relatime shared:4 - cgroup cgroup rw,cpu,cpuacct\n\
    41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
const UNIFIED: &str = "30 23 0:26 /user.slice /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";

#[test]
fn a_group_is_found_by_the_mounts_that_there_are() {
    let found = find(HYBRID, "4:memory:/x\n1:cpu,cpuacct:/work/a\n0::/other\n").unwrap();
    assert_eq!((found.version, found.group.to_str().unwrap()), (Version::One, "/sys/fs/cgroup/cpu time/work/a"));
    let found = find(HYBRID, "1:cpu:/\n0::/\n").unwrap();
    assert_eq!(found.group, found.mount);
    let found = find(HYBRID, "0::/only/second\n").unwrap();
    assert_eq!((found.version, found.group.to_str().unwrap()), (Version::Two, "/sys/fs/cgroup/unified/only/second"));
    let found = find(UNIFIED, "0::/user.slice/a.scope\n").unwrap();
    assert_eq!(found.group.to_str().unwrap(), "/sys/fs/cgroup/a.scope", "a hierarchy that is mounted from its middle");
    assert_eq!(find(UNIFIED, "0::/system.slice/b\n"), None, "outside of what is mounted");
    assert_eq!(find(UNIFIED, "0::/user.slice/../../etc\n"), None);
    assert_eq!(find("", "1:cpu:/\n"), None);
    assert_eq!(find("- - -\nx", "1\n::\n"), None);
}

/// A second-version tree of plain files: enough to see what is chosen, written and put back.
struct Tree(tempfile::TempDir);
impl Tree {
    fn new(groups: &[(&str, &str, &str)]) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for (group, procs, handed) in groups {
            let folder = tree.0.path().join(group);
            fs::create_dir_all(&folder).unwrap();
            for (file, text) in
                [("cgroup.procs", *procs), ("cgroup.subtree_control", *handed), ("cpu.max", "max 100000\n")]
            {
                fs::write(folder.join(file), text).unwrap();
            }
        }
        tree
    }
    fn membership(&self, group: &str) -> Membership {
        Membership { version: Version::Two, mount: self.0.path().into(), group: self.0.path().join(group) }
    }
}

#[test]
fn in_the_second_version_a_process_alone_in_its_group_is_limited_there() {
    let tree = Tree::new(&[("", "", "cpu io"), ("app.scope", "77\n", "")]);
    let place = tree.membership("app.scope").place(77, Limit::Quota).unwrap();
    assert!(matches!(&place, Place::Here { before, .. } if before == "max 100000"), "{place:?}");
    assert!(is_ours(&place));
    let text = || fs::read_to_string(tree.0.path().join("app.scope/cpu.max")).unwrap();
    engage(&place, Limit::Quota, 25, 77).unwrap();
    assert!(text().starts_with("25000 100000"), "{}", text());
    release(&place).unwrap();
    assert!(text().starts_with("max 100000"), "{}", text());
}

#[test]
fn in_the_second_version_a_process_among_others_goes_beside_its_group() {
    let tree = Tree::new(&[("", "", "io"), ("user", "", "memory cpu"), ("user/shell", "77\n78\n", "")]);
    let place = tree.membership("user/shell").place(77, Limit::Quota).unwrap();
    let expected =
        Place::Group { group: tree.0.path().join("user/tern-throttle-77"), from: tree.0.path().join("user/shell") };
    assert_eq!(place, expected);
    assert!(is_ours(&place));
    let none = Tree::new(&[("", "", "io"), ("user", "77 78", "")]);
    let why = none.membership("user").place(77, Limit::Quota).unwrap_err();
    assert!(why.contains("hands out CPU time"), "{why}");
}

#[test]
fn a_list_cannot_name_places_that_were_never_ours() {
    let group = |group: &str, from: &str| Place::Group { group: group.into(), from: from.into() };
    assert!(is_ours(&group("/sys/fs/cgroup/cpu/tern-throttle-9", "/sys/fs/cgroup/cpu")));
    for (ours, from) in
        [("/home/me", "/a"), ("tern-throttle-9", "/a"), ("/a/../tern-throttle-9", "/a"), ("/a/tern-throttle-9", "b")]
    {
        assert!(!is_ours(&group(ours, from)), "{ours} {from}");
    }
    assert!(!is_ours(&Place::Here { file: "/etc/passwd".into(), before: "x".into() }));
}

#[test]
fn what_has_gone_needs_no_release() {
    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join("tern-throttle-5");
    release(&Place::Group { group: gone, from: folder.path().into() }).unwrap();
    release(&Place::Here { file: folder.path().join("x/cpu.max"), before: "max".into() }).unwrap();
}
