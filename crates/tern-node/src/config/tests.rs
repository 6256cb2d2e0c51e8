//! Settings: what wins, and what bad ones get.

use super::*;

fn from_text(text: &str, flags: &Flags) -> Result<Loaded, String> {
    let folder = tempfile::tempdir().unwrap();
    let user = folder.path().join("config.toml");
    std::fs::write(&user, text).unwrap();
    let sources = Sources { system: folder.path().join("none"), user: user.clone() };
    load_from(&sources, flags).map_err(|error| error.to_string().replace(user.to_str().unwrap(), "FILE"))
}

fn refusal(text: &str) -> String {
    from_text(text, &Flags::default()).unwrap_err()
}

#[test]
fn an_unknown_key_is_refused_with_its_name_file_and_line() {
    let message = refusal("slots = 2\n\n[trit]\nliteral = true\nliterall = true\n");
    assert!(message.starts_with("FILE:5: trit.literall: there is no such key"), "{message}");
    let message = refusal("\nslotz = 2\n");
    assert!(message.starts_with("FILE:2: slotz: there is no such key"), "{message}");
    assert!(message.contains("keep_jobs"), "{message}");
}

#[test]
fn a_value_of_the_wrong_kind_is_refused_at_its_line() {
    let message = refusal("keep_jobs = 5\nslots = \"many\"\n");
    assert!(message.starts_with("FILE:2: slots: "), "{message}");
}

#[test]
fn what_is_wanted_is_said_without_the_names_of_types() {
    for (text, what) in [
        ("[balance]\nhogs = 3\n", "balance.hogs: must be one of \"off\", \"dry-run\", \"tasks\", \"all\", and is 3"),
        (
            "[balance]\nhogs = \"some\"\n",
            "balance.hogs: must be one of \"off\", \"dry-run\", \"tasks\", \"all\", and is \"some\"",
        ),
        ("[balance]\nmode = \"pared\"\n", "balance.mode: must be one of \"paired\", \"strict\", and is \"pared\""),
        ("[balance]\nmode = true\n", "balance.mode: must be one of \"paired\", \"strict\", and is true"),
        ("[balance]\nhold_percent = 300\n", "balance.hold_percent: must be a whole number, 0 to 255, and is 300"),
        ("[trit]\nhysteresis = \"much\"\n", "trit.hysteresis: must be a number, and is \"much\""),
        ("[trit]\nliteral = 1\n", "trit.literal: must be true or false, and is 1"),
        ("[scum]\nprotected = \"yes\"\n", "scum.protected: must be a list, and is \"yes\""),
        ("[scum]\nprotected = [7]\n", "must be text in quotes, and is 7"),
        ("slots = -1\n", "slots: must be a whole number, 0 or more, and is -1"),
        ("slots = [2]\n", "slots: must be a whole number, 0 or more, and is a list"),
        ("trit = 5\n", "trit: must be a table, and is 5"),
        ("listen = 7\n", "listen: "),
    ] {
        let message = refusal(text);
        assert!(message.contains(what), "{message}");
        for word in ["enum", "f64", "u32", "Reach", "Mode", "struct", "``", "Option"] {
            assert!(!message.contains(word), "{message}");
        }
    }
}

#[test]
fn a_value_out_of_bounds_is_refused_at_its_line() {
    assert!(refusal("\n\nslots = 0\n").starts_with("FILE:3: slots: must be 1 to 4096, and is 0"));
    assert!(
        refusal("[trit]\nhysteresis = 0.9\n").starts_with("FILE:2: trit.hysteresis: must be 0 to 0.25, and is 0.9")
    );
    assert!(refusal("[trit]\nhysteresis = nan\n").starts_with("FILE:2: trit.hysteresis: "));
    assert!(refusal("[[peers]]\nkey = \"short\"\n").starts_with("FILE:1: peers: key \"short\" is no public key"));
}

#[test]
fn what_is_no_toml_is_refused_at_its_line() {
    assert!(refusal("slots = 2\n[trit\n").starts_with("FILE:2: "));
}

#[test]
fn a_user_file_wins_over_the_system_file_and_flags_over_both() {
    let folder = tempfile::tempdir().unwrap();
    let sources = Sources { system: folder.path().join("system"), user: folder.path().join("user") };
    std::fs::write(&sources.system, "slots = 2\nkeep_jobs = 7\nlog = \"warn\"\n").unwrap();
    std::fs::write(&sources.user, "slots = 3\n\nkeep_jobs = 8\n").unwrap();
    let flags = Flags { slots: Some(9), ..Flags::default() };
    let loaded = load_from(&sources, &flags).unwrap();
    assert_eq!((loaded.config.slots, loaded.config.keep_jobs), (Some(9), 8));
    assert_eq!(loaded.config.log, "warn");
    let places = origins(&loaded);
    let place = |key: &str| places.iter().find(|(known, _)| known == key).unwrap().1.clone();
    assert_eq!(place("slots"), "a flag");
    assert_eq!(place("keep_jobs"), format!("{}:3", sources.user.display()));
    assert_eq!(place("log"), format!("{}:3", sources.system.display()));
    assert_eq!(place("trit.literal"), "default");
}

#[test]
fn without_files_the_defaults_hold_and_pass_their_own_bounds() {
    let sources = Sources { system: "/nonexistent/a".into(), user: "/nonexistent/b".into() };
    assert_eq!(load_from(&sources, &Flags::default()).unwrap().config, Config::default());
}

#[test]
fn every_key_of_the_settings_is_known_to_the_environment() {
    let mesh = crate::config::MeshConfig { name: Some("a".to_owned()), ..Default::default() };
    let work = crate::config::WorkConfig { yield_to_owner: Some(true), ..Default::default() };
    let listen = Some(([127, 0, 0, 1], 1).into());
    let config = Config { slots: Some(1), listen, mesh, work, ..Config::default() };
    let table = toml::Table::try_from(&config).unwrap();
    let mut keys = Vec::new();
    for (key, value) in &table {
        match value.as_table() {
            Some(inner) => keys.extend(inner.keys().map(|name| format!("{key}.{name}"))),
            None => keys.push(key.clone()),
        }
    }
    let mut known = known_keys();
    known.sort();
    keys.sort();
    assert_eq!(known, keys);
}
