//! A scalar in an object: the schema leaves it open, since OpenAPI has no type for "any scalar".

use std::borrow::Cow;

use nas_search::Scalar;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A number, text, true or false.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScalarValue(pub Scalar);

impl JsonSchema for ScalarValue {
    fn schema_name() -> Cow<'static, str> {
        "ScalarValue".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number, text, true or false.",
            "x-kubernetes-preserve-unknown-fields": true,
        })
    }
}
