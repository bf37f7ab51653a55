//! Whose an object is, by its owner references: a name may be that of a namesake that was deleted before.

use kube::ResourceExt;

/// Whether an object belongs to this very owner, and goes with it.
pub(crate) fn is_owned(object: &impl ResourceExt, owner: &impl ResourceExt) -> bool {
    let uid = owner.meta().uid.as_ref();
    object.owner_references().iter().any(|reference| Some(&reference.uid) == uid)
}
