//! Backups in real stores: a directory, and a bucket of a real S3 server.

#[path = "stores/refused.rs"]
mod refused;
#[path = "stores/retention.rs"]
mod retention;
#[path = "stores/shelf.rs"]
mod shelf;

use std::os::unix::fs::PermissionsExt;

use shelf::{Shelf, big, names, small, unverified, verified};
use trimtab_etcd_file::{EtcdFile, Verify};
use trimtab_etcd_ops::Error;
use trimtab_etcd_ops::backup::catalog::{Entry, Found, State, Unverified};
use trimtab_etcd_ops::backup::{Compression, Manifest};
use trimtab_etcd_ops::live::{Put, UploadCheck};

const BOTH: [Compression; 2] = [Compression::None, Compression::Zstd];

#[tokio::test]
async fn what_is_put_is_listed_verified_and_fetched_as_it_was() {
    let saved = small(1).await;
    for shelf in Shelf::both() {
        for compression in BOTH {
            let stored = shelf.put(&saved, compression).await.unwrap();
            let name = saved.name(compression);
            let catalog = shelf.list().await;
            let (backup, manifest) = catalog.verified().find(|(backup, _)| backup.name == name).expect("it counts");
            assert_eq!(*manifest, stored);
            assert_eq!(backup.object.size_bytes, shelf.file(name).metadata().unwrap().len());

            let scratch = tempfile::tempdir().unwrap();
            let verification = shelf.store.verify(&name, scratch.path(), &mut |_| ()).await.unwrap();
            assert_eq!((verification.found, &verification.object), (Found::Sound, &backup.object), "a look, a read and a listing tell the same");
            assert!(names(scratch.path()).is_empty());

            let to = scratch.path().join("fetched.db");
            assert_eq!(shelf.store.fetch(&name, &to, &mut |_| ()).await.unwrap(), stored);
            assert_eq!(std::fs::read(&to).unwrap(), std::fs::read(&saved.file).unwrap());
            assert_eq!(to.metadata().unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(names(scratch.path()), ["fetched.db"]);
        }
        assert_eq!(shelf.names().len(), 4, "{:?}", shelf.names());
    }
}

#[tokio::test]
async fn what_zstd_packed_is_unpacked_by_zstd_alone() {
    let saved = small(1).await;
    for shelf in Shelf::both() {
        shelf.put(&saved, Compression::Zstd).await.unwrap();
        let packed = std::fs::read(shelf.file(saved.name(Compression::Zstd))).unwrap();
        assert_eq!(zstd::decode_all(packed.as_slice()).unwrap(), std::fs::read(&saved.file).unwrap());
    }
}

#[tokio::test]
async fn a_backup_of_many_parts_arrives_whole() {
    let saved = big().await;
    for shelf in Shelf::both() {
        for compression in BOTH {
            let mut told = Vec::new();
            let put = Put { compression, check: UploadCheck::ReadBack };
            shelf.store.put(&saved.file, &saved.manifest, &put, &mut |message| told.push(message)).await.unwrap();
            assert!(told.last().is_some_and(|last| last.ends_with(shelf.store.location())), "{told:?}");
        }
        assert_eq!(verified(&shelf.list().await).len(), 2);
        let plain = std::fs::read(shelf.file(saved.name(Compression::None))).unwrap();
        EtcdFile::open(plain).unwrap().verify(&Verify::snapshot()).unwrap();
    }
}

#[tokio::test]
async fn nothing_is_overwritten() {
    let saved = small(1).await;
    for shelf in Shelf::both() {
        shelf.put(&saved, Compression::None).await.unwrap();
        let before = std::fs::read(shelf.file(saved.name(Compression::None).manifest())).unwrap();
        let again = shelf.put(&saved, Compression::None).await;
        assert!(matches!(again, Err(Error::ObjectExists { .. })), "{again:?}");
        assert_eq!(std::fs::read(shelf.file(saved.name(Compression::None).manifest())).unwrap(), before);

        let there = tempfile::NamedTempFile::new().unwrap();
        let fetched = shelf.store.fetch(&saved.name(Compression::None), there.path(), &mut |_| ()).await;
        assert!(matches!(fetched, Err(Error::DestinationExists { .. })), "{fetched:?}");
        assert_eq!(there.path().metadata().unwrap().len(), 0);
    }
}

#[tokio::test]
async fn two_writers_of_one_name_leave_one_backup() {
    let saved = small(1).await;
    for shelf in Shelf::both() {
        let (one, other) = tokio::join!(shelf.put(&saved, Compression::Zstd), shelf.put(&saved, Compression::Zstd));
        let put = [one, other];
        assert!(put.iter().any(Result::is_ok), "{put:?}");
        assert!(put.iter().all(|put| matches!(put, Ok(_) | Err(Error::ObjectExists { .. }))), "{put:?}");
        assert_eq!(verified(&shelf.list().await), [saved.name(Compression::Zstd)]);
        let scratch = tempfile::tempdir().unwrap();
        let verification = shelf.store.verify(&saved.name(Compression::Zstd), scratch.path(), &mut |_| ()).await.unwrap();
        assert_eq!(verification.found, Found::Sound);
    }
}

#[tokio::test]
async fn a_file_that_changed_since_it_was_verified_does_not_go_up() {
    let saved = small(1).await;
    let mut bytes = std::fs::read(&saved.file).unwrap();
    bytes[100_000] ^= 1;
    std::fs::write(&saved.file, &bytes).unwrap();
    let of_another = small(2).await;
    let other = Manifest { sha256: trimtab_etcd_file::Sha256::of(b"another"), ..of_another.manifest.clone() };
    for shelf in Shelf::both() {
        let put = shelf.put(&saved, Compression::None).await;
        assert!(matches!(put, Err(Error::BackupFile { .. })), "{put:?}");
        let put = shelf.store.put(&of_another.file, &other, &Put::default(), &mut |_| ()).await;
        assert!(matches!(&put, Err(Error::NotItsManifest { field, .. }) if **field == *"sha256"), "{put:?}");
        assert!(shelf.list().await.entries.is_empty());
        assert!(shelf.names().is_empty(), "{:?}", shelf.names());
    }
}

#[tokio::test]
async fn a_listing_of_many_pages_is_whole_and_passes_over_what_is_not_ours() {
    let saved = small(1).await;
    for shelf in Shelf::both() {
        shelf.put(&saved, Compression::None).await.unwrap();
        for index in 0..1100 {
            std::fs::write(shelf.file(format!("note-{index}")), "x").unwrap();
        }
        std::fs::create_dir_all(shelf.file("deeper/still")).unwrap();
        std::fs::copy(shelf.file(saved.name(Compression::None)), shelf.file("deeper").join(saved.name(Compression::None).to_string())).unwrap();
        let catalog = shelf.list().await;
        assert_eq!(verified(&catalog), [saved.name(Compression::None)]);
        assert_eq!(catalog.entries.iter().filter(|entry| matches!(entry, Entry::Foreign(_))).count(), 1100);
        assert_eq!(catalog.entries.len(), 1101);
    }
}

#[tokio::test]
async fn a_key_that_is_no_path_does_not_hide_the_others() {
    let (saved, shelf) = (small(1).await, Shelf::server());
    shelf.put(&saved, Compression::None).await.unwrap();
    std::fs::write(shelf.file("a\tb"), "somebody else's").unwrap();
    std::fs::write(shelf.file("note"), "somebody else's").unwrap();
    let catalog = shelf.list().await;
    assert_eq!(verified(&catalog), [saved.name(Compression::None)]);
    assert_eq!(catalog.entries.len(), 2, "{catalog:?}");
}

#[tokio::test]
async fn what_keeps_us_from_knowing_is_no_broken_backup() {
    let saved = small(1).await;
    for shelf in Shelf::both() {
        let mut stored = shelf.put(&saved, Compression::Zstd).await.unwrap();
        "3.8.0".clone_into(&mut stored.etcd_version);
        std::fs::write(shelf.file(stored.name().manifest()), stored.to_json()).unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let unknown = shelf.store.verify(&stored.name(), scratch.path(), &mut |_| ()).await;
        assert!(matches!(&unknown, Err(Error::UnknownRelease { etcd_version, .. }) if etcd_version == "3.8.0"), "{unknown:?}");
        let unknown = shelf.store.fetch(&stored.name(), &scratch.path().join("fetched.db"), &mut |_| ()).await;
        assert!(matches!(&unknown, Err(Error::UnknownRelease { .. })), "{unknown:?}");
        assert!(names(scratch.path()).is_empty());

        // What did not arrive is broken, of whatever release it is.
        shelf.damage(&stored.name());
        let verification = shelf.store.verify(&stored.name(), scratch.path(), &mut |_| ()).await.unwrap();
        assert!(matches!(&verification.found, Found::Broken { problem } if matches!(**problem, Error::StoredDiffers { .. })), "{verification:?}");
    }
}

#[tokio::test]
async fn a_record_that_was_cut_is_told_until_the_backup_is_verified_again() {
    let saved = small(1).await;
    for shelf in Shelf::both() {
        let name = shelf.put(&saved, Compression::None).await.unwrap().name();
        let scratch = tempfile::tempdir().unwrap();
        let verification = shelf.store.verify(&name, scratch.path(), &mut |_| ()).await.unwrap();
        std::fs::write(shelf.file(name.verification()), &verification.to_json()[..40]).unwrap();
        let why = unverified(&shelf.list().await);
        assert!(matches!(&why, Unverified::UnusableVerification { .. }), "{why:?}");
        shelf.store.record(&name, &verification).await.unwrap();
        assert_eq!(verified(&shelf.list().await), [name]);
    }
}

#[tokio::test]
async fn a_bit_that_flipped_in_the_store_is_found_and_the_backup_no_longer_counts() {
    let saved = small(1).await;
    for shelf in Shelf::both() {
        for compression in BOTH {
            shelf.put(&saved, compression).await.unwrap();
            let name = saved.name(compression);
            shelf.damage(&name);
            let mut catalog = shelf.list().await;
            assert!(verified(&catalog).contains(&name), "a listing cannot know");

            let scratch = tempfile::tempdir().unwrap();
            let verification = shelf.store.verify(&name, scratch.path(), &mut |_| ()).await.unwrap();
            assert!(matches!(&verification.found, Found::Broken { problem } if matches!(**problem, Error::StoredDiffers { .. })), "{verification:?}");
            let fetched = shelf.store.fetch(&name, &scratch.path().join("fetched.db"), &mut |_| ()).await;
            assert!(matches!(fetched, Err(Error::StoredDiffers { .. })), "{fetched:?}");
            assert!(names(scratch.path()).is_empty(), "nothing is left of either");

            catalog.note(&name, &verification);
            assert!(!verified(&catalog).contains(&name));
            shelf.store.record(&name, &verification).await.unwrap();
            let catalog = shelf.list().await;
            let backup = catalog.backups().find(|backup| backup.name == name).unwrap();
            assert!(matches!(&backup.state, State::Unverified { why: Unverified::FoundBroken { .. } }), "{backup:?}");

            // Mended, read again, recorded again: it counts again.
            shelf.damage(&name);
            let verification = shelf.store.verify(&name, scratch.path(), &mut |_| ()).await.unwrap();
            shelf.store.record(&name, &verification).await.unwrap();
            assert!(verified(&shelf.list().await).contains(&name));
        }
    }
}

#[tokio::test]
async fn a_manifest_that_tells_of_other_data_is_found_by_reading() {
    let saved = small(1).await;
    for shelf in Shelf::both() {
        let mut stored = shelf.put(&saved, Compression::None).await.unwrap();
        stored.hash_kv ^= 1;
        std::fs::write(shelf.file(stored.name().manifest()), stored.to_json()).unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let verification = shelf.store.verify(&stored.name(), scratch.path(), &mut |_| ()).await.unwrap();
        let Found::Broken { problem } = verification.found else { panic!("it was taken for sound") };
        assert!(matches!(&*problem, Error::NotItsManifest { field, .. } if **field == *"hashKv"), "{problem}");
    }
}

#[tokio::test]
async fn without_its_manifest_a_file_does_not_count_until_it_is_put_again() {
    let saved = small(1).await;
    for shelf in Shelf::both() {
        for compression in BOTH {
            shelf.put(&saved, compression).await.unwrap();
            let name = saved.name(compression);
            let sidecar = shelf.file(name.manifest());
            let before = std::fs::read(&sidecar).unwrap();
            shelf.remove(name.manifest()).await;
            assert!(!verified(&shelf.list().await).contains(&name));
            let scratch = tempfile::tempdir().unwrap();
            let unknown = shelf.store.verify(&name, scratch.path(), &mut |_| ()).await;
            assert!(matches!(unknown, Err(Error::Unverified { ref why, .. }) if **why == Unverified::NoManifest), "{unknown:?}");

            // As after an upload that was broken off before its manifest.
            shelf.put(&saved, compression).await.unwrap();
            assert_eq!(std::fs::read(&sidecar).unwrap(), before);
            assert!(verified(&shelf.list().await).contains(&name));
        }
    }
}

#[tokio::test]
async fn what_lies_under_the_name_and_is_another_snapshot_is_not_taken_up() {
    let saved = small(1).await;
    for shelf in Shelf::both() {
        shelf.put(&saved, Compression::None).await.unwrap();
        let name = saved.name(Compression::None);
        shelf.remove(name.manifest()).await;
        shelf.damage(&name);
        let again = shelf.put(&saved, Compression::None).await;
        assert!(matches!(again, Err(Error::ObjectExists { .. })), "{again:?}");
        assert_eq!(unverified(&shelf.list().await), Unverified::NoManifest);
    }
}

#[tokio::test]
async fn what_is_not_there_is_told_by_name() {
    let saved = small(1).await;
    for shelf in Shelf::both() {
        std::fs::create_dir_all(shelf.file("")).unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let missing = shelf.store.verify(&saved.name(Compression::None), scratch.path(), &mut |_| ()).await;
        assert!(matches!(missing, Err(Error::Unverified { ref why, .. }) if **why == Unverified::NoManifest), "{missing:?}");
        shelf.put(&saved, Compression::None).await.unwrap();
        shelf.remove(saved.name(Compression::None)).await;
        let missing = shelf.store.verify(&saved.name(Compression::None), scratch.path(), &mut |_| ()).await;
        assert!(matches!(&missing, Err(Error::NoSuchObject { name, .. }) if *name == saved.name(Compression::None).to_string()), "{missing:?}");
    }
}

#[tokio::test]
async fn a_directory_is_private_and_its_links_are_not_followed() {
    let (saved, outside) = (small(1).await, tempfile::tempdir().unwrap());
    let shelf = Shelf::directory();
    shelf.put(&saved, Compression::None).await.unwrap();
    for name in shelf.names() {
        assert_eq!(shelf.file(&name).metadata().unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
    let elsewhere = small(2).await;
    std::fs::copy(&elsewhere.file, outside.path().join("there.db")).unwrap();
    let link = elsewhere.name(Compression::None);
    std::os::unix::fs::symlink(outside.path().join("there.db"), shelf.file(link)).unwrap();
    std::os::unix::fs::symlink("/nowhere", shelf.file("dangling")).unwrap();
    assert_eq!(shelf.list().await.entries.len(), 1);
    std::fs::write(shelf.file(link.manifest()), elsewhere.manifest.to_json()).unwrap();
    let read = shelf.store.verify(&link, outside.path(), &mut |_| ()).await;
    assert!(matches!(read, Err(Error::Store { .. })), "{read:?}");
    let put = shelf.put(&elsewhere, Compression::None).await;
    assert!(matches!(put, Err(Error::ObjectExists { .. })), "{put:?}");
}
