//! The connector against the conformance kit, in a bucket of fake-gcs-server.

use std::io::{self, Error};
use std::process::ExitCode;

use rivet_connector_kit::DestinationTarget;
use serde_json::Value;

fn main() -> ExitCode {
    let variable = |name: &str| std::env::var(format!("RIVET_TEST_GCS_{name}")).ok();
    let endpoint = variable("ENDPOINT");
    let (bucket, prefix) = (variable("BUCKET").unwrap_or_default(), format!("kit-{}/", std::process::id()));
    let objects = format!("{}/storage/v1/b/{bucket}/o", endpoint.clone().unwrap_or_default());
    let (listed, fetched, of_list, of_fetch) = (objects.clone(), objects, prefix.clone(), prefix.clone());
    let target = DestinationTarget {
        options: serde_json::json!({
            "bucket": bucket, "prefix": prefix, "endpoint": endpoint, "allow_anonymous": true
        }),
        list: Box::new(move || {
            let page = get(&format!("{listed}?prefix={of_list}")).expect("the store answers");
            let page: Value = serde_json::from_slice(&page).expect("a list");
            let names = page["items"].as_array().into_iter().flatten().filter_map(|item| item["name"].as_str());
            names.map(|name| name[of_list.len()..].to_owned()).collect()
        }),
        // The name is one segment of the path.
        fetch: Box::new(move |name| get(&format!("{fetched}/{}{name}?alt=media", of_fetch.replace('/', "%2F")))),
        skip: endpoint.is_none().then(|| "RIVET_TEST_GCS_ENDPOINT is not set".to_owned()),
    };
    rivet_connector_kit::destination(&rivet_plugin_gcs::PLUGIN, env!("CARGO_PKG_NAME"), target).run()
}

fn get(url: &str) -> io::Result<Vec<u8>> {
    ureq::get(url).call().and_then(|mut answer| answer.body_mut().read_to_vec()).map_err(Error::other)
}
