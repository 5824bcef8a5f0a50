//! A bill of materials in CycloneDX 1.5: every crate that is linked into the binary or a connector. Crates that only take
//! part in the build are in none: build scripts, tests, macros.

use std::collections::{BTreeMap, HashMap};

use rivet_plugin_api::Error as ApiError;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::graph::{Graph, Package};
use crate::error::{Error, Result};

/// What the bill is of.
pub struct Subject<'a> {
    pub name: &'a str,
    pub version: &'a str,
    /// The only time in it, in seconds since 1970, so that the same sources give the same bill.
    pub epoch: u64,
}

/// The bill of `graph`; `lock` is the text of its `Cargo.lock`, which has the checksums.
pub fn bill(subject: &Subject<'_>, graph: &Graph, lock: &str) -> Result<String> {
    let checksums = checksums(lock);
    let roots = graph.roots();
    let linked = graph.linked(&roots);
    let mut packages: Vec<&Package> = linked.keys().filter_map(|id| graph.package(id)).collect();
    packages.sort_by_key(|p| (&p.name, &p.version));
    let components = packages.iter().map(|p| component(p, &checksums)).collect::<Result<Vec<_>>>()?;
    let references = |ids: &mut dyn Iterator<Item = &Package>| {
        let mut names: Vec<String> = ids.map(reference).collect();
        names.sort();
        names
    };
    let main = format!("{}-{}", subject.name, subject.version);
    let mut uses: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (id, used) in &linked {
        let used = references(&mut used.iter().filter_map(|id| graph.package(id)));
        uses.extend(graph.package(id).map(|p| (reference(p), used)));
    }
    uses.insert(main.clone(), references(&mut roots.into_iter()));
    let dependencies: Vec<Value> = uses.into_iter().map(|(name, on)| json!({ "ref": name, "dependsOn": on })).collect();
    let made = jiff::Timestamp::from_second(subject.epoch as i64).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": serial(&components),
        "version": 1,
        "metadata": {
            "timestamp": made.to_string(),
            "component": { "type": "application", "bom-ref": main, "name": subject.name, "version": subject.version },
        },
        "components": components,
        "dependencies": dependencies,
    });
    Ok(format!("{document:#}\n"))
}

/// A UUID of what is inside (version 8 of RFC 9562).
fn serial(components: &[Value]) -> String {
    let mut hash = Sha256::new();
    for component in components {
        hash.update(component.to_string());
    }
    let mut bytes = hash.finalize();
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = bytes[..16].iter().fold(0, |number: u128, byte| number << 8 | u128::from(*byte));
    let hex = format!("{hex:032x}");
    format!("urn:uuid:{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn component(package: &Package, checksums: &HashMap<(String, String), String>) -> Result<Value> {
    let licences = match (licence(package), &package.license_file) {
        (Some(expression), _) => json!([{ "expression": expression }]),
        (None, Some(file)) => json!([{ "license": { "name": file } }]),
        (None, None) => {
            let error = ApiError::permanent(format!("`{}` {} names no licence", package.name, package.version));
            return Err(Error::Run(error.hint("write `license` in its Cargo.toml")));
        }
    };
    let reference = reference(package);
    let mut out = json!({
        "type": "library",
        "bom-ref": reference,
        "name": package.name,
        "version": package.version,
        "licenses": licences,
        "purl": reference,
    });
    if let Some(description) = &package.description {
        out["description"] = description.split_whitespace().collect::<Vec<_>>().join(" ").into();
    }
    if let Some(checksum) = checksums.get(&(package.name.clone(), package.version.clone())) {
        out["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
    }
    if let Some(repository) = &package.repository {
        out["externalReferences"] = json!([{ "type": "vcs", "url": repository }]);
    }
    Ok(out)
}

fn reference(package: &Package) -> String {
    format!("pkg:cargo/{}@{}", package.name, package.version)
}

/// The SPDX expression; older crates write a slash for OR.
pub fn licence(package: &Package) -> Option<String> {
    package.license.as_ref().map(|text| text.replace(" / ", " OR ").replace('/', " OR "))
}

/// The checksums of a lock, which cargo always writes in the same form.
fn checksums(lock: &str) -> HashMap<(String, String), String> {
    let block = |block: &str| {
        let value = |key: &str| {
            let line = block.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""))?;
            line.strip_suffix('"').map(str::to_owned)
        };
        Some(((value("name")?, value("version")?), value("checksum")?))
    };
    lock.split("[[package]]").filter_map(block).collect()
}
