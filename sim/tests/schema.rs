//! The JSON schema says the same as the reader, as far as a schema can.
mod common;
use serde_json::{Value, json};
use supple_sim::{AnyScenario, library};

/// Why a value is not as a schema wants it. Knows the words that the schema of scenarios uses, and refuses others.
fn fault(root: &Value, schema: &Value, value: &Value, at: &str) -> Option<String> {
    let words = schema.as_object()?;
    words.iter().find_map(|(word, wanted)| match word.as_str() {
        "$ref" => {
            let pointer = wanted.as_str()?.trim_start_matches('#');
            fault(root, root.pointer(pointer).unwrap_or_else(|| panic!("{pointer}")), value, at)
        }
        "type" => {
            let names = wanted.as_array().cloned().unwrap_or_else(|| vec![wanted.clone()]);
            (!names.iter().any(|name| is(name.as_str().unwrap_or(""), value)))
                .then(|| format!("{at}: {value} is no {wanted}"))
        }
        "const" => (value != wanted).then(|| format!("{at}: {value} is not {wanted}")),
        "enum" => (!wanted.as_array()?.contains(value)).then(|| format!("{at}: {value} is none of {wanted}")),
        "anyOf" | "oneOf" => {
            let faults: Vec<_> = wanted.as_array()?.iter().map(|one| fault(root, one, value, at)).collect();
            faults.iter().all(Option::is_some).then(|| format!("{at}: {value} is none of these: {faults:?}"))
        }
        "allOf" => wanted.as_array()?.iter().find_map(|one| fault(root, one, value, at)),
        "required" => {
            let missing = wanted.as_array()?.iter().find(|name| value.get(name.as_str().unwrap_or("")).is_none());
            missing.filter(|_| value.is_object()).map(|name| format!("{at}: {name} is missing"))
        }
        "properties" => {
            let mut fields = value.as_object()?.iter();
            fields.find_map(|(name, inner)| fault(root, wanted.get(name)?, inner, &format!("{at}.{name}")))
        }
        "additionalProperties" if *wanted == json!(false) => {
            let known = schema["properties"].as_object();
            let unknown = value.as_object()?.keys().find(|name| !known.is_some_and(|known| known.contains_key(*name)));
            unknown.map(|name| format!("{at}: {name} is not known"))
        }
        "items" => {
            value.as_array()?.iter().enumerate().find_map(|(i, item)| fault(root, wanted, item, &format!("{at}[{i}]")))
        }
        "prefixItems" => {
            let pairs = value.as_array()?.iter().zip(wanted.as_array()?).enumerate();
            pairs.into_iter().find_map(|(i, (item, wanted))| fault(root, wanted, item, &format!("{at}[{i}]")))
        }
        "minItems" => (value.as_array()?.len() < wanted.as_u64()? as usize).then(|| format!("{at}: too short")),
        "maxItems" => (value.as_array()?.len() > wanted.as_u64()? as usize).then(|| format!("{at}: too long")),
        "minimum" => (value.as_f64()? < wanted.as_f64()?).then(|| format!("{at}: {value} is below {wanted}")),
        "maximum" => (value.as_f64()? > wanted.as_f64()?).then(|| format!("{at}: {value} is above {wanted}")),
        "title" | "description" | "default" | "format" | "$schema" | "$defs" | "additionalProperties" => None,
        other => panic!("{at}: this test does not know `{other}`"),
    })
}

fn is(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        _ => false,
    }
}

fn judge(text: &str) -> Option<String> {
    let schema = AnyScenario::schema();
    let value: toml::Value = toml::from_str(text).expect("TOML");
    fault(&schema, &schema, &serde_json::to_value(value).expect("JSON"), "scenario")
}

#[test]
fn all_that_is_shipped_is_accepted() {
    for shipped in library::ALL {
        assert_eq!(judge(shipped.text), None, "{}", shipped.name);
    }
}

#[test]
fn what_the_reader_refuses_by_its_shape_the_schema_refuses_too() {
    let good = "name = \"x\"\nduration_s = 2.0\n[trace]\nsteps = [[0.0, 1.0]]\n";
    assert_eq!(judge(good), None);
    let cases = [
        good.replace("duration_s = 2.0\n", ""),
        good.replace("2.0", "\"long\""),
        good.replace("duration_s", "durations"),
        good.replace("[0.0, 1.0]", "[0.0, \"all\"]"),
        good.replace("steps", "end = \"burn\"\nsteps"),
        format!("{good}[load]\nrate = 3.0\n"),
        format!("{good}[[demand.changes]]\naccuracy_floor = 0.5\n"),
        format!("{good}[[machine]]\nname = \"a\"\n"),
        "name = \"x\"\nduration_s = 2.0\n[[machine]]\nname = \"a\"\n".to_owned(),
        "name = \"x\"\nduration_s = 2.0\n[[machine]]\nname = \"a\"\nram = 3\n[[model]]\nname = \"m\"\n".to_owned(),
    ];
    for text in cases {
        assert!(judge(&text).is_some(), "{text}");
        assert!(AnyScenario::parse(&text, "bad.toml").is_err(), "{text}");
    }
}

#[test]
fn every_field_is_described() {
    let schema = AnyScenario::schema();
    let forms = schema["$defs"].as_object().expect("definitions").values();
    let fields: Vec<_> = forms.filter_map(|form| form["properties"].as_object()).flatten().collect();
    assert!(fields.len() > 60, "{}", fields.len());
    let described = |field: &Value| field["description"].is_string() || field["$ref"].is_string();
    let missing: Vec<_> = fields.iter().filter(|(_, field)| !described(field)).map(|(name, _)| name).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
