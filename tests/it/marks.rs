//! Marks: what changed between two readings that were kept under a name.

use std::hint::black_box;

use heapledger::{
    External, ExternalKind, MarkDelta, MarkError, MarkErrorKind, Tag, TagError, delta, mark, marks,
    scope, unmark,
};

use super::live;

const MIB: usize = 1 << 20;

/// The snippet of row T32: `mark_component("before_embedding_model")`, the load,
/// `mark_component("after_embedding_model")`, and what `get_component_memory` says is
/// its `delta_mb`. There two names never meet; here the difference is theirs.
#[test]
fn a_component_between_two_marks_of_different_names() {
    fn delta_mb(between: &MarkDelta, component: &str) -> Option<f64> {
        Some(between.tag(component)?.own_live_bytes as f64 / MIB as f64)
    }
    mark("before_embedding_model").unwrap();
    let model = scope!("marks/embedding_model", black_box(vec![1_u8; 72 * MIB]));
    mark("after_embedding_model").unwrap();
    let index = scope!("marks/vector_store", black_box(vec![1_u8; 3 * MIB / 2]));
    mark("after_vector_store").unwrap();

    let model_delta = delta("before_embedding_model", "after_embedding_model").unwrap();
    assert_eq!(delta_mb(&model_delta, "marks/embedding_model"), Some(72.0));
    assert_eq!(delta_mb(&model_delta, "marks/vector_store"), None);
    let both = delta("before_embedding_model", "after_vector_store").unwrap();
    assert_eq!(delta_mb(&both, "marks/embedding_model"), Some(72.0));
    assert_eq!(delta_mb(&both, "marks/vector_store"), Some(1.5));
    let index_delta = delta("after_embedding_model", "after_vector_store").unwrap();
    assert_eq!(delta_mb(&index_delta, "marks/embedding_model"), Some(0.0));
    // Backwards, everything has the other sign.
    let back = delta("after_vector_store", "after_embedding_model").unwrap();
    assert_eq!(delta_mb(&back, "marks/vector_store"), Some(-1.5));
    assert_eq!(back.process.monotonic_ns, -index_delta.process.monotonic_ns);
    drop((model, index));
}

#[test]
fn a_tag_has_bytes_and_blocks_of_its_own_and_with_its_children() {
    let before = scope!("marks/tree", black_box(vec![1_u8; 100]));
    mark("marks/tree before").unwrap();
    let child = scope!("marks/tree/child", black_box(vec![1_u8; 10]));
    scope!("marks/tree", drop(black_box(vec![1_u8; 1000])));
    drop(before);
    mark("marks/tree after").unwrap();

    let between = delta("marks/tree before", "marks/tree after").unwrap();
    let tree = between.tag("marks/tree").unwrap();
    assert_eq!((tree.own_live_bytes, tree.own_live_blocks), (-100, -1));
    assert_eq!((tree.own_allocated_bytes, tree.own_allocated_blocks), (1000, 1));
    assert_eq!((tree.with_children_live_bytes, tree.with_children_live_blocks), (-90, 0));
    assert_eq!(between.tag("marks/tree/child").unwrap().own_live_bytes, 10);
    assert_eq!(between.tag("marks/no such tag"), None);
    let grown = |pair: &[heapledger::TagDelta]| pair[0].own_live_bytes >= pair[1].own_live_bytes;
    assert!(between.tags.windows(2).all(grown), "what grew most comes first");
    drop(child);
}

#[test]
fn what_is_outside_the_allocator_is_told_apart() {
    static TAG: Tag = Tag::new("marks/external");
    mark("marks/external before").unwrap();
    let charged = External::charge(&TAG, ExternalKind::Mapped, 5000).unwrap();
    mark("marks/external after").unwrap();
    let between = delta("marks/external before", "marks/external after").unwrap();
    let tag = between.tag("marks/external").unwrap();
    assert_eq!((tag.own_external_bytes, tag.own_live_bytes), (5000, 0));
    drop(charged);
}

#[test]
fn a_mark_in_a_scope_takes_nothing_of_the_scopes_tag() {
    let _scope = scope!("marks/inside");
    mark("marks/inside a").unwrap();
    mark("marks/inside b").unwrap();
    let between = delta("marks/inside a", "marks/inside b").unwrap();
    assert!(marks().len() >= 2 && delta("marks/inside a", "marks/inside c").is_err());
    assert_eq!(live("marks/inside").0, 0, "but for what `err` holds");
    drop(between);
}

#[test]
fn a_mark_of_the_same_name_is_replaced() {
    mark("marks/again").unwrap();
    let kept = scope!("marks/replaced", black_box(vec![1_u8; 100]));
    mark("marks/again").unwrap();
    mark("marks/again after").unwrap();
    let between = delta("marks/again", "marks/again after").unwrap();
    assert_eq!(between.tag("marks/replaced").unwrap().own_live_bytes, 0);
    assert_eq!(marks().iter().filter(|name| *name == "marks/again").count(), 1);
    drop(kept);
}

#[test]
fn an_unknown_mark_is_an_error_that_names_the_known_ones() {
    mark("marks/known").unwrap();
    let says = |error: MarkError, name: &str| {
        let MarkErrorKind::Unknown { name: asked, known } = error.kind() else {
            panic!("{error:?}");
        };
        assert_eq!(asked, name);
        assert!(known.iter().any(|known| known == "marks/known"), "{error}");
        assert!(known.is_sorted() && !known.contains(asked));
        assert!(
            error.to_string().starts_with(&format!("there is no mark \"{name}\"; the marks are: "))
        );
    };
    says(delta("marks/unknown", "marks/known").unwrap_err(), "marks/unknown");
    says(delta("marks/known", "marks/unknown").unwrap_err(), "marks/unknown");
    says(delta("", "marks/known").unwrap_err(), "");
    says(unmark("marks/unknown").unwrap_err(), "marks/unknown");

    mark("marks/forgotten").unwrap();
    unmark("marks/forgotten").unwrap();
    says(delta("marks/known", "marks/forgotten").unwrap_err(), "marks/forgotten");
}

#[test]
fn a_bad_name_is_refused() {
    for (name, why) in [
        ("", TagError::Empty),
        ("a\nb", TagError::ControlCharacter(1)),
        ("say \"x\"", TagError::Quote(4)),
        (&"x".repeat(121), TagError::TooLong(121)),
    ] {
        let error = mark(name).unwrap_err();
        assert_eq!(error.kind(), &MarkErrorKind::InvalidName(why));
        assert!(error.to_string().ends_with(&why.to_string()), "{error}");
        assert!(!marks().iter().any(|mark| mark == name));
    }
    // An error owns what it says and goes anywhere.
    fn is_static<T: std::error::Error + Clone + Send + Sync + 'static>(_: T) {}
    is_static(mark("").unwrap_err());
}
