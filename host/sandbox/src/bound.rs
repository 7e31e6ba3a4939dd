//! A module with its configuration and what it may read.

use std::sync::Arc;

use consign_model::module::ModuleKind;

use crate::host::NeedSet;
use crate::needles::Matcher;
use crate::session::wrong_kind;
use crate::{ChatContext, CriteriaSession, Failure, GroupingSession, Module};

/// A module with its configuration and what it may read. Clones are the same; any number of threads may begin sessions of it at once.
#[derive(Clone)]
pub struct Bound(Arc<Inner>);

pub struct Inner {
    module: Module,
    /// As the module gets it.
    pub config: String,
    pub allowed: NeedSet,
    pub needles: Arc<[Matcher]>,
}

impl std::fmt::Debug for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bound").field("module", &self.0.module).finish_non_exhaustive()
    }
}

impl Bound {
    pub(crate) fn new(module: Module, config: String, allowed: NeedSet, needles: Vec<Matcher>) -> Self {
        Self(Arc::new(Inner { module, config, allowed, needles: needles.into() }))
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    /// The module.
    pub fn module(&self) -> &Module {
        &self.0.module
    }

    /// A session of a criteria module with one chat. Nothing of the module runs before `begin`. Fails where the module is a grouping.
    pub fn criteria(&self, chat: Arc<ChatContext>) -> Result<CriteriaSession, Failure> {
        match self.0.module.kind() {
            ModuleKind::Criteria => Ok(CriteriaSession::new(self, chat)),
            ModuleKind::Grouping => Err(wrong_kind("criteria")),
        }
    }

    /// A session of a grouping module with one chat. Nothing of the module runs before `begin`. Fails where the module is a criterion.
    pub fn grouping(&self, chat: Arc<ChatContext>) -> Result<GroupingSession, Failure> {
        match self.0.module.kind() {
            ModuleKind::Grouping => Ok(GroupingSession::new(self, chat)),
            ModuleKind::Criteria => Err(wrong_kind("grouping")),
        }
    }
}
