//! Where a bucket is: region, endpoint, and whether its name stands in the host.

use reqsign_core::Env;

use crate::Options;
use crate::profile;

/// What stands in for a region where none is known. Stores that are not Amazon's mostly take any.
const DEFAULT_REGION: &str = "us-east-1";

/// Where AWS's own tools and the predecessor look for an endpoint, the first one first.
const ENDPOINTS: [&str; 4] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AWS_S3_ENDPOINT"];

/// Where a bucket is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    pub(crate) region: String,
    /// Without the bucket and without a slash at the end.
    pub(crate) endpoint: String,
    pub(crate) virtual_host: bool,
    /// The URL of the bucket itself.
    pub(crate) url: String,
}

impl Place {
    pub(crate) fn of(options: &Options, env: &dyn Env) -> Self {
        let set = |name: &str| env.var(name).filter(|value| !value.is_empty());
        let region = options.region.clone().filter(|region| !region.is_empty());
        let region = region
            .or_else(|| set("AWS_REGION"))
            .or_else(|| set("AWS_DEFAULT_REGION"))
            .or_else(|| profile::region(options.aws_profile.as_deref(), env))
            .unwrap_or_else(|| DEFAULT_REGION.to_owned());
        let own = options.endpoint.clone().filter(|endpoint| !endpoint.is_empty());
        let own = own.or_else(|| ENDPOINTS.into_iter().find_map(set));
        let is_amazon = own.is_none();
        let endpoint = own.unwrap_or_else(|| amazon(&region));
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        let endpoint = if endpoint.contains("://") { endpoint } else { format!("https://{endpoint}") };
        // A certificate for all buckets does not hold for one with a dot in its name.
        let virtual_host = options.virtual_host_style.unwrap_or(is_amazon && !options.bucket.contains('.'));
        let url = match endpoint.split_once("://") {
            Some((scheme, host)) if virtual_host => format!("{scheme}://{}.{host}", options.bucket),
            _ => format!("{endpoint}/{}", options.bucket),
        };
        Self { region, endpoint, virtual_host, url }
    }
}

fn amazon(region: &str) -> String {
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://s3.{region}.{domain}")
}

#[cfg(test)]
mod tests {
    use reqsign_core::StaticEnv;

    use super::*;

    fn place(options: Options, pairs: &[(&str, &str)]) -> (String, String) {
        let envs = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let place = Place::of(&options, &StaticEnv { home_dir: None, envs });
        (place.region, place.url)
    }

    fn options() -> Options {
        Options { bucket: "bkt".into(), ..Options::default() }
    }

    #[test]
    fn a_region_is_taken_from_the_nearest_place() {
        let env = [("AWS_REGION", "eu-west-1"), ("AWS_DEFAULT_REGION", "eu-west-2")];
        assert_eq!(place(Options { region: Some("sa-east-1".into()), ..options() }, &env).0, "sa-east-1");
        assert_eq!(place(options(), &env).0, "eu-west-1");
        assert_eq!(place(options(), &env[1..]).0, "eu-west-2");
        assert_eq!(place(options(), &[]).0, "us-east-1");
    }

    #[test]
    fn amazon_has_the_bucket_in_the_host_and_others_in_the_path() {
        assert_eq!(place(options(), &[]).1, "https://bkt.s3.us-east-1.amazonaws.com");
        let china = Options { region: Some("cn-north-1".into()), ..options() };
        assert_eq!(place(china, &[]).1, "https://bkt.s3.cn-north-1.amazonaws.com.cn");
        let dotted = Options { bucket: "a.b".into(), ..options() };
        assert_eq!(place(dotted, &[]).1, "https://s3.us-east-1.amazonaws.com/a.b");
        let own = || Options { endpoint: Some("http://127.0.0.1:9000/".into()), ..options() };
        assert_eq!(place(own(), &[]).1, "http://127.0.0.1:9000/bkt");
        assert_eq!(place(Options { virtual_host_style: Some(true), ..own() }, &[]).1, "http://bkt.127.0.0.1:9000");
        assert_eq!(place(options(), &[("AWS_ENDPOINT_URL", "https://minio.local")]).1, "https://minio.local/bkt");
        assert_eq!(place(own(), &[("AWS_ENDPOINT_URL", "https://minio.local")]).1, "http://127.0.0.1:9000/bkt");
        assert_eq!(
            place(Options { endpoint: Some("minio.local".into()), ..options() }, &[]).1,
            "https://minio.local/bkt"
        );
    }
}
