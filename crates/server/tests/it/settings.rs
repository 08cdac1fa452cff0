//! The settings, as the book tells them.

use server::Config;

use crate::docs;

#[test]
fn every_setting_is_in_the_book() {
    docs::check("docs/operate.md", "settings", &Config::document());
}
