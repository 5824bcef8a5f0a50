//! The `s3` destination: a bucket behind S3's protocol.

use http::{HeaderName, HeaderValue};
use opendal::Operator;
use opendal::services::S3 as Service;
use reqsign_core::OsEnv;
use rivet_plugin_api::{Error, Result};
use rivet_plugin_base::object::{Connector, Exclusive, Settings};

use crate::Options;
use crate::credentials::signer;
use crate::endpoint::Place;
use crate::error::check;

/// Writes exports to S3.
pub struct S3;

impl Connector for S3 {
    type Options = Options;

    fn connect(options: Options) -> Result<(Settings, Operator)> {
        check(&options)?;
        let place = Place::of(&options, &OsEnv);
        let service = Service::default().bucket(&options.bucket).endpoint(&place.endpoint).region(&place.region);
        let service = if place.virtual_host { service.enable_virtual_host_style() } else { service };
        // Everything is decided here, and requests are signed on their way.
        let operator = Operator::new(service.skip_signature().disable_config_load().disable_ec2_metadata());
        let operator = operator.map_err(|e| Error::config(e.to_string()))?;
        let settings = Settings {
            scheme: "s3",
            signer: signer(&options, &place.region),
            url: place.url,
            bucket: options.bucket,
            prefix: options.prefix,
            ca_file: options.ca_file,
            exclusive: Exclusive {
                header: (HeaderName::from_static("if-none-match"), HeaderValue::from_static("*")),
                completes: true,
            },
            whole: None,
        };
        Ok((settings, operator))
    }
}
