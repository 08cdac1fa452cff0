//! Parts of the documents that are views of a table in the code.

/// The part of a document between `<!-- NAME -->` and `<!-- end of NAME -->` is this text, to the
/// letter. With `NATTER_WRITE_DOCS=1` it is written.
pub(crate) fn check(document: &str, name: &str, text: &str) {
    let path = format!("{}/../../{document}", env!("CARGO_MANIFEST_DIR"));
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let now = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{document}: {e}"));
    let (before, rest) = now.split_once(&begin).expect("the mark where the part begins");
    let (_, after) = rest.split_once(&end).expect("the mark where the part ends");
    let wanted = format!("{before}{begin}\n{text}\n{end}{after}");
    if std::env::var_os("NATTER_WRITE_DOCS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    assert!(
        now == wanted || std::env::var_os("NATTER_WRITE_DOCS").is_some(),
        "{document} is stale: run `NATTER_WRITE_DOCS=1 cargo test -p natter-server {name}`"
    );
}
