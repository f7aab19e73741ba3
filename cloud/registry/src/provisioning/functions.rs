//! The functions of provisioning templates: `Ref`, `Fn::Join`, `Fn::Select`, `Fn::Split`,
//! `Fn::Sub`, `Fn::FindInMap`. Pure; a result is never evaluated again, so that a parameter's
//! value cannot bring a function in.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// What names mean.
pub(crate) struct Scope<'t> {
    pub(crate) values: BTreeMap<&'t str, &'t str>,
    pub(crate) mappings: &'t Map<String, Value>,
}

/// The only member of an object that has one.
fn only_member(value: &Value) -> Option<(&str, &Value)> {
    let members = value.as_object()?;
    let (name, argument) = members.iter().next()?;
    (members.len() == 1).then_some((name.as_str(), argument))
}

/// The names of all parameters that a value uses.
pub(crate) fn names_in(value: &Value, names: &mut BTreeSet<String>) {
    match only_member(value) {
        Some(("Ref", Value::String(name))) => {
            names.insert(name.clone());
            return;
        }
        Some(("Fn::Sub", argument)) => {
            let (text, own) = match argument.as_array().map(Vec::as_slice) {
                Some([Value::String(text), Value::Object(own)]) => (text.as_str(), Some(own)),
                _ => (argument.as_str().unwrap_or_default(), None),
            };
            for part in parts(text) {
                if let Part::Name(name) = part
                    && own.is_none_or(|own| !own.contains_key(name))
                {
                    names.insert(name.to_owned());
                }
            }
        }
        _ => {}
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| names_in(item, names)),
        Value::Object(members) => members.values().for_each(|member| names_in(member, names)),
        _ => {}
    }
}

enum Part<'t> {
    Text(&'t str),
    Name(&'t str),
}

/// The parts of a text with `${names}`; `${!literal}` stands for `${literal}`.
fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, tail) = rest.split_at(start);
        parts.push(Part::Text(before));
        let Some(end) = tail.find('}') else {
            rest = tail;
            break;
        };
        match tail[2..end].strip_prefix('!') {
            Some(literal) => {
                parts.extend([Part::Text("${"), Part::Text(literal), Part::Text("}")]);
            }
            None => parts.push(Part::Name(tail[2..end].trim())),
        }
        rest = &tail[end + 1..];
    }
    parts.push(Part::Text(rest));
    parts
}

impl Scope<'_> {
    /// The value with all functions replaced by their results; the error says what is wrong.
    pub(crate) fn evaluate(&self, value: &Value) -> Result<Value, String> {
        if let Some((name, argument)) = only_member(value) {
            match name {
                "Ref" => return self.reference(argument.as_str().unwrap_or_default()),
                "Fn::Join" => return self.join(argument),
                "Fn::Select" => return self.select(argument),
                "Fn::Split" => return self.split(argument),
                "Fn::Sub" => return self.substitute(argument),
                "Fn::FindInMap" => return self.find_in_map(argument),
                other if other.starts_with("Fn::") => {
                    return Err(format!("`{other}` is no function of templates"));
                }
                _ => {}
            }
        }
        match value {
            Value::Array(items) => items
                .iter()
                .map(|item| self.evaluate(item))
                .collect::<Result<_, _>>()
                .map(Value::Array),
            Value::Object(members) => members
                .iter()
                .map(|(name, member)| Ok((name.clone(), self.evaluate(member)?)))
                .collect::<Result<_, _>>()
                .map(Value::Object),
            other => Ok(other.clone()),
        }
    }

    fn reference(&self, name: &str) -> Result<Value, String> {
        let value = self.values.get(name);
        value.map(|value| Value::from(*value)).ok_or_else(|| {
            format!("the parameter `{name}` has no value and no default: give it one")
        })
    }

    fn text(&self, value: &Value) -> Result<String, String> {
        match self.evaluate(value)? {
            Value::String(text) => Ok(text),
            Value::Number(number) => Ok(number.to_string()),
            other => Err(format!("{other} is no text")),
        }
    }

    fn list(&self, value: &Value) -> Result<Vec<Value>, String> {
        match self.evaluate(value)? {
            Value::Array(items) => Ok(items),
            other => Err(format!("{other} is no list")),
        }
    }

    fn join(&self, argument: &Value) -> Result<Value, String> {
        let [separator, items] = arguments(argument, "Fn::Join")?;
        let items = self.list(items)?;
        let texts: Result<Vec<_>, _> = items
            .iter()
            .map(|item| item.as_str().ok_or_else(|| format!("{item} is no text")))
            .collect();
        Ok(Value::from(texts?.join(&self.text(separator)?)))
    }

    fn select(&self, argument: &Value) -> Result<Value, String> {
        let [index, items] = arguments(argument, "Fn::Select")?;
        let index = self.text(index)?;
        let items = self.list(items)?;
        let found = index.parse::<usize>().ok().and_then(|index| items.get(index).cloned());
        found.ok_or_else(|| format!("a list of {} has no entry `{index}`", items.len()))
    }

    fn split(&self, argument: &Value) -> Result<Value, String> {
        let [separator, text] = arguments(argument, "Fn::Split")?;
        let (separator, text) = (self.text(separator)?, self.text(text)?);
        if separator.is_empty() {
            return Err("`Fn::Split` needs a text to split at".to_owned());
        }
        Ok(text.split(separator.as_str()).map(Value::from).collect())
    }

    fn substitute(&self, argument: &Value) -> Result<Value, String> {
        let (text, own) = match argument {
            Value::String(text) => (text.as_str(), None),
            Value::Array(items) => match items.as_slice() {
                [Value::String(text), Value::Object(own)] => (text.as_str(), Some(own)),
                _ => {
                    return Err("`Fn::Sub` takes a text, or a list of a text and values".to_owned());
                }
            },
            _ => return Err("`Fn::Sub` takes a text, or a list of a text and values".to_owned()),
        };
        let mut result = String::new();
        for part in parts(text) {
            match part {
                Part::Text(text) => result.push_str(text),
                Part::Name(name) => {
                    let value = match own.and_then(|own| own.get(name)) {
                        Some(value) => self.text(value)?,
                        None => self.text(&self.reference(name)?)?,
                    };
                    result.push_str(&value);
                }
            }
        }
        Ok(Value::from(result))
    }

    fn find_in_map(&self, argument: &Value) -> Result<Value, String> {
        let [map, first, second] = arguments(argument, "Fn::FindInMap")?;
        let (map, first, second) = (self.text(map)?, self.text(first)?, self.text(second)?);
        let found = self.mappings.get(&map).and_then(|map| map.get(&first)?.get(&second));
        found.cloned().ok_or_else(|| format!("`Mappings` has no {map}.{first}.{second}"))
    }
}

fn arguments<'v, const N: usize>(
    argument: &'v Value,
    function: &str,
) -> Result<[&'v Value; N], String> {
    let items = argument.as_array().map(Vec::as_slice).unwrap_or_default();
    let items: Vec<&Value> = items.iter().collect();
    items.try_into().map_err(|_| format!("`{function}` takes a list of {N}"))
}
