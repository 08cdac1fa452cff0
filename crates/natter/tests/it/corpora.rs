//! What the fuzzers have found worth keeping, again and again with the ordinary compiler: every
//! input of `fuzz/corpus` goes through the function that it was found for.

use std::path::Path;

#[path = "../../../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "the fuzzers, which use it from outside, want it public")]
mod checks;

#[test]
fn every_kept_input_of_the_fuzzers_is_survived() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, check) in checks::TARGETS {
        let files = std::fs::read_dir(corpora.join(name)).expect("each target has a corpus");
        let mut inputs = 0;
        for file in files {
            let path = file.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            // Printed only when the test fails: the last line is the input that did it.
            println!("{}", path.display());
            check(&bytes);
            inputs += 1;
        }
        assert!(inputs > 20, "the corpus of {name} is gone: {inputs} inputs");
    }
}
