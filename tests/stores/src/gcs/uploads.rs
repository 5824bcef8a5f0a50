//! Objects and uploads in parts by the XML interface.

use md5::{Digest as _, Md5};

use super::{BUCKET, Message, State, Upload, answer, hashes_are_right, hex, query, xml_error};

const XML: [(&str, &str); 1] = [("Content-Type", "application/xml; charset=UTF-8")];

/// Of every part but the last.
const LEAST: usize = 5 << 20;

impl State {
    pub(super) fn xml(&mut self, request: &Message, name: &str) -> Message {
        let query = query(request.target());
        let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        if request.header("x-goog-if-generation-match").is_some()
            && (value("uploads").is_some() || value("uploadId").is_some())
        {
            return xml_error(400, "NotImplemented", "Uploads in parts have no preconditions.");
        }
        match (request.method(), value("uploadId"), value("partNumber").and_then(|number| number.parse().ok())) {
            ("GET", None, _) if name.is_empty() && value("uploads").is_some() => {
                self.uploads(&value("prefix").unwrap_or_default())
            }
            ("POST", None, _) if value("uploads").is_some() => self.initiate(name),
            ("PUT", Some(id), Some(number)) => self.part(request, &id, number),
            ("POST", Some(id), _) => self.complete(request, &id),
            ("DELETE", Some(id), _) => match self.uploads.remove(&id) {
                Some(_) => answer(204, &[], ""),
                None => no_such_upload(),
            },
            ("PUT", None, None) if !name.is_empty() => self.put(request, name),
            ("DELETE", None, _) => match self.objects.remove(name) {
                Some(_) => answer(204, &[], ""),
                None => no_such_key(),
            },
            ("GET" | "HEAD", None, _) if !name.is_empty() => match self.objects.get(name) {
                Some(object) => object.content(request),
                None => no_such_key(),
            },
            _ => xml_error(501, "NotImplemented", &request.first.replace(['<', '&'], "")),
        }
    }

    fn put(&mut self, request: &Message, name: &str) -> Message {
        if !hashes_are_right(request) {
            return bad_digest();
        }
        if !self.meets(request, name) {
            return xml_error(412, "PreconditionFailed", "At least one of the pre-conditions did not hold.");
        }
        let generation = self.store(name.to_owned(), request.body.clone(), true).to_string();
        let hashes = self.objects[name].hashes();
        answer(200, &[("x-goog-generation", &generation), ("x-goog-hash", &hashes), ("ETag", &etag(&request.body))], "")
    }

    fn initiate(&mut self, name: &str) -> Message {
        let id = format!("upload-{}", self.number());
        self.uploads.insert(id.clone(), Upload { name: name.to_owned(), ..Upload::default() });
        let result = "InitiateMultipartUploadResult";
        let body = format!("<{result}><Bucket>{BUCKET}</Bucket><Key>{name}</Key><UploadId>{id}</UploadId></{result}>");
        answer(200, &XML, body)
    }

    fn part(&mut self, request: &Message, id: &str, number: u32) -> Message {
        if !hashes_are_right(request) {
            return bad_digest();
        }
        let Some(upload) = self.uploads.get_mut(id) else { return no_such_upload() };
        upload.parts.insert(number, request.body.clone());
        answer(200, &[("ETag", &etag(&request.body))], "")
    }

    fn complete(&mut self, request: &Message, id: &str) -> Message {
        let Some(upload) = self.uploads.get(id) else { return no_such_upload() };
        let list = String::from_utf8_lossy(&request.body).replace("&quot;", "\"");
        if !list.ends_with("</CompleteMultipartUpload>") {
            return xml_error(400, "MalformedXML", "The XML you provided was not well-formed.");
        }
        let mut bytes = Vec::new();
        let parts: Vec<&str> = list.split("<Part>").skip(1).collect();
        for (index, part) in parts.iter().enumerate() {
            let number = between(part, "<PartNumber>", "</PartNumber>").and_then(|number| number.parse().ok());
            let Some(content) = number.and_then(|number: u32| upload.parts.get(&number)) else {
                return xml_error(400, "InvalidPart", "One or more of the specified parts could not be found.");
            };
            if between(part, "<ETag>", "</ETag>") != Some(etag(content).as_str()) {
                return xml_error(400, "InvalidPart", "The entity tag of a part is another.");
            }
            if content.len() < LEAST && index + 1 < parts.len() {
                return xml_error(400, "EntityTooSmall", "A part is smaller than the minimum.");
            }
            bytes.extend_from_slice(content);
        }
        if parts.is_empty() {
            return xml_error(400, "MalformedCompleteMultipartUploadRequest", "No parts.");
        }
        let name = upload.name.clone();
        self.uploads.remove(id);
        let generation = self.store(name.clone(), bytes, false).to_string();
        let hashes = self.objects[&name].hashes();
        let result = "CompleteMultipartUploadResult";
        let body =
            format!("<{result}><Bucket>{BUCKET}</Bucket><Key>{name}</Key><ETag>\"m{generation}\"</ETag></{result}>");
        answer(200, &[XML[0], ("x-goog-generation", &generation), ("x-goog-hash", &hashes)], body)
    }

    fn uploads(&self, prefix: &str) -> Message {
        let found = self.uploads.iter().filter(|(_, upload)| upload.name.starts_with(prefix));
        let items = found.fold(String::new(), |items, (id, upload)| {
            let initiated = "<Initiated>2026-01-01T00:00:00.000Z</Initiated>";
            items + &format!("<Upload><Key>{}</Key><UploadId>{id}</UploadId>{initiated}</Upload>", upload.name)
        });
        let result = "ListMultipartUploadsResult";
        let body = format!("<{result}><Bucket>{BUCKET}</Bucket><IsTruncated>false</IsTruncated>{items}</{result}>");
        answer(200, &XML, body)
    }
}

fn etag(bytes: &[u8]) -> String {
    format!("\"{}\"", hex(&Md5::digest(bytes)))
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    Some(text.split_once(start)?.1.split_once(end)?.0)
}

fn bad_digest() -> Message {
    xml_error(400, "BadDigest", "The Content-MD5 or checksum you specified did not match what we received.")
}

fn no_such_key() -> Message {
    xml_error(404, "NoSuchKey", "The specified key does not exist.")
}

fn no_such_upload() -> Message {
    xml_error(404, "NoSuchUpload", "The requested upload was not found.")
}
