//! Set-up through the command line client.

use std::process::Command;

/// Runs `sql` as the URL's user; its parts need no decoding.
pub fn client(url: &str, sql: &str) -> String {
    let (login, server) = url.split_once("://").unwrap().1.rsplit_once('@').unwrap();
    let (user, password) = login.split_once(':').unwrap();
    let (address, database) = server.split_once('/').unwrap();
    let (host, port) = address.split_once(':').unwrap();
    let out = Command::new("mariadb")
        .args(["--no-defaults", "-h", host, "-P", port, "-u", user, "-D", database, "-N", "-B", "-e", sql])
        .arg("--default-character-set=utf8mb4")
        .env("MYSQL_PWD", password)
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}
