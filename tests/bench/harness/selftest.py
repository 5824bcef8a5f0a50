"""Tests of the harness: a comparison that lets wrong values through would praise the wrong tool."""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import duckdb

from . import compare, report, tables
from .measure import Run

TRUTH = """select i::bigint as id, (i / 7.0)::decimal(15,2) as price, case when i % 3 = 0 then null else 'n' || i end as name,
    md5(i::varchar)::uuid as u, unhex(md5(i::varchar)) as b, timestamptz '2020-01-01 00:00:00+00' + to_seconds(i) as moment
    from range(100) t(i)"""


class Compare(unittest.TestCase):
    def judge(self, query: str) -> list[str]:
        with tempfile.TemporaryDirectory() as folder:
            db = duckdb.connect()
            db.execute("set timezone = 'UTC'")
            truth, out = Path(folder, "truth.parquet"), Path(folder, "out")
            out.mkdir()
            db.execute(f"create table truth as {TRUTH}")
            db.execute(f"copy truth to '{truth}' (format parquet)")
            db.execute(f"copy ({query}) to '{out}/1.parquet' (format parquet)")
            return compare.compare(truth, out, {}).wrong

    def test_the_same_values_in_another_order_and_form_are_equal(self):
        self.assertEqual(self.judge("select * from truth order by id desc"), [])
        self.assertEqual(self.judge("select * replace (price::varchar as price, u::varchar as u) from truth"), [])

    def test_what_is_wrong_is_named(self):
        for query, wrong in {
            "select * replace (case when id = 7 then null else price end as price) from truth": "price has other nulls",
            "select * replace (case when id = 7 then 0 else price end as price) from truth": "price has other values",
            "select * replace (lower(name) || ' ' as name) from truth": "name has other values",
            "select * replace (moment + interval 1 hour as moment) from truth": "moment has other values",
            "select * replace (hex(b) as b) from truth": "b has other values",
            "select * exclude (u) from truth": "u is missing",
            "select *, 1 as more from truth": "more is no column of the source",
        }.items():
            self.assertEqual(self.judge(query), [wrong], query)

    def test_lost_and_doubled_rows_are_seen(self):
        self.assertIn("99 rows of 100", self.judge("select * from truth where id <> 1"))
        # The same number of rows, one twice in place of another.
        twice = "select * from truth where id <> 1 union all select * from truth where id = 2"
        self.assertIn("id has other values", self.judge(twice))


class Tables(unittest.TestCase):
    def test_they_have_their_shape(self):
        made = tables.tables(1.0)
        self.assertEqual([len(table.columns) for table in made.values()], [16, 4, 40])

    def test_values_are_made(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("narrow", "wide"):
                table = tables.tables(0.001)[name]
                truth = tables.make(table, Path(folder), 0.001)
                self.assertEqual(duckdb.execute(f"select count(*) from '{truth}'").fetchone()[0], table.rows)
                nulls = ", ".join(f"count({column.name})" for column in table.columns)
                self.assertTrue(all(duckdb.execute(f"select {nulls} from '{truth}'").fetchone()), name)


class Measuring(unittest.TestCase):
    def test_the_stopwatch_reports_time_memory_and_status(self):
        with tempfile.TemporaryDirectory() as folder:
            result, errors = Path(folder, "report"), Path(folder, "errors")
            program = "import sys, time; x = bytearray(64 << 20); time.sleep(0.2); sys.exit(3)"
            stopwatch = str(Path(__file__).with_name("stopwatch.py"))
            command = [sys.executable, "-I", "-S", stopwatch, str(result), str(errors), sys.executable, "-c", program]
            subprocess.run(command, check=True)
            taken = json.loads(result.read_text())
            self.assertEqual(taken["status"], 3)
            self.assertGreater(taken["wall"], 0.2)
            self.assertGreater(taken["rss"], 64)


class Report(unittest.TestCase):
    def test_a_table_has_the_floor_first_and_failures_last(self):
        def run(wall):
            return Run(wall, 1.0, 10.0, 1.0, 0.0)

        rows = [report.Row("b", [run(3), run(2), run(4)]), report.Row("broken", failure="no | pipe"),
                report.Row("floor", [run(5)])]
        lines = report.table("t", rows).splitlines()
        self.assertTrue(lines[4].startswith("| floor | 1 | 5.0 (5.0–5.0) | 1.00 "))
        self.assertTrue(lines[5].startswith("| b | 3 | 3.0 (2.0–4.0) | 0.60 "))
        self.assertTrue(lines[6].startswith("| broken | | failed: no / pipe "))

    def test_only_the_text_between_the_markers_changes(self):
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder, "page.md")
            page.write_text("a\n<!-- begin speed: written by scripts/bench -->\nold\n<!-- end speed -->\nz\n")
            report.place(page, "speed", "new")
            self.assertEqual(page.read_text(), "a\n<!-- begin speed: written by scripts/bench -->\n\nnew\n\n"
                                               "<!-- end speed -->\nz\n")
