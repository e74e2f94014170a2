//! What a cut leaves, over many seeds.

use super::*;

const SEEDS: std::ops::Range<u64> = 0..200;

fn name(text: &str) -> &OsStr {
    OsStr::new(text)
}

fn new_file(disk: &mut Disk, parent: u64, text: &str) -> u64 {
    let node = Node::File(File::default());
    disk.create(parent, name(text), node).unwrap()
}

/// What a cut leaves of the file of that name, for each seed.
fn after(disk: &Disk, text: &str) -> Vec<Option<Vec<u8>>> {
    let left = |seed| {
        let (disk, _) = disk.clone().cut(&mut fastrand::Rng::with_seed(seed));
        let node = disk.named(ROOT, name(text)).ok()?;
        Some(disk.file(node).unwrap().live.clone())
    };
    SEEDS.map(left).collect()
}

#[test]
fn what_was_synced_is_there_after_every_cut_and_the_rest_in_any_part() {
    let mut disk = Disk::new(SyncBehaviour::Kept);
    let node = new_file(&mut disk, ROOT, "a");
    disk.write(node, 0, &[1; 2 * SECTOR]).unwrap();
    disk.sync(node).unwrap();
    disk.sync(ROOT).unwrap();
    disk.write(node, SECTOR, &[2; 2 * SECTOR]).unwrap();
    let left: Vec<Vec<u8>> = after(&disk, "a").into_iter().map(Option::unwrap).collect();
    assert!(left.iter().all(|bytes| bytes[..SECTOR] == [1; SECTOR]));
    let whole = |sector: &[u8]| sector.windows(2).all(|two| two[0] == two[1]);
    assert!(left.iter().all(|bytes| bytes.chunks(SECTOR).all(whole)));
    let mut kinds: Vec<Vec<u8>> = left
        .iter()
        .map(|bytes| bytes.iter().step_by(SECTOR).copied().collect())
        .collect();
    kinds.sort();
    kinds.dedup();
    let all: [&[u8]; 5] = [&[1, 1], &[1, 1, 2], &[1, 2], &[1, 2, 2], &[1, 0xA5]];
    for kind in &all[..4] {
        assert!(
            kinds.iter().any(|found| found == kind),
            "{kind:?} in {kinds:?}"
        );
    }
}

#[test]
fn a_file_is_nowhere_while_its_folder_is_not_synced() {
    let mut disk = Disk::new(SyncBehaviour::Kept);
    let node = new_file(&mut disk, ROOT, "a");
    disk.write(node, 0, b"text").unwrap();
    disk.sync(node).unwrap();
    let left = after(&disk, "a");
    assert!(left.contains(&None) && left.contains(&Some(b"text".to_vec())));
    assert_eq!(
        left.iter()
            .flatten()
            .filter(|text| *text != b"text")
            .count(),
        0
    );
}

#[test]
fn a_renamed_file_has_one_of_its_names_and_a_removed_one_may_come_back() {
    let mut disk = Disk::new(SyncBehaviour::Kept);
    let node = new_file(&mut disk, ROOT, "a");
    new_file(&mut disk, ROOT, "b");
    disk.write(node, 0, b"text").unwrap();
    disk.sync(node).unwrap();
    disk.sync(ROOT).unwrap();
    disk.rename((ROOT, name("a")), (ROOT, name("c"))).unwrap();
    disk.remove(ROOT, name("b")).unwrap();
    let (a, b, c) = (after(&disk, "a"), after(&disk, "b"), after(&disk, "c"));
    assert!(a.iter().zip(&c).all(|(a, c)| a.is_some() != c.is_some()));
    assert!(a.iter().any(Option::is_some) && c.iter().any(Option::is_some));
    assert!(b.iter().any(Option::is_some) && b.iter().any(Option::is_none));
}

#[test]
fn a_disk_that_lies_loses_what_was_synced_and_one_without_power_does_nothing() {
    let mut disk = Disk::new(SyncBehaviour::Ignored);
    let node = new_file(&mut disk, ROOT, "a");
    disk.write(node, 0, b"text").unwrap();
    disk.sync(node).unwrap();
    disk.sync(ROOT).unwrap();
    assert!(after(&disk, "a").contains(&None));
    disk.cut(&mut fastrand::Rng::with_seed(0));
    assert_eq!(disk.write(node, 0, b"more"), Err(DiskError::NoPower));
    assert_eq!(disk.sync(node), Err(DiskError::NoPower));
}
