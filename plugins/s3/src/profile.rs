//! The shared configuration of AWS, as far as it says where a bucket is. Credentials in it are reqsign's to read.

use std::path::PathBuf;

use ini::Ini;
use reqsign_core::Env;

/// The region of `profile`, or of the one that the environment names.
pub(crate) fn region(profile: Option<&str>, env: &dyn Env) -> Option<String> {
    let config = env.var("AWS_CONFIG_FILE").map(PathBuf::from);
    let config = config.or_else(|| Some(env.home_dir()?.join(".aws/config")))?;
    let text = std::fs::read_to_string(config).ok()?;
    let profile = profile.map(str::to_owned).or_else(|| env.var("AWS_PROFILE"));
    let section = match profile.as_deref() {
        None | Some("" | "default") => "default".to_owned(),
        Some(name) => format!("profile {name}"),
    };
    let region = Ini::load_from_str(&text).ok()?.get_from(Some(section), "region")?.trim().to_owned();
    Some(region).filter(|region| !region.is_empty())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use reqsign_core::StaticEnv;

    use super::*;

    #[test]
    fn the_region_is_that_of_the_profile() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(".aws")).unwrap();
        let text = "[default]\nregion = eu-west-1\n[profile far]\nregion=ap-east-1\n[profile none]\noutput = json\n";
        std::fs::write(folder.path().join(".aws/config"), text).unwrap();
        let env = |pairs: &[(&str, &str)]| {
            let envs: HashMap<_, _> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            StaticEnv { home_dir: Some(folder.path().to_owned()), envs }
        };
        let plain = env(&[]);
        assert_eq!(region(None, &plain).as_deref(), Some("eu-west-1"));
        assert_eq!(region(Some("far"), &plain).as_deref(), Some("ap-east-1"));
        assert_eq!(region(Some("none"), &plain), None);
        assert_eq!(region(Some("unknown"), &plain), None);
        assert_eq!(region(None, &env(&[("AWS_PROFILE", "far")])).as_deref(), Some("ap-east-1"));
        assert_eq!(region(None, &env(&[("AWS_CONFIG_FILE", "/nowhere")])), None);
    }
}
