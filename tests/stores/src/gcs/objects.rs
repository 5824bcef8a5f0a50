//! Objects by the JSON interface.

use serde_json::{Value, json};

use super::{JSON, Message, Object, State, answer, hashes_are_right, json_error, query};

impl State {
    /// `POST /upload/…`: an object in one request, with or without metadata before it.
    pub(super) fn insert(&mut self, request: &Message) -> Message {
        let query = query(request.target());
        let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let (bytes, metadata) = match value("uploadType") {
            Some("media") => (request.body.clone(), Value::Null),
            Some("multipart") => match related(request) {
                Some(parts) => parts,
                None => return json_error(400, "badRequest", "Malformed multipart body."),
            },
            other => return json_error(501, "notImplemented", &format!("uploadType {other:?}")),
        };
        let Some(name) = value("name").or_else(|| metadata["name"].as_str()) else {
            return json_error(400, "required", "Required parameter: name");
        };
        let claims = |key: &str, is: fn(&[u8]) -> String| metadata[key].as_str().is_some_and(|sum| sum != is(&bytes));
        let is_wrong = claims("md5Hash", super::md5_of) || claims("crc32c", super::crc32c_of);
        if is_wrong || value("uploadType") == Some("media") && !hashes_are_right(request) {
            return json_error(400, "invalid", "Provided hash does not match the calculated one.");
        }
        if !self.meets(request, name) {
            return json_error(412, "conditionNotMet", "At least one of the pre-conditions did not hold.");
        }
        self.store(name.to_owned(), bytes, true);
        answer(200, &JSON, self.objects[name].metadata(name).to_string())
    }

    /// `/storage/v1/b/BUCKET/o/NAME`.
    pub(super) fn object(&mut self, request: &Message, name: &str) -> Message {
        if !self.objects.contains_key(name) {
            return json_error(404, "notFound", &format!("No such object: {name}"));
        }
        if !self.meets(request, name) {
            return json_error(412, "conditionNotMet", "At least one of the pre-conditions did not hold.");
        }
        let object = &self.objects[name];
        match request.method() {
            "GET" if request.target().contains("alt=media") => object.content(request),
            "GET" | "HEAD" => answer(200, &JSON, object.metadata(name).to_string()),
            "DELETE" => {
                self.objects.remove(name);
                answer(204, &[], "")
            }
            method => json_error(501, "notImplemented", method),
        }
    }

    /// `GET /storage/v1/b/BUCKET/o`, in pages of at most 1000.
    pub(super) fn list(&self, request: &Message) -> Message {
        let query = query(request.target());
        let value = |name: &str| query.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
        let (prefix, delimiter, token) = (value("prefix"), value("delimiter"), value("pageToken"));
        let most = value("maxResults").parse().unwrap_or(1000_usize).min(1000);
        let mut prefixes: Vec<String> = Vec::new();
        let mut items = Vec::new();
        for (name, object) in self.objects.iter().filter(|(name, _)| name.starts_with(prefix)) {
            if !token.is_empty() && name.as_str() <= token {
                continue;
            }
            let folder = (!delimiter.is_empty()).then(|| name[prefix.len()..].split_once(delimiter)).flatten();
            if let Some((folder, _)) = folder {
                let folder = format!("{prefix}{folder}{delimiter}");
                if prefixes.last() != Some(&folder) {
                    prefixes.push(folder);
                }
                continue;
            }
            if items.len() == most {
                let last: &Value = &items[most - 1];
                let page = json!({ "items": items, "prefixes": prefixes, "nextPageToken": last["name"] });
                return answer(200, &JSON, page.to_string());
            }
            items.push(object.metadata(name));
        }
        answer(200, &JSON, json!({ "kind": "storage#objects", "items": items, "prefixes": prefixes }).to_string())
    }
}

impl Object {
    /// The bytes, or those of the range that is asked for.
    pub(super) fn content(&self, request: &Message) -> Message {
        let generation = self.generation.to_string();
        let (hashes, etag) = (self.hashes(), self.etag());
        let headers = [
            ("ETag", etag.as_str()),
            ("x-goog-generation", &generation),
            ("x-goog-hash", &hashes),
            ("x-goog-stored-content-length", &self.bytes.len().to_string()),
            ("Content-Type", "application/octet-stream"),
        ];
        let range = request.header("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
        let Some((from, to)) = range else { return answer(200, &headers, self.bytes.clone()) };
        let length = self.bytes.len();
        let (from, to) = match (from.parse::<usize>(), to.parse::<usize>()) {
            (Ok(from), to) => (from, to.map_or(length, |to| (to + 1).min(length))),
            (Err(_), last) => (length - last.unwrap_or(0).min(length), length),
        };
        if from >= to {
            return answer(416, &[], "");
        }
        let range = format!("bytes {from}-{}/{length}", to - 1);
        let mut headers = headers.to_vec();
        headers.push(("Content-Range", &range));
        answer(206, &headers, &self.bytes[from..to])
    }
}

/// The content and the metadata of a `multipart/related` body.
fn related(request: &Message) -> Option<(Vec<u8>, Value)> {
    let kind = request.header("content-type")?;
    let boundary = kind.split("boundary=").nth(1)?.split(';').next()?.trim_matches('"');
    let mark = format!("--{boundary}").into_bytes();
    let body = &request.body;
    let places: Vec<usize> =
        (0..body.len().saturating_sub(mark.len() - 1)).filter(|at| body[*at..].starts_with(&mark)).collect();
    let part = |index: usize| {
        let part = &body[places.get(index)? + mark.len()..*places.get(index + 1)?];
        let start = part.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        Some(&part[start..part.len().checked_sub(2)?])
    };
    let metadata = serde_json::from_slice(part(0)?).ok()?;
    Some((part(1)?.to_vec(), metadata))
}
