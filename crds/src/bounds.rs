//! The shapes that strings and conditions may take in the API: a bound for every length that comes from outside.
//!
//! These types exist for their schema alone (`#[schemars(with = "…")]`); no value of them is ever made.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// A text for people: 1 to `MAX` characters.
pub(crate) struct Text<const MAX: u32>;
/// A text that may be empty: up to `MAX` characters.
pub(crate) struct Maybe<const MAX: u32>;

impl<const MAX: u32> JsonSchema for Text<MAX> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("Text{MAX}").into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "minLength": 1, "maxLength": MAX})
    }
}

impl<const MAX: u32> JsonSchema for Maybe<MAX> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("Maybe{MAX}").into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "maxLength": MAX})
    }
}

/// Declares a type that stands for one schema.
macro_rules! shape {
    ($(#[$doc:meta])* $name:ident = $schema:tt) => {
        $(#[$doc])*
        pub(crate) struct $name;

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

shape! {
    /// Name of an object of ours: short enough for a label value, so that it can be selected on.
    ObjectName = {"type": "string", "minLength": 1, "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"}
}
shape! {
    /// Name of any object: an RFC 1123 subdomain.
    LongName = {"type": "string", "minLength": 1, "maxLength": 253, "pattern": "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"}
}
shape! {
    /// RFC 1123 label: namespaces, networks, volumes.
    Label = {"type": "string", "minLength": 1, "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}
}
shape! {
    /// Name of a role: part of the name of an RBAC object and of a resource name in it.
    RoleName = {"type": "string", "minLength": 1, "maxLength": 63, "pattern": "^[a-z][A-Za-z0-9]*$"}
}
shape! {
    /// User name as the API server knows it. It allows anything; what we compare and print has no blanks in it.
    UserName = {"type": "string", "minLength": 1, "maxLength": 253, "pattern": "^\\S+$"}
}
shape! {
    /// A day; the API server refuses the 30th of February.
    Date = {"type": "string", "format": "date", "maxLength": 10}
}
shape! {
    /// Number of an official document (发文字号, GB/T 9704): who issued it, the year, the number in the year.
    DocumentNo = {
        "type": "string", "minLength": 1, "maxLength": 64,
        "x-kubernetes-validations": [{
            "rule": "self.matches('^\\\\S+〔[0-9]{4}〕[0-9]+号$')",
            "message": "must be a document number, as 国办发明电〔2025〕7号, with the year in 〔〕"
        }]
    }
}
shape! {
    /// Address of a page.
    Url = {"type": "string", "maxLength": 512, "pattern": "^https?://[^\\s/]+(/\\S*)?$"}
}
shape! {
    /// A digest as this group writes it.
    Digest = {"type": "string", "maxLength": 71, "pattern": "^sha256:[0-9a-f]{64}$"}
}
shape! {
    /// Id of a readiness check in the catalogue: its group and its number.
    CheckId = {"type": "string", "maxLength": 5, "pattern": "^[A-Z]{2}-[0-9]{2}$"}
}
shape! {
    /// UID of an object.
    Uid = {"type": "string", "maxLength": 36, "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}
}
shape! {
    /// Administrative division code (GB/T 2260).
    DivisionCode = {
        "type": "string", "maxLength": 6,
        "x-kubernetes-validations": [{
            "rule": "self.matches('^[0-9]{6}$')", "message": "must be a division code of six digits, as 510900 for Suining"
        }]
    }
}
shape! {
    /// Unified social credit code (GB 32100-2015): no I, O, S, V, Z.
    CreditCode = {
        "type": "string", "maxLength": 18,
        "x-kubernetes-validations": [{
            "rule": "self.matches('^[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}$')",
            "message": "must be a unified social credit code of 18 digits and capitals without I, O, S, V and Z, as 11510900MB1234567X"
        }]
    }
}
shape! {
    /// A telephone number as people write it.
    Phone = {
        "type": "string", "minLength": 3, "maxLength": 32,
        "x-kubernetes-validations": [{
            "rule": "self.matches('^\\\\+?[0-9][0-9 ()/-]*$')", "message": "must be a telephone number, as 0825-2222222"
        }]
    }
}
shape! {
    /// A time zone of the IANA database.
    ZoneName = {
        "type": "string", "minLength": 1, "maxLength": 64,
        "x-kubernetes-validations": [{
            "rule": "self.matches('^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$')",
            "message": "must be a time zone of the IANA database, as Asia/Shanghai"
        }]
    }
}
shape! {
    /// A systemd unit.
    Unit = {"type": "string", "maxLength": 255, "pattern": "^[A-Za-z0-9:_.\\\\@-]+\\.(service|socket|target|timer|path|mount)$"}
}
shape! {
    /// A Linux network interface; the kernel keeps 15 bytes (`IFNAMSIZ` less one).
    Interface = {"type": "string", "minLength": 1, "maxLength": 15, "pattern": "^[^/\\s:]+$"}
}
shape! {
    /// `3/5`: so many of so many.
    Ratio = {"type": "string", "maxLength": 15, "pattern": "^[0-9]+/[0-9]+$"}
}
shape! {
    /// An IP address, without a prefix length.
    IpAddress = {
        "type": "string", "minLength": 1, "maxLength": 45,
        "x-kubernetes-validations": [{"rule": "isIP(self)", "message": "must be an ip address, as 10.77.0.1"}]
    }
}
shape! {
    /// A range of addresses in its canonical form.
    Cidr = {
        "type": "string", "minLength": 1, "maxLength": 49,
        "x-kubernetes-validations": [{
            "rule": "isCIDR(self) && cidr(self).masked() == cidr(self)",
            "message": "must be a range of addresses with all host bits zero, as 10.77.0.0/24"
        }]
    }
}
shape! {
    /// An IP address or a host name.
    HostAddress = {
        "type": "string", "minLength": 1, "maxLength": 253,
        "x-kubernetes-validations": [{
            "rule": "isIP(self) || self.matches('^[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?$')",
            "message": "must be an ip address or a host name, without scheme, port or path"
        }]
    }
}
shape! {
    /// `metav1.Condition`s, merged by type. Written out because the upstream texts are longer than our whole schema.
    Conditions = {
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "description": "One aspect of the object's state.",
            "required": ["type", "status", "reason", "message", "lastTransitionTime"],
            "properties": {
                "type": {
                    "type": "string", "maxLength": 64, "pattern": "^[A-Z][A-Za-z0-9]*$",
                    "description": "Name of the aspect."
                },
                "status": {
                    "type": "string", "enum": ["True", "False", "Unknown"],
                    "description": "Whether it holds; `Unknown` never counts as `True`."
                },
                "reason": {
                    "type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[A-Z][A-Za-z0-9]*$",
                    "description": "Why, in one word for machines."
                },
                "message": {
                    "type": "string", "maxLength": 4096,
                    "description": "Why, in a sentence for people."
                },
                "lastTransitionTime": {
                    "type": "string", "format": "date-time",
                    "description": "When the status last changed."
                },
                "observedGeneration": {
                    "type": "integer", "format": "int64", "minimum": 0,
                    "description": "Generation of the spec that this is about."
                }
            }
        }
    }
}
