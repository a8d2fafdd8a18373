//! What a new app can begin from.

use super::View;
use crate::{
    ink::Tone,
    page::{Cell, Page},
};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct TemplatesView {
    templates: Vec<Template>,
}

#[derive(Debug, Deserialize)]
struct Template {
    name: String,
    tier: String,
    says: String,
}

impl View for TemplatesView {
    fn show(&self, page: &mut Page) {
        let row = |template: &Template| {
            vec![
                Cell::new(Tone::Strong, template.name.as_str()),
                template.tier.as_str().into(),
                template.says.as_str().into(),
            ]
        };
        page.table(&["template", "tier", "what it is"], self.templates.iter().map(row).collect());
        page.next("bailiwick new NAME --template tinypoll");
    }
}
