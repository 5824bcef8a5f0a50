use super::*;
use crate::state::{Day, FileRecord, RunMetrics, RunRecord, SchemaColumn, StoredCursor};

fn about() -> About {
    About { made_at: "2026-03-29T12:51:09Z".into(), state: "a<b>.db".into(), days: None }
}

fn run(export: &str, day: u32, status: &str) -> RunRecord {
    let metrics = RunMetrics {
        export: export.into(),
        run_id: Some(format!("{export}_1")),
        duration_ms: 1500,
        rows: 10,
        bytes: 2048,
        status: status.into(),
        error: (status == "failed").then(|| export.to_owned()),
        ..RunMetrics::default()
    };
    RunRecord { run_at: format!("2026-03-{:02}T12:00:00.000000000+00:00", day % 28 + 1), metrics }
}

fn export(name: &str, status: &str) -> ExportHistory {
    let last = run(name, 4, status);
    let failed = u64::from(status == "failed");
    ExportHistory {
        export: name.into(),
        days: vec![Day { day: "2026-03-05".into(), runs: 1, failed, rows: 10, ..Day::default() }],
        failures: if failed > 0 { vec![last.clone()] } else { Vec::new() },
        changes: vec![last.clone()],
        runs: vec![last.clone()],
        files: vec![FileRecord { name: name.into(), export: name.into(), ..FileRecord::default() }],
        cursor: Some(StoredCursor {
            export: name.into(),
            value: Some(name.into()),
            column: Some(name.into()),
            ..StoredCursor::default()
        }),
        columns: vec![SchemaColumn { name: name.into(), data_type: name.into(), nullable: None }],
        unfinished: Some(name.into()),
        last: Some(last),
    }
}

#[test]
fn whatever_is_recorded_stays_text() {
    let hostile = "<script>alert(1)</script>\" onload='x'&amp;\u{202e}\0 p://u:S3CR3T-CANARY@h";
    let html = page(&Overview { exports: vec![export(hostile, "failed"), export(hostile, hostile)] }, &about());
    let body = html.split("</style>").nth(1).unwrap();
    for bad in ["<script", "onload='", "&amp; ", "&amp;\u{202e}", "CANARY", "\0", "a<b>"] {
        assert!(!body.contains(bad), "{bad} in {body}");
    }
    assert!(body.contains("p://u:***@h"));
    // The name alone is in a dozen places.
    assert!(body.matches("&#60;script&#62;alert(1)&#60;/script&#62;").count() > 12, "{body}");
}

#[test]
fn the_page_forbids_all_but_its_own_style() {
    let html = page(&Overview::default(), &about());
    let style = html.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    assert_eq!(style, STYLE, "the digest is of what stands in the page");
    assert!(html.contains("default-src &#39;none&#39;; style-src &#39;sha256-"), "{html}");
    assert!(!html.contains("style=\"") && !html.contains("http:") && !html.contains("https:"));
    assert!(html.contains("No run is recorded yet."));
}

#[test]
fn what_failed_comes_first_and_the_page_is_bounded() {
    let mut exports: Vec<_> = (0..SECTIONS + 50).map(|i| export(&format!("export_{i:03}"), "success")).collect();
    exports.push(export("z_failing", "failed"));
    let html = page(&Overview { exports }, &about());
    assert!(html.contains("1 of 151 exports failed in their last run:"));
    assert!(html.find("<bdi>z_failing</bdi>").unwrap() < html.find("<bdi>export_000</bdi>").unwrap());
    assert_eq!(html.matches("<section class=\"export\"").count(), SECTIONS);
    assert_eq!(html.matches("<th scope=\"row\">").count(), SECTIONS + 51 + 3 * SECTIONS);
    assert!(html.contains("The 100 exports that follow"));
}

#[test]
fn many_days_are_taken_together_and_none_is_lost() {
    let days: Vec<Day> = (0..400)
        .filter(|i| i % 7 != 0)
        .map(|i| {
            let day = jiff::civil::date(2025, 1, 1).saturating_add(jiff::Span::new().days(i));
            Day { day: day.to_string(), runs: 2, failed: 1, rows: 5, ..Day::default() }
        })
        .collect();
    let (grain, points) = points::by_days(&days, 60);
    assert_eq!(grain, points::Grain::Days(7));
    assert_eq!(points.len(), 57);
    assert_eq!(points.iter().map(|p| p.sums.runs).sum::<u64>(), 2 * days.len() as u64);
    assert_eq!(points[0].label, "2025-01-02 to 2025-01-08");
    assert_eq!(points[56].last_day(), "2026-02-03");
    let strange = Day { day: "no day".into(), runs: 1, ..Day::default() };
    assert!(points::by_days(&[strange], 60).1.is_empty());
}

#[test]
fn numbers_are_for_people() {
    assert_eq!(text::thousands(1_234_567), "1,234,567");
    assert_eq!(text::thousands(999), "999");
    assert_eq!([950.0, 15_000.0, 1_250_000.0, 2e9].map(text::compact), ["950", "15 k", "1.2 M", "2 bn"]);
    let times = [999, 3200, 725_000, 11_520_000, 93_600_000].map(text::duration);
    assert_eq!(times, ["999 ms", "3.2 s", "12 min 5 s", "3 h 12 min", "1 d 2 h"]);
    assert_eq!(text::bytes(5 << 40), "5.0 TB");
    assert_eq!(text::when("2026-03-29T12:51:09.5+00:00"), "2026-03-29 12:51");
    assert_eq!(text::when("never\u{1b}"), "never\u{fffd}");
    assert_eq!(text::shown(&"x".repeat(5000)).chars().count(), 4001);
}
