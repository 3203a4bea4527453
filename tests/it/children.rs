//! `"index/postings"` is a child of `"index"`: readings of a tag alone, and with
//! everything below it.

use heapledger::{Counts, Tag, TagReading, scope, snapshot_tags};

fn read(name: &str) -> TagReading {
    Tag::register(name).unwrap().read().unwrap()
}

#[test]
fn a_tag_is_read_alone_and_with_its_children() {
    let kept = (
        scope!("family", vec![0_u8; 1]),
        scope!("family/a", vec![0_u8; 20]),
        scope!("family/a/x", vec![0_u8; 300]),
        scope!("family/a/y", vec![0_u8; 4000]),
        scope!("family/b", vec![0_u8; 50_000]),
        // Not a child: its name only begins alike.
        scope!("family_too", vec![0_u8; 600_000]),
    );
    let live = |name| {
        let reading = read(name);
        (reading.own.live_bytes(), reading.with_children.live_bytes())
    };
    assert_eq!(live("family"), (1, 54_321));
    assert_eq!(live("family/a"), (20, 4320));
    assert_eq!(live("family/a/x"), (300, 300));
    assert_eq!(live("family/b"), (50_000, 50_000));
    assert_eq!(live("family_too"), (600_000, 600_000));
    assert_eq!(read("family").with_children.live_blocks(), 5);
    drop(kept);
    assert_eq!(live("family"), (0, 0));
    assert_eq!(read("family").with_children.allocated_bytes, 54_321);
}

/// A child that is registered first brings its parents with it.
#[test]
fn parents_come_with_their_children() {
    let tag = Tag::register("children/first/second/third").unwrap();
    let second = Tag::register("children/first/second").unwrap();
    assert_eq!(tag.read().unwrap().parent, Some(second.id()));
    let kept = tag.run(|| vec![0_u8; 10]);
    assert_eq!(read("children/first").with_children.live_bytes(), 10);
    assert_eq!(read("children/first").own, Counts::default());
    drop(kept);
}

/// In one reading of all tags, every `with_children` is `own` and the children's.
#[test]
fn with_children_is_the_sum_of_own_over_the_family() {
    let kept: Vec<Vec<u8>> = (0..30)
        .map(|n| {
            let name = format!("children/sums/{}/{}/{n}", n % 2, n % 5);
            Tag::register(&name).unwrap().run(|| vec![0; 100 + n])
        })
        .collect();
    let mut buffer = vec![TagReading::default(); heapledger::TAGS_MAX];
    let readings = snapshot_tags(&mut buffer).unwrap();
    for reading in readings.iter() {
        let below = readings.iter().filter(|other| other.parent == Some(reading.id));
        let sum = below.fold(reading.own, |sum, child| sum.plus(&child.with_children));
        assert_eq!(reading.with_children, sum, "{}", reading.name());
    }
    let sums = readings.iter().find(|reading| reading.name() == "children/sums").unwrap();
    assert_eq!(sums.with_children.live_blocks(), 30);
    assert_eq!(sums.with_children.live_bytes(), (0..30).map(|n| 100 + n).sum::<u64>());
    drop(kept);
}
