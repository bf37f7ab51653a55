//! What the cache shows, in whatever order events, answers and lists come.

use k8s_openapi::api::core::v1::ConfigMap;

use super::*;

fn object(name: &str, version: u64) -> ConfigMap {
    let mut object = ConfigMap::default();
    object.metadata.namespace = Some("n".to_owned());
    object.metadata.name = Some(name.to_owned());
    object.metadata.uid = Some(format!("uid-{name}"));
    object.metadata.resource_version = Some(version.to_string());
    object
}

fn store() -> Store<ConfigMap> {
    Store::new(|object| Some(ExperimentKey { namespace: object.namespace()?, experiment: "e".to_owned() }), |_| ())
}

fn versions(store: &Store<ConfigMap>) -> Vec<(String, u64)> {
    let key = ExperimentKey { namespace: "n".to_owned(), experiment: "e".to_owned() };
    store.of(&key).iter().map(|object| (object.name_any(), version(&**object))).collect()
}

#[test]
fn an_answer_is_seen_at_once_and_an_older_event_does_not_undo_it() {
    let store = store();
    store.take(Event::Apply(object("a", 5)));
    store.written(object("a", 9));
    assert!(store.take(Event::Apply(object("a", 7))).is_empty());
    assert_eq!(versions(&store), [("a".to_owned(), 9)]);
    assert!(store.take(Event::Apply(object("a", 9))).is_empty(), "nothing new");
    assert_eq!(store.take(Event::Apply(object("a", 10))).len(), 1);
}

#[test]
fn what_is_no_news_is_kept_and_told_to_nobody() {
    let store = store().quiet(|known, newer| known.data == newer.data);
    assert_eq!(store.take(Event::Apply(object("a", 5))).len(), 1, "it is new");
    assert!(store.take(Event::Apply(object("a", 6))).is_empty());
    assert_eq!(versions(&store), [("a".to_owned(), 6)]);
    let changed = ConfigMap { data: Some([("key".to_owned(), "value".to_owned())].into()), ..object("a", 7) };
    assert_eq!(store.take(Event::Apply(changed)).len(), 1);
}

#[test]
fn a_late_answer_does_not_bring_back_what_was_deleted() {
    let store = store();
    store.take(Event::Apply(object("a", 5)));
    store.take(Event::Delete(object("a", 8)));
    store.written(object("a", 7));
    assert!(versions(&store).is_empty());
    store.written(object("a", 9));
    assert_eq!(versions(&store), [("a".to_owned(), 9)], "a new object of the same name");
}

#[test]
fn a_new_list_drops_what_is_gone_and_keeps_what_was_written_meanwhile() {
    let store = store();
    assert!(!store.is_synced());
    store.take(Event::Apply(object("old", 3)));
    store.take(Event::Init);
    store.take(Event::InitApply(object("kept", 4)));
    store.written(object("new", 12));
    store.written(object("kept", 11));
    store.take(Event::InitDone);
    assert!(store.is_synced());
    assert_eq!(versions(&store), [("kept".to_owned(), 11), ("new".to_owned(), 12)]);
}

#[test]
fn who_remembers_a_moment_is_told_what_changed_since() {
    let store = store();
    let key = ExperimentKey { namespace: "n".to_owned(), experiment: "e".to_owned() };
    let seen = |after| {
        let Changes { until, are_all, objects } = store.changes(&key, after);
        let objects: Vec<_> = objects.iter().map(|(name, object)| (name.clone(), object.as_deref().map(version))).collect();
        (until, are_all, objects)
    };
    let named = |names: &[(&str, Option<u64>)]| names.iter().map(|(name, at)| ((*name).to_owned(), *at)).collect::<Vec<_>>();
    assert_eq!(seen(0), (0, true, vec![]));
    store.take(Event::Apply(object("a", 5)));
    store.take(Event::Apply(object("b", 6)));
    let (until, are_all, objects) = seen(0);
    assert_eq!((are_all, objects), (true, named(&[("a", Some(5)), ("b", Some(6))])));
    assert_eq!(seen(until), (until, false, vec![]));
    store.written(object("b", 8));
    store.take(Event::Apply(object("b", 7)));
    store.take(Event::Delete(object("a", 9)));
    let (later, are_all, objects) = seen(until);
    assert_eq!((are_all, objects), (false, named(&[("a", None), ("b", Some(8))])));
    // The last one goes, and another comes: nobody may take the new group for the old one.
    store.gone(&key, "b");
    assert!(seen(later).1);
    store.take(Event::Apply(object("c", 12)));
    assert_eq!((seen(later).1, seen(later).2), (true, named(&[("c", Some(12))])));
    // Too much has happened since.
    let (until, ..) = seen(0);
    for at in 0..=LOG as u64 {
        store.written(object("c", 13 + at));
    }
    assert_eq!((seen(until).1, seen(until).2), (true, named(&[("c", Some(13 + LOG as u64))])));
    let (until, ..) = seen(0);
    store.take(Event::Init);
    store.take(Event::InitApply(object("d", 99)));
    store.take(Event::InitDone);
    assert_eq!((seen(until).1, seen(until).2), (true, named(&[("d", Some(99))])));
}

#[test]
fn a_list_shows_what_no_watch_has_brought_and_takes_what_is_gone() {
    let store = store();
    let key = ExperimentKey { namespace: "n".to_owned(), experiment: "e".to_owned() };
    for (name, version) in [("gone", 3), ("same", 4), ("old", 5)] {
        store.take(Event::Apply(object(name, version)));
    }
    store.written(object("later", 21));
    let listed = [("same", 4), ("old", 9), ("unseen", 10)].map(|(name, version)| (name.to_owned(), version)).into();
    let compared =
        |old: &[&str], some_are_gone| Compared { old: old.iter().map(|&name| name.to_owned()).collect(), some_are_gone };
    assert_eq!(store.compare(&key, &listed, 20), compared(&["old", "unseen"], true));
    assert!(store.read(object("old", 9)) && store.read(object("unseen", 10)));
    let known = versions(&store);
    let expected = [("later", 21), ("old", 9), ("same", 4), ("unseen", 10)];
    assert_eq!(known, expected.map(|(name, version)| (name.to_owned(), version)));
    assert_eq!(store.compare(&key, &listed, 20), compared(&[], false));
    // Deleted since it was read.
    store.take(Event::Delete(object("unseen", 22)));
    assert!(!store.read(object("unseen", 10)));
    assert_eq!(versions(&store).len(), 3);
}
