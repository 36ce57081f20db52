"""Tests of run_tests: what it reads from real programs' output, and its exit codes with a real ctest."""
import io
import os
import shutil
import tempfile
import unittest
from contextlib import redirect_stdout
from pathlib import Path
from unittest import mock

import run_tests

GTEST = """[ RUN      ] News.TopTen
/src/a_test.cc:12: Skipped
no shared data here;
set MILLRACE_SHARED_DATA

[  SKIPPED ] News.TopTen (0 ms)
[ RUN      ] News.Fine
[       OK ] News.Fine (0 ms)
[  SKIPPED ] 1 test, listed below:
[  SKIPPED ] News.TopTen
"""
NODE = "✔ fine (1.2ms)\n﹣ needs a browser (0.1ms) # no chromium\nok 2 - other # SKIP no shared data\n"


class SkippedCases(unittest.TestCase):
    def test_googletest(self):
        self.assertEqual(list(run_tests.skipped_cases(GTEST)),
                         [("News.TopTen", "no shared data here; set MILLRACE_SHARED_DATA")])

    def test_node(self):
        self.assertEqual(list(run_tests.skipped_cases(NODE)),
                         [("needs a browser", "no chromium"), ("other", "no shared data")])

    def test_nothing_skipped(self):
        self.assertEqual(list(run_tests.skipped_cases("[       OK ] A.B (0 ms)\n✔ fine (1ms)\n")), [])


@unittest.skipUnless(shutil.which("ctest"), "no ctest")
class WithCtest(unittest.TestCase):
    def run_project(self, output, shared, code=0):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            (root / "output").write_text(output, encoding="utf-8")
            (root / "CTestTestfile.cmake").write_text(
                f'add_test(one "sh" "-c" "cat {root}/output; exit {code}")\n', encoding="utf-8")
            (root / "data").mkdir()
            data = str(root / "data") if shared else str(root / "absent")
            shown = io.StringIO()
            with mock.patch.dict(os.environ, {"MILLRACE_SHARED_DATA": data}), redirect_stdout(shown):
                return run_tests.main([folder]), shown.getvalue()

    def test_a_skip_is_listed_before_the_closing_lines(self):
        code, shown = self.run_project(GTEST, shared=False)
        self.assertEqual(code, 0)
        self.assertLess(shown.index("one: News.TopTen: no shared data"), shown.index("100% tests passed, 0 tests failed out of 1"))

    def test_a_data_test_skipped_beside_its_data_fails(self):
        code, shown = self.run_project(GTEST, shared=True)
        self.assertEqual(code, 1)
        self.assertIn("FAILED: 1 cases were skipped for lack of shared data", shown)

    def test_another_skip_does_not_fail(self):
        self.assertEqual(self.run_project("﹣ browser (0.1ms) # no chromium\n", shared=True)[0], 0)

    def test_a_failure_is_passed_on(self):
        code, shown = self.run_project("broken\n", shared=False, code=3)
        self.assertNotEqual(code, 0)
        self.assertIn("broken", shown)
        self.assertIn("0% tests passed, 1 tests failed out of 1", shown)


if __name__ == "__main__":
    unittest.main()
