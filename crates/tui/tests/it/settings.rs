//! What people can choose: the file, `:set`, `:theme`, and keys of their own.

use ratatui::style::Color;
use tui::commands::Layer;
use tui::effect::{Effect, Exit};
use tui::model::Colors;
use tui::settings::{CHOICES, Notify, QQuits, Receipts, Settings, Theme, document, parse, told};

use crate::stage::*;

/// A conversation with ann, with these lines in the file.
fn with(file: &str) -> Stage {
    let (settings, mistakes) = parse(file);
    assert_eq!(mistakes, [], "{file}");
    let mut stage = talking_with_ann(80, 24);
    stage.model.settings = settings;
    stage.taken();
    stage
}

#[test]
fn the_printed_file_says_what_is_so_without_it() {
    let (settings, mistakes) = parse(&document());
    assert_eq!((settings, mistakes), (Settings::default(), Vec::new()));
    for row in CHOICES {
        assert!(document().contains(&format!("\n{} = ", row.name)), "{}", row.name);
    }
    // the examples of keys are commented; they too must be right
    let examples = document().replace("# [keys", "[keys").replace("# \"", "\"");
    let (settings, mistakes) = parse(&examples);
    assert_eq!((settings.keymap.rows.len(), mistakes), (4, Vec::new()));
}

#[test]
fn every_choice_can_be_written_in_the_file() {
    let (settings, mistakes) = parse(
        "q_quits = \"ask\"\nreceipts = \"never\"\nnotify = \"desktop\"\nshow_text = true\n\
         theme = \"dark\"\n",
    );
    assert_eq!(mistakes, []);
    assert_eq!(settings.q_quits, QQuits::Ask);
    assert_eq!(settings.receipts, Receipts::Never);
    assert_eq!(settings.notify, Notify::Desktop);
    assert!(settings.show_text);
    assert_eq!(settings.theme, Theme::Dark);
    assert_eq!(parse("q_quits = false").0.q_quits, QQuits::No);
}

#[test]
fn a_mistake_is_told_with_its_line_and_the_rest_of_the_file_counts() {
    let (settings, mistakes) = parse(
        "theme = \"pink\"\ncolour = 3\n\n[keys.messages]\n\"<C-nonsense>\" = \"j\"\n\
         \"gs\" = \":nonsense\"\n\"gq\" = \":quit\"\n\n[keys.attic]\n\"a\" = \"b\"\n",
    );
    let lines: Vec<usize> = mistakes.iter().map(|mistake| mistake.line).collect();
    assert_eq!(lines, [1, 2, 5, 6, 9]);
    assert_eq!(settings.theme, Theme::Terminal);
    assert_eq!(settings.keymap.rows.len(), 1);
    let first = "config.toml, line 1: theme is one of terminal, dark, light  (and 4 more)";
    assert_eq!(told(&mistakes), first);
    let (settings, mistakes) = parse("show_text = true\ntheme = = \"dark\"\n");
    assert_eq!((settings.show_text, mistakes[0].line), (true, 2));
    assert!(!parse("\u{0}\u{1}[[[[").1.is_empty());
}

#[test]
fn settings_are_shown_and_changed_while_the_screen_runs() {
    let mut stage = with("");
    stage.keys(":set<CR>");
    let picture = stage.picture();
    for row in CHOICES {
        assert!(picture.contains(row.name), "{}\n{picture}", row.name);
    }
    stage.keys("q:set receipts=visible<CR>");
    assert_eq!(stage.model.settings.receipts, Receipts::Visible);
    stage.keys(":set show_text<CR>");
    assert!(stage.model.settings.show_text);
    stage.keys(":set noshow_text<CR>");
    assert!(!stage.model.settings.show_text);
    stage.keys(":set q_quits?<CR>");
    assert!(stage.notice().starts_with("q_quits is true"), "{}", stage.notice());
    stage.keys(":set notify=drum<CR>");
    assert_eq!(stage.notice(), "notify is one of bell, terminal, desktop, off");
    stage.keys(":set drum<CR>");
    assert!(stage.notice().starts_with("there is no setting drum"), "{}", stage.notice());
}

#[test]
fn q_quits_as_it_is_set() {
    let mut stage = with("q_quits = \"ask\"");
    stage.keys("q");
    assert_eq!(stage.taken(), []);
    stage.keys("q");
    assert_eq!(stage.taken(), [Effect::Exit(Exit::Quit)]);
    let mut stage = with("q_quits = false");
    stage.keys("qq");
    assert_eq!(stage.taken(), []);
    assert!(stage.notice().contains(":q does"), "{}", stage.notice());
    stage.keys(":q<CR>");
    assert_eq!(stage.taken(), [Effect::Exit(Exit::Quit)]);
}

#[test]
fn a_theme_puts_a_ground_under_everything_and_no_color_takes_it_away() {
    let mut stage = with("");
    let grounds = |stage: &Stage| {
        let mut all: Vec<Color> = stage.cells().iter().map(|cell| cell.bg).collect();
        all.dedup();
        all
    };
    assert_eq!(grounds(&stage), [Color::Reset], "the terminal's own");
    stage.keys(":theme dark<CR>");
    assert_eq!(grounds(&stage), [Color::Rgb(0x16, 0x18, 0x1d)]);
    stage.keys("?");
    assert_eq!(grounds(&stage), [Color::Rgb(0x16, 0x18, 0x1d)], "under a popup too");
    stage.keys("q:theme light<CR>");
    stage.model.colors = Colors::Table;
    assert!(matches!(grounds(&stage).as_slice(), [Color::Indexed(_)]));
    stage.model.colors = Colors::None;
    assert_eq!(grounds(&stage), [Color::Reset]);
    assert!(stage.cells().iter().all(|cell| cell.fg == Color::Reset));
}

#[test]
fn what_is_on_the_screen_is_told_as_the_setting_of_receipts_wants() {
    let comes = |file: &str| {
        let mut stage = with(file);
        stage.input(tui::effect::Input::Focus(false));
        let message = message(WITH_ANN, 7, ANN, NOW, "new");
        stage.event(client::Event::New { message, live: true });
        let away = stage.taken().iter().any(|effect| matches!(effect, Effect::Read { .. }));
        stage.input(tui::effect::Input::Focus(true));
        let back = stage.taken().iter().any(|effect| matches!(effect, Effect::Read { .. }));
        (away, back)
    };
    assert_eq!(comes("receipts = \"focused\""), (false, true));
    assert_eq!(comes("receipts = \"visible\""), (true, false));
    assert_eq!(comes("receipts = \"never\""), (false, false));
    let mut stage = with("receipts = \"never\"");
    stage.keys(":read<CR>");
    assert_eq!(stage.taken(), [Effect::Read { conv_id: WITH_ANN, seq: 6 }]);
}

#[test]
fn a_key_of_ones_own_means_other_keys_or_a_command() {
    let mut stage = with(
        "[keys.messages]\n\"<C-n>\" = \"gt\"\n\"gs\" = \":status\"\n\"q\" = \"\"\n\
         \"Q\" = \":quit\"\n\"J\" = \"3k\"\n",
    );
    stage.keys("J");
    assert_eq!(stage.model.cursor_index(), Some(2));
    stage.keys("2<C-n>");
    assert_eq!(stage.model.chat.as_ref().map(|chat| chat.conv_id), Some(LUNCH), "the second one");
    stage.keys("gs");
    assert_eq!(stage.model.layer(), Layer::Details);
    stage.keys("<Esc>gT");
    assert_eq!(stage.model.chat.as_ref().map(|chat| chat.conv_id), Some(WITH_ANN), "g waits");
    stage.taken();
    stage.keys("q");
    assert_eq!(stage.taken(), []);
    stage.keys("Q");
    assert!(stage.taken().contains(&Effect::Exit(Exit::Quit)));
}

#[test]
fn jk_leaves_insert_and_a_lone_j_is_written_after_a_while() {
    let mut stage = with("[keys.insert]\n\"jk\" = \"<Esc>\"\n");
    stage.keys("ihejk");
    assert_eq!((stage.model.layer(), stage.model.composer.text.as_str()), (Layer::Normal, "he"));
    stage.keys("a jam");
    assert_eq!(stage.model.composer.text, "he jam");
    stage.keys("j").tick(0).tick(499);
    assert_eq!(stage.model.composer.text, "he jam");
    stage.tick(1);
    assert_eq!(stage.model.composer.text, "he jamj");
    stage.keys("j<CR>");
    assert_eq!(stage.model.composer.text, "", "sent, with the j before Enter");
    assert!(
        stage
            .taken()
            .iter()
            .any(|effect| matches!(effect, Effect::Send { body, .. } if body == "he jamjj"))
    );
}

#[test]
fn what_a_key_leads_to_is_not_looked_up_again() {
    let mut stage = with("[keys.messages]\n\"j\" = \"k\"\n\"k\" = \"j\"\n");
    stage.keys("jj");
    assert_eq!(stage.model.cursor_index(), Some(3));
    stage.keys("k");
    assert_eq!(stage.model.cursor_index(), Some(4));
}

#[test]
fn a_lower_layers_key_does_not_hide_the_key_of_the_layer_above() {
    let mut stage = with("[keys.messages]\n\"a\" = \":status\"\n\"x\" = \":status\"\n");
    stage.keys("<C-w>hx");
    assert_eq!(stage.model.layer(), Layer::List, "x declines, in the list");
    stage.keys("<Esc>x");
    assert_eq!(stage.model.layer(), Layer::Details);
}

#[test]
fn keys_are_mapped_and_unmapped_until_one_quits() {
    let mut stage = with("");
    stage.keys(":map messages gs :status<CR>gs");
    assert_eq!(stage.model.layer(), Layer::Details);
    stage.keys("q:map<CR>");
    let picture = stage.picture();
    assert!(picture.contains("gs") && picture.contains(":status"), "{picture}");
    stage.keys("q:map messages<CR>");
    assert!(stage.picture().contains("write, at the cursor of the box"), "{}", stage.picture());
    stage.keys("q?/yours<CR>");
    assert!(stage.picture().contains(":status   (yours)"), "{}", stage.picture());
    stage.keys("qg").tick(0).tick(300);
    assert!(stage.picture().contains(":status"), "which-key\n{}", stage.picture());
    stage.keys("<Esc>:unmap messages gs<CR>gs");
    assert_eq!(stage.notice(), "no such key: gs   ? shows all keys");
    stage.keys(":map messages <lt>C-foo> j<CR>");
    assert!(stage.notice().starts_with("there is no key <C-foo>"), "{}", stage.notice());
}

#[test]
fn the_hint_bar_does_not_name_a_key_that_means_something_else() {
    let mut stage = with("[keys.messages]\n\"q\" = \"\"\n");
    assert!(!stage.picture().contains("q quit"), "{}", stage.picture());
    stage.model.settings = Settings::default();
    assert!(stage.picture().contains("q quit"));
}

#[test]
fn tab_on_the_command_line_shows_what_there_is_with_its_help() {
    let mut stage = with("");
    stage.keys(":re<Tab>");
    let picture = stage.picture();
    assert!(picture.contains("end a friendship") && picture.contains(":remove"), "{picture}");
    assert!(picture.contains("do not wait for the next try"), "{picture}");
    stage.keys("<S-Tab>");
    assert!(stage.picture().contains(":re "), "{}", stage.picture());
    stage.keys("<C-u>set the<Tab>=<Tab><Tab><CR>");
    assert_eq!(stage.model.settings.theme, Theme::Dark);
    stage.keys(":theme <Tab>");
    assert!(stage.picture().contains("the sixteen colours of your terminal"));
}

#[test]
fn conversations_are_opened_by_name_and_by_number() {
    let mut stage = with("");
    let open = |stage: &Stage| stage.model.chat.as_ref().map(|chat| chat.conv_id);
    stage.keys(":ls<CR>");
    assert!(stage.picture().contains("2 unread"), "{}", stage.picture());
    stage.keys("q:b bo<CR>");
    assert_eq!(open(&stage), Some(WITH_BOB));
    stage.keys(":b 1<CR>");
    assert_eq!(open(&stage), Some(WITH_ANN));
    stage.keys(":bn<CR>");
    assert_eq!(open(&stage), Some(LUNCH));
    stage.keys(":bp<CR>");
    assert_eq!(open(&stage), Some(WITH_ANN));
    stage.keys(":b lunch<CR>");
    assert_eq!(open(&stage), Some(LUNCH));
    stage.keys(":b zoe<CR>");
    assert!(stage.notice().starts_with("no conversation is called zoe"), "{}", stage.notice());
}

#[test]
fn wq_sends_and_quits_and_x_without_a_text_only_quits() {
    let mut stage = with("");
    stage.keys("ilast words<Esc>:wq<CR>");
    let taken = stage.taken();
    assert!(taken.iter().any(|e| matches!(e, Effect::Send { body, .. } if body == "last words")));
    assert_eq!(taken.last(), Some(&Effect::Exit(Exit::Quit)));
    let mut stage = with("");
    stage.keys(":x<CR>");
    assert_eq!(stage.taken(), [Effect::Exit(Exit::Quit)]);
}

#[test]
fn an_unfinished_command_in_the_box_shows_what_may_follow() {
    for (keys, shown) in [
        ("ione two<Esc>d", "inside of: a word"),
        ("ione two<Esc>di", "what stands in brackets"),
        ("ione two<Esc>g", "words"),
        ("ione two<Esc>q", ":q quits"),
        ("ione two<Esc>yiw\"", "two"),
        ("ione two<Esc>yiwo<C-r>", "two"),
    ] {
        let mut stage = with("");
        stage.keys(keys).tick(0).tick(299);
        assert!(!stage.model.which_key, "{keys}");
        stage.tick(1);
        assert!(stage.picture().contains(shown), "{keys}\n{}", stage.picture());
        stage.keys("<Esc>");
        assert!(!stage.model.which_key, "{keys}");
    }
}
