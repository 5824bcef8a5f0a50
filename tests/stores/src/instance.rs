//! The metadata service of one of Amazon's instances, which has a role.

use std::io::BufReader;
use std::net::{TcpListener, TcpStream};
use std::thread;

use serde_json::json;

use crate::http::{Message, answer};

/// A metadata service on a port of its own, for the rest of the process.
pub struct Instance {
    /// Its address.
    pub url: String,
}

impl Instance {
    /// An instance whose role has these keys.
    pub fn new(key: &str, secret: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let keys = json!({
            "Code": "Success",
            "Type": "AWS-HMAC",
            "LastUpdated": "2026-01-01T00:00:00Z",
            "AccessKeyId": key,
            "SecretAccessKey": secret,
            "Token": "",
            "Expiration": "2100-01-01T00:00:00Z",
        });
        let keys = keys.to_string();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let keys = keys.clone();
                thread::spawn(move || while_open(client, &keys));
            }
        });
        Self { url }
    }
}

fn while_open(client: TcpStream, keys: &str) {
    let mut client = BufReader::new(client);
    while let Some(mut request) = Message::read_head(&mut client) {
        if request.read_body(&mut client).is_none() {
            return;
        }
        let has_token = request.header("x-aws-ec2-metadata-token") == Some("S3CR3T-CANARY-imds");
        let reply = match (request.method(), request.target()) {
            ("PUT", "/latest/api/token") => answer(200, &[], "S3CR3T-CANARY-imds"),
            ("GET", "/latest/meta-data/iam/security-credentials/") if has_token => answer(200, &[], "role"),
            ("GET", "/latest/meta-data/iam/security-credentials/role") if has_token => answer(200, &[], keys),
            _ => answer(404, &[], ""),
        };
        if reply.send(client.get_mut()).is_none() {
            return;
        }
    }
}
