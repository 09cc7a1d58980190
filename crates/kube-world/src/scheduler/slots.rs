//! Numbered places that are reused, so that nodes, pods and classes can be told by small numbers.

/// A table whose entries keep their number for life; numbers of removed entries are given out again, lowest first known.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    entries: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Slots<T> {
    pub(crate) fn insert(&mut self, entry: T) -> usize {
        if let Some(id) = self.free.pop()
            && let Some(place) = self.entries.get_mut(id)
        {
            *place = Some(entry);
            return id;
        }
        self.entries.push(Some(entry));
        self.entries.len() - 1
    }

    pub(crate) fn remove(&mut self, id: usize) -> Option<T> {
        let entry = self.entries.get_mut(id)?.take()?;
        self.free.push(id);
        Some(entry)
    }

    pub(crate) fn get(&self, id: usize) -> Option<&T> {
        self.entries.get(id)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, id: usize) -> Option<&mut T> {
        self.entries.get_mut(id)?.as_mut()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        self.entries
            .iter()
            .enumerate()
            .filter_map(|(id, entry)| Some((id, entry.as_ref()?)))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut T)> {
        self.entries
            .iter_mut()
            .enumerate()
            .filter_map(|(id, entry)| Some((id, entry.as_mut()?)))
    }

    /// One more than the highest number ever given out.
    pub(crate) fn bound(&self) -> usize {
        self.entries.len()
    }
}
