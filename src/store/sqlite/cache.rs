//! A bounded memory of what was looked up: two generations, of which the older is thrown away when the younger is full.

use ahash::AHashMap;
use std::{borrow::Borrow, hash::Hash};

/// Keeps at least the newest `weight_max` worth of entries and at most twice that.
#[derive(Debug)]
pub struct Cache<K, V> {
    young: AHashMap<K, V>,
    old: AHashMap<K, V>,
    weight: usize,
    weight_max: usize,
}

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    /// Empty. Weights are in whatever unit [`Self::put`] is given, bytes mostly.
    pub fn new(weight_max: usize) -> Self {
        Self { young: AHashMap::new(), old: AHashMap::new(), weight: 0, weight_max }
    }

    /// What was put last under a key, unless it was thrown away.
    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.young.get(key).or_else(|| self.old.get(key)).cloned()
    }

    /// Remembers. Values heavier than an eighth of the bound are not worth it.
    pub fn put(&mut self, key: K, value: V, weight: usize) {
        if weight > self.weight_max / 8 {
            return;
        }
        if self.weight + weight > self.weight_max {
            self.old = std::mem::take(&mut self.young);
            self.weight = 0;
        }
        self.weight += weight;
        self.young.insert(key, value);
    }

    /// Forgets what was put under a key.
    pub fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        self.young.remove(key);
        self.old.remove(key);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
        self.weight = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::Cache;

    #[test]
    fn old_entries_go_and_the_bound_holds() {
        let mut cache = Cache::new(80);
        for n in 0..100 {
            cache.put(n, n * 2, 10);
            assert_eq!(cache.get(&n), Some(n * 2));
            assert!(cache.young.len() + cache.old.len() <= 16);
        }
        assert_eq!(cache.get(&0), None);
        cache.put(1000, 0, 11);
        assert_eq!(cache.get(&1000), None);
        assert_eq!(cache.get(&98), Some(196));
        cache.remove(&98);
        assert_eq!(cache.get(&98), None);
        cache.clear();
        assert_eq!(cache.get(&99), None);
    }
}
