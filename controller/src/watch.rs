//! One watch of a kind: everything of it as it was last seen, each namespace by itself, and whom a change wakes. Each kind is
//! watched once, however many are woken by it. Decides nothing, and writes nothing.

use crate::world::Kind;
use futures::TryStreamExt;
use futures::channel::mpsc::{UnboundedReceiver, unbounded};
use kube::runtime::reflector::{ObjectRef, Store, reflector, store::Writer};
use kube::runtime::{Controller, WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// Objects by namespace and name.
type ByNamespace<K> = HashMap<String, BTreeMap<String, Arc<K>>>;

/// Everything of a kind as its watch last saw it. A clone reads the same.
pub(crate) struct Objects<K: Kind> {
    all: Store<K>,
    /// The same objects by namespace and name: a look asks for those beside it, and the city has a hundred times as many.
    beside: Arc<RwLock<ByNamespace<K>>>,
    /// Whether everything was seen once. The store knows, but wakes only the last of those who ask it, which is its controller.
    seen: Arc<AtomicBool>,
}

impl<K: Kind> Clone for Objects<K> {
    fn clone(&self) -> Self {
        Self { all: self.all.clone(), beside: Arc::clone(&self.beside), seen: Arc::clone(&self.seen) }
    }
}

impl<K: Kind> Objects<K> {
    /// One object; of a kind without namespaces whatever the namespace.
    pub(crate) fn get(&self, key: &ObjectRef<K>) -> Option<Arc<K>> {
        self.all.get(key)
    }

    /// Those that `wanted` wants, of a namespace or of all.
    pub(crate) fn select(&self, namespace: Option<&str>, wanted: impl Fn(&K) -> bool) -> Vec<Arc<K>> {
        match namespace {
            None => self.all.state_filter(wanted),
            Some(namespace) => {
                let beside = self.beside.read().unwrap_or_else(PoisonError::into_inner);
                let here = beside.get(namespace).into_iter().flat_map(BTreeMap::values);
                here.filter(|object| wanted(object)).cloned().collect()
            }
        }
    }

    /// Whether everything was seen once.
    pub(crate) fn are_ready(&self) -> bool {
        self.seen.load(Ordering::Acquire)
    }

    /// Follows what the store has just done.
    fn follow(&self, event: &watcher::Event<K>) {
        let mut beside = self.beside.write().unwrap_or_else(PoisonError::into_inner);
        match event {
            watcher::Event::Apply(object) => {
                // The store's own, so that it is kept once.
                if let Some(object) = self.all.get(&ObjectRef::from_obj(object)) {
                    put(&mut beside, object);
                }
            }
            watcher::Event::Delete(object) => {
                let (namespace, name) = place(object);
                if let Some(here) = beside.get_mut(&namespace) {
                    here.remove(&name);
                }
            }
            watcher::Event::InitDone => {
                beside.clear();
                self.all.state().into_iter().for_each(|object| put(&mut beside, object));
                self.seen.store(true, Ordering::Release);
            }
            watcher::Event::Init | watcher::Event::InitApply(_) => {}
        }
    }
}

fn put<K: Kind>(beside: &mut ByNamespace<K>, object: Arc<K>) {
    let (namespace, name) = place(&*object);
    beside.entry(namespace).or_default().insert(name, object);
}

fn place<K: Kind>(object: &K) -> (String, String) {
    let meta = object.meta();
    (meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
}

/// Passes on whom an object wakes.
type Waker<K> = Box<dyn Fn(&K) + Send + Sync>;

/// A watch that has not begun.
pub(crate) struct Watch<K: Kind> {
    writer: Writer<K>,
    objects: Objects<K>,
    wakers: Vec<Waker<K>>,
}

impl<K: Kind> Watch<K> {
    /// A watch that wakes nobody yet.
    pub(crate) fn new() -> Self {
        let writer = Writer::default();
        let objects = Objects { all: writer.as_reader(), beside: Arc::default(), seen: Arc::default() };
        Self { writer, objects, wakers: Vec::new() }
    }

    /// What it sees.
    pub(crate) fn objects(&self) -> Objects<K> {
        self.objects.clone()
    }

    /// Objects of another kind that `whom` names for each object that is there at first, comes, changes or goes.
    pub(crate) fn wakes<T, I>(
        &mut self,
        whom: impl Fn(&K) -> I + Send + Sync + 'static,
    ) -> UnboundedReceiver<ObjectRef<T>>
    where
        T: Resource + Send + 'static,
        T::DynamicType: Hash + Eq + Send + Sync,
        I: IntoIterator<Item = ObjectRef<T>>,
    {
        // Without a bound, for whoever is woken takes all at once and looks later; a name twice is then one look.
        let (sender, woken) = unbounded();
        self.wakers.push(Box::new(move |object| {
            for name in whom(object) {
                // Nobody is left to be woken only where the process ends.
                let _ = sender.unbounded_send(name);
            }
        }));
        woken
    }

    /// Begins the watch, with a controller that looks at each object that is there at first, comes or changes.
    pub(crate) fn controller(self, client: &Client) -> Controller<K> {
        let Self { writer, objects, wakers } = self;
        let all = objects.all.clone();
        // Who wrote which field is as long as the object itself and read by nobody here.
        let slim = |event: watcher::Event<K>| event.modify(|object| object.meta_mut().managed_fields = None);
        let events = watcher(Api::<K>::all(client.clone()), watcher::Config::default()).map_ok(slim);
        let seen = reflector(writer, events).inspect_ok(move |event| {
            objects.follow(event);
            wake(&wakers, event);
        });
        Controller::for_stream(seen.applied_objects(), all)
    }
}

fn wake<K>(wakers: &[Waker<K>], event: &watcher::Event<K>) {
    match event {
        watcher::Event::Apply(object) | watcher::Event::InitApply(object) | watcher::Event::Delete(object) => {
            wakers.iter().for_each(|wake| wake(object));
        }
        watcher::Event::Init | watcher::Event::InitDone => {}
    }
}

#[cfg(test)]
impl<K: Kind> Watch<K> {
    /// The store and what is kept beside it, as the watch drives both.
    pub(crate) fn see(&mut self, event: watcher::Event<K>) {
        self.writer.apply_watcher_event(&event);
        self.objects.follow(&event);
        wake(&self.wakers, &event);
    }
}

#[cfg(test)]
mod tests;
