//! Where the settings of a server come from, and what is shown of them.

use server::{Key, Kind};

use crate::world::{Run, World};

/// Another value for every key, as it is written in a flag or variable. `layer` is 1, 2 or 3.
fn value(key: &Key, layer: usize) -> String {
    let texts: &[[&str; 3]] = match key.name {
        "listen" => &[["127.0.0.1:1", "127.0.0.2:2", "[::1]:3"]],
        "role" => &[["auth", "auth,gateway", "notify"]],
        "log" => &[["error", "warn", "debug"]],
        "log_format" => &[["json", "human", "json"]],
        // Longer than a mail may take.
        "timers.mail_lease_ms" => &[["900001", "900002", "900003"]],
        "trusted_proxies" | "doors_opened" => &[["127.0.0.1", "10.0.0.0/8", "::1"]],
        "otlp" => &[["http://one:4318", "http://two:4318", "http://three:4318"]],
        "mail_from" => &[["one <a@b.example>", "two <a@b.example>", "three <a@b.example>"]],
        _ => &[],
    };
    if let [texts] = texts {
        return texts[layer - 1].to_owned();
    }
    match key.kind {
        Kind::Number => (7_000 + layer).to_string(),
        Kind::Rate => format!("{layer}/{}", 60 + layer),
        // The example, somewhere else: `wss://gateway-1.2.org`.
        _ if key.example.contains("PASSWORD") || key.example.contains("example") => {
            let plain = key.example.trim_matches(['[', ']', '"']);
            let plain = plain.replace("PASSWORD", "hunter2");
            plain.replace("example", &layer.to_string()).replace("@db", &format!("@db{layer}"))
        }
        _ => format!("text-{layer}"),
    }
}

/// As it stands in a file.
fn line(key: &Key, text: &str) -> String {
    let short = key.name.rsplit('.').next().unwrap();
    match key.kind {
        Kind::Number => format!("{short} = {text}"),
        Kind::Rate => {
            let (burst, per_minute) = text.split_once('/').unwrap();
            format!("{short} = {{ burst = {burst}, per_minute = {per_minute} }}")
        }
        Kind::List | Kind::Secrets => {
            let texts: Vec<String> = text.split(',').map(|text| format!("\"{text}\"")).collect();
            format!("{short} = [{}]", texts.join(", "))
        }
        Kind::Text | Kind::Secret => format!("{short} = \"{text}\""),
    }
}

fn file(layer: usize) -> String {
    let mut text = String::new();
    let mut part = "";
    for key in server::keys() {
        if let Some((its_part, _)) = key.name.split_once('.')
            && its_part != part
        {
            part = its_part;
            text += &format!("[{part}]\n");
        }
        text += &format!("{}\n", line(&key, &value(&key, layer)));
    }
    text
}

/// What `natter serve --print-config` says with a file, variables, flags.
fn printed(world: &World, variables: bool, flags: bool) -> String {
    let path = world.home.path().join("natter.toml");
    std::fs::write(&path, file(1)).unwrap();
    let path = path.display().to_string();
    let mut command = world.command(&["serve", "--print-config", "--config", &path]);
    for key in server::keys() {
        if variables {
            command.env(key.variable(), value(&key, 2));
        }
        if flags {
            command.arg(format!("--{}={}", key.flag(), value(&key, 3)));
        }
    }
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn every_setting_is_taken_from_the_file_then_the_environment_then_the_flags() {
    let world = World::new();
    for (layer, variables, flags) in [(1, false, false), (2, true, false), (3, true, true)] {
        let printed = printed(&world, variables, flags);
        for key in server::keys() {
            let wanted = line(&key, &value(&key, layer).replace("hunter2", "…"));
            let wanted = match key.kind {
                Kind::Secret | Kind::Secrets => format!("# {wanted}"),
                _ => wanted,
            };
            let is_default = key.name == "log_format" && layer == 2;
            assert!(
                printed.lines().any(|line| line == wanted) || is_default,
                "{} in layer {layer} is not {wanted:?}:\n{printed}",
                key.name
            );
        }
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}

#[test]
fn a_printed_file_is_a_file_that_a_server_takes() {
    let world = World::new();
    let text = world.natter("server", &["serve", "--print-config"]);
    for key in server::keys() {
        let short = key.name.rsplit('.').next().unwrap();
        assert!(text.contains(&format!("\n# {short} = ")), "{}", key.name);
    }
    let path = world.home.path().join("natter.toml");
    std::fs::write(&path, text).unwrap();
    let again =
        ["serve", "--print-config", "--config", &path.display().to_string(), "--log", "warn"];
    assert!(world.natter("server", &again).contains("\nlog = \"warn\"\n"));
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_without_secrets() {
    let world = World::new();
    let path = world.home.path().join("natter.toml");
    std::fs::write(&path, "log = 'info'\nlissten = 'x'\nsmtp = 'smtp://a:hunter2@b'\n").unwrap();
    let path = path.display().to_string();
    let said = |run: Run, wanted: &str| {
        assert_eq!(run.code, 1, "{run:?}");
        let told = run.out.clone() + &run.err;
        assert!(told.contains(wanted) && !told.contains("hunter2"), "{run:?}");
    };
    for command in ["serve", "check"] {
        let run = world.run(&[command, "--config", &path], "");
        said(run, "natter.toml: line 2: unknown field `lissten`");
        said(world.run(&[command, "--listen", "here"], ""), "--listen: invalid socket address");
        let data = world.home.path().join("data").display().to_string();
        let database = "postgres://natter:hunter2@127.0.0.1:1/x";
        let place = ["--listen", "127.0.0.1:0", "--data", &data, "--database", database];
        said(world.run(&[&[command][..], &place].concat(), ""), "database");
    }
}
