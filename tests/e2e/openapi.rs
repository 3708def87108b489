//! The OpenAPI document: sound in itself, the same from the command and from the agent, and true of
//! what the agent answers.

use plimsoll_tests::{Agent, Cgroup, Load, ran, wait_for};
use serde_json::Value;
use std::collections::HashSet;
use std::time::Duration;

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
const TYPES: [&str; 7] = ["null", "boolean", "object", "array", "number", "string", "integer"];

fn generated() -> Value {
    let output = ran(&["generate", "openapi"]);
    assert_eq!(output.status.code(), Some(0));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Calls `look` on every object of the document, with its place.
fn each(value: &Value, place: &str, look: &mut impl FnMut(&str, &Value)) {
    look(place, value);
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                each(member, &format!("{place}/{key}"), look);
            }
        }
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                each(item, &format!("{place}/{i}"), look);
            }
        }
        _ => {}
    }
}

fn resolved<'a>(document: &'a Value, reference: &str) -> &'a Value {
    let pointer = reference.strip_prefix('#').expect("references stay within the document");
    document.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere"))
}

/// Source: OpenAPI Specification 3.1.0, sections 4.8.1 to 4.8.16.
#[test]
fn the_document_is_sound() {
    let document = generated();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1.")));
    for key in ["title", "version", "description"] {
        assert!(document["info"][key].as_str().is_some_and(|text| !text.is_empty()), "{key}");
    }
    let mut references = 0;
    each(&document, "", &mut |place, value| {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            resolved(&document, reference);
            references += 1;
        }
        if place.ends_with("/type")
            && place.contains("schema")
            && !place.contains("/properties/type")
        {
            let types = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
            let known = |one: &Value| one.as_str().is_some_and(|one| TYPES.contains(&one));
            assert!(types.iter().all(known), "{place}: {value}");
        }
    });
    assert!(references > 50, "only {references} references");
    let mut ids = HashSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        assert!(path.starts_with('/'));
        for (method, operation) in item.as_object().expect("operations") {
            assert!(METHODS.contains(&method.as_str()), "{path} {method}");
            assert!(ids.insert(operation["operationId"].to_string()), "{path}: a double id");
            check_operation(path, operation);
        }
    }
    assert!(ids.len() >= 13, "{ids:?}");
}

fn check_operation(path: &str, operation: &Value) {
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    let mut in_path: Vec<String> = Vec::new();
    for parameter in &parameters {
        let name = parameter["name"].as_str().expect("a name");
        assert!(parameter["schema"].is_object(), "{path} {name}");
        match parameter["in"].as_str() {
            Some("path") => {
                assert_eq!(parameter["required"], true, "{path} {name}");
                in_path.push(format!("{{{name}}}"));
            }
            place => assert!(matches!(place, Some("query" | "header")), "{path} {name}"),
        }
    }
    let templates: Vec<&str> = path.split('/').filter(|part| part.starts_with('{')).collect();
    assert_eq!(templates, in_path, "{path}");
    let responses = operation["responses"].as_object().expect("responses");
    assert!(responses.keys().any(|status| status.starts_with('2')), "{path}");
    for (status, response) in responses {
        assert!(status.parse().is_ok_and(|code: u16| (100..600).contains(&code)), "{path}");
        assert!(response["description"].is_string(), "{path} {status}");
    }
}

#[test]
fn the_command_and_the_agent_give_the_same_document() {
    let agent = Agent::start(&[]);
    assert_eq!(generated(), agent.json("/openapi.json"));
}

/// Everything in `value` that `schema` does not allow. Knows the keywords that the document uses;
/// one that it does not know is itself an error.
fn faults(document: &Value, schema: &Value, value: &Value, place: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (keyword, rule) in schema.as_object().expect("a schema is an object") {
        let inner = |rule: &Value| faults(document, rule, value, place);
        let rules = || rule.as_array().expect("schemas").iter().map(inner);
        let is_good = match keyword.as_str() {
            "$ref" => {
                found.extend(inner(resolved(document, rule.as_str().expect("text"))));
                true
            }
            "allOf" => {
                found.extend(rules().flatten());
                true
            }
            "oneOf" => rules().filter(Vec::is_empty).count() == 1,
            "type" => match rule {
                Value::Array(types) => types.iter().any(|one| is_a(value, one)),
                one => is_a(value, one),
            },
            "enum" => rule.as_array().is_some_and(|words| words.contains(value)),
            "minimum" => value.as_f64().zip(rule.as_f64()).is_none_or(|(v, least)| v >= least),
            "required" => rule.as_array().is_some_and(|keys| {
                keys.iter().all(|k| !value[k.as_str().unwrap_or("")].is_null())
            }),
            "properties" => {
                for (key, rule) in rule.as_object().expect("properties") {
                    if let Some(member) = value.get(key) {
                        found.extend(faults(document, rule, member, &format!("{place}.{key}")));
                    }
                }
                true
            }
            "additionalProperties" => {
                for (key, member) in value.as_object().into_iter().flatten() {
                    found.extend(faults(document, rule, member, &format!("{place}.{key}")));
                }
                true
            }
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    found.extend(faults(document, rule, item, &format!("{place}[]")));
                }
                true
            }
            "description" | "format" | "propertyNames" | "default" | "example" => true,
            unknown => panic!("this test does not know the keyword {unknown} at {place}"),
        };
        if !is_good {
            found.push(format!("{place}: {value} is not {keyword} {rule}"));
        }
    }
    found
}

fn is_a(value: &Value, kind: &Value) -> bool {
    match kind.as_str() {
        Some("null") => value.is_null(),
        Some("boolean") => value.is_boolean(),
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("number") => value.is_number(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        _ => false,
    }
}

/// Members that no schema names, for objects whose members are all named.
fn unnamed(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut named = HashSet::new();
    names(document, schema, &mut named);
    let members = value.as_object().into_iter().flatten();
    members.map(|(key, _)| key.clone()).filter(|key| !named.contains(key)).collect()
}

fn names(document: &Value, schema: &Value, named: &mut HashSet<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        names(document, resolved(document, reference), named);
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        names(document, part, named);
    }
    named
        .extend(schema["properties"].as_object().into_iter().flatten().map(|(key, _)| key.clone()));
}

/// The id of the incident of a real kill, where this machine lets one happen.
fn incident(agent: &Agent) -> Option<String> {
    let cgroup = Cgroup::make(24).ok()?;
    if !agent.source("oom_log").starts_with("[+]") {
        return None;
    }
    let _victim = Load::start(&["leak", "200"], Some(&cgroup));
    Some(wait_for("a kill is on record", Duration::from_secs(30), || {
        let list = agent.json("/api/v1/incidents");
        let own = |one: &&Value| one["cgroup"] == cgroup.path();
        let found = list.as_array().and_then(|list| list.iter().find(own));
        let id = found.and_then(|one| one["id"].as_str().map(str::to_owned));
        id.ok_or_else(|| list.to_string())
    }))
}

#[test]
fn every_answer_is_what_the_document_says_it_is() {
    let agent = Agent::start(&[]);
    let document = agent.json("/openapi.json");
    // Something for every list to hold, where this machine lets it.
    let cgroup = Cgroup::make(4096).ok();
    let load = Load::start(&["leak", "16"], cgroup.as_ref());
    let pid = load.pid().to_string();
    let judged = format!("/api/v1/processes/{pid}");
    wait_for("the load is watched", Duration::from_secs(30), || {
        let answer = agent.try_get(&judged)?;
        if answer.status == 200 { Ok(()) } else { Err(answer.body) }
    });
    let silence = r#"{"matchers":["workload=nobody"],"until":"1h"}"#;
    let made = agent.send_json("POST", "/api/v1/silences", silence);
    let content = &document["paths"]["/api/v1/silences"]["post"]["responses"]["201"]["content"];
    let schema = &content["application/json"]["schema"];
    assert_eq!(made.status, 201, "{}", made.body);
    assert_eq!(faults(&document, schema, &made.json(), "silence").join("\n"), "");
    let asked = agent.send_json("POST", "/api/v1/reports", &format!("{{\"pid\":{pid}}}"));
    let report = asked.json()["id"].as_str().expect("a report is taken").to_owned();
    wait_for("the report is finished", Duration::from_secs(30), || {
        let answer = agent.try_get(&format!("/api/v1/reports/{report}"))?;
        if answer.status == 200 { Ok(()) } else { Err(answer.body) }
    });
    let incident = incident(&agent);
    for (path, item) in document["paths"].as_object().expect("paths") {
        // The stream does not end; surface::stream reads it. What has no GET has nothing to read.
        let unread = path == "/api/v1/events" || item["get"].is_null();
        if unread || path == "/api/v1/incidents/{id}" && incident.is_none() {
            continue;
        }
        let query = match path.as_str() {
            "/api/v1/series" => "?target=node".to_owned(),
            "/api/v1/reports/diff" => format!("?a={report}&b={report}"),
            _ => String::new(),
        };
        let path = &path.replace("reports/{id}", &format!("reports/{report}"));
        let path = &path.replace("{id}", incident.as_deref().unwrap_or_default());
        let answer = agent.get(&(path.replace("{pid}", &pid) + &query));
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        let content = &item["get"]["responses"]["200"]["content"];
        let head = answer.head.to_lowercase();
        let media = content.as_object().expect("media types").keys();
        let media = media.filter(|media| head.contains(&format!("content-type: {media}")));
        let media: Vec<&String> = media.collect();
        assert_eq!(media.len(), 1, "{path}: {head}");
        if media[0] == "application/json" {
            let (schema, answer) = (&content[media[0]]["schema"], answer.json());
            let wrong = faults(&document, schema, &answer, path);
            assert!(wrong.is_empty(), "{}", wrong.join("\n"));
            let (schema, one) = match answer.as_array() {
                Some(all) => (&schema["items"], all.first().unwrap_or(&Value::Null)),
                None => (schema, &answer),
            };
            // A heap report and a difference have schemas of their own names.
            let is_free = path == "/openapi.json" || path.starts_with("/api/v1/reports/");
            assert!(is_free || unnamed(&document, schema, one).is_empty(), "{path}: {one}");
        }
    }
    let problem = agent.get("/api/v1/processes?limit=0&sort=x").json();
    let schema = &document["components"]["schemas"]["Problem"];
    assert_eq!(faults(&document, schema, &problem, "problem").join("\n"), "");
}
