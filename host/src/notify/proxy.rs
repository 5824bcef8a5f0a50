//! Which proxy leads to the webhook, by the environment variables and rules that curl has.

use ureq::Proxy;
use ureq::http::Uri;

/// The proxy for an address, `None` for the direct way. Only `https` goes through one: plain HTTP stays on this machine.
pub(super) fn of(uri: &Uri, env: impl Fn(&str) -> Option<String>) -> Result<Option<Proxy>, &'static str> {
    let first = |names: [&str; 2]| names.into_iter().find_map(&env);
    let proxy = first(["https_proxy", "HTTPS_PROXY"]).or_else(|| first(["all_proxy", "ALL_PROXY"]));
    let (Some(host), Some(proxy), Some("https")) = (uri.host(), proxy, uri.scheme_str()) else { return Ok(None) };
    if first(["no_proxy", "NO_PROXY"]).is_some_and(|list| is_excepted(host, &list)) {
        return Ok(None);
    }
    // The reason would show the proxy's password.
    Proxy::new(&proxy).map(Some).map_err(|_| "the proxy that the environment names cannot be used")
}

/// Whether a host is in a list of hosts and domains. A domain stands for everything below it, with or without a dot in
/// front; `*` stands for all.
fn is_excepted(host: &str, list: &str) -> bool {
    let host = host.to_ascii_lowercase();
    list.split([',', ' ']).map(str::to_ascii_lowercase).any(|entry| {
        let domain = entry.trim_start_matches('.');
        let below = || host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        entry == "*" || (!domain.is_empty() && below())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(uri: &str, variables: &[(&str, &str)]) -> Option<String> {
        let env = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        of(&uri.parse().unwrap(), env).unwrap().map(|proxy| proxy.host().to_owned())
    }

    #[test]
    fn the_narrower_variable_wins_and_exceptions_are_direct() {
        const HOOK: &str = "https://hooks.slack.com/services/x";
        let proxies = [("HTTPS_PROXY", "http://a:1"), ("ALL_PROXY", "http://b:1"), ("HTTP_PROXY", "http://c:1")];
        assert_eq!(host(HOOK, &proxies), Some("a".into()));
        assert_eq!(host(HOOK, &proxies[1..]), Some("b".into()));
        assert_eq!(host(HOOK, &proxies[2..]), None);
        assert_eq!(host(HOOK, &[]), None);
        assert_eq!(host("http://localhost:1/x", &proxies), None);
        let with = |list| host(HOOK, &[proxies[0], ("no_proxy", list)]);
        for list in ["*", "slack.com", "x, .slack.com", "HOOKS.slack.com"] {
            assert_eq!(with(list), None, "{list}");
        }
        for list in ["", "lack.com", "slack.com.org", "a.hooks.slack.com", "."] {
            assert_eq!(with(list), Some("a".into()), "{list}");
        }
    }

    #[test]
    fn a_proxy_that_is_none_is_said_without_its_password() {
        let env = |name: &str| (name == "https_proxy").then(|| "ftp://me:canary@host".to_owned());
        assert!(!of(&"https://h/".parse().unwrap(), env).unwrap_err().contains("canary"));
    }
}
