#!/usr/bin/env python3
"""Run ctest and say what was skipped.

    scripts/run_tests.py BUILD_DIR [CTEST ARGUMENTS…]

ctest calls a test program passed although cases in it were skipped. This reads each program's output
(GoogleTest, node's test runner, unittest), lists the skipped cases with their reasons just before
ctest's closing lines, and fails when a case was skipped for lack of the shared data although that
data is there. The exit code is ctest's otherwise.
"""
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLOSING = re.compile(r"^\d+% tests passed, ")
GTEST_SKIPPED = re.compile(r"^\[  SKIPPED \] (\S+) \(\d+ ms\)$")
NODE_SPEC_SKIPPED = re.compile(r"^\s*﹣ (.+?) \([\d.]+ms\) # ?(.*)$")
NODE_TAP_SKIPPED = re.compile(r"^\s*ok \d+ - (.+?) # SKIP ?(.*)$")
UNITTEST_SKIPPED = re.compile(r"^(\S+) \(.*\).* \.\.\. skipped '(.*)'$")
NEEDS_SHARED_DATA = re.compile(r"shared[ _/-]?data", re.IGNORECASE)


def shared_data():
    """Return the folder of shared real data, or None where there is none."""
    folder = Path(os.environ.get("MILLRACE_SHARED_DATA") or ROOT.parent / "shared" / "data")
    return folder if folder.is_dir() else None


def gtest_reason(lines, index):
    """Return the message of the skip reported at `index`: the lines after the last 'file:line: Skipped'."""
    for start in range(index - 1, -1, -1):
        if lines[start].startswith("[ RUN"):
            break
        if lines[start].endswith(": Skipped"):
            return " ".join(line.strip() for line in lines[start + 1:index] if line.strip())
    return ""


def skipped_cases(output):
    """Yield (case, reason) for each skipped case in a test program's output."""
    lines = output.splitlines()
    for index, line in enumerate(lines):
        if found := GTEST_SKIPPED.match(line):
            yield found[1], gtest_reason(lines, index)
            continue
        for pattern in (NODE_SPEC_SKIPPED, NODE_TAP_SKIPPED, UNITTEST_SKIPPED):
            if found := pattern.match(line):
                yield found[1], found[2].strip()
                break


def read_junit(path):
    """Return [(test program, case, reason)] of every skip that ctest's JUnit file tells of."""
    skips = []
    for test in ElementTree.parse(path).getroot().iter("testcase"):
        name, skipped = test.get("name", ""), test.find("skipped")
        reason = "disabled" if test.get("status") == "disabled" else skipped.get("message", "") if skipped is not None else None
        if reason is not None and not reason.startswith("Unable to find executable"):  # ctest calls that a failure
            skips.append((name, "(whole)", reason))
        skips += [(name, case, reason) for case, reason in skipped_cases(test.findtext("system-out") or "")]
    return skips


def run_ctest(build, arguments, junit):
    """Run ctest, showing its output as it comes; return (exit code, its closing lines, not yet shown)."""
    # A limit that stands with a test wins over `--timeout`, which is for the others; of these the last said counts.
    command = ["ctest", "--test-dir", str(build), "--output-on-failure", "--no-tests=error", "--timeout", "900",
               "--output-junit", str(junit), "--test-output-size-passed", "10000000", *arguments]
    closing = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace") as ctest:
        for line in ctest.stdout:
            if closing or CLOSING.match(line):
                closing.append(line)
            else:
                print(line, end="", flush=True)
    return ctest.returncode, closing


def main(arguments):
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 2
    build = Path(arguments[0]).resolve()
    junit = build / "junit.xml"
    junit.unlink(missing_ok=True)
    code, closing = run_ctest(build, arguments[1:], junit)
    skips = read_junit(junit) if junit.exists() else []
    if skips:
        print(f"{len(skips)} cases were skipped:")
        for program, case, reason in skips:
            print(f"  {program}: {case}: {reason or 'no reason given'}")
        print()
    print("".join(closing), end="", flush=True)
    data = shared_data()
    wrongly = [skip for skip in skips if NEEDS_SHARED_DATA.search(skip[2])]
    if data and wrongly:
        print(f"\nFAILED: {len(wrongly)} cases were skipped for lack of shared data, yet it is in {data}")
        return code or 1
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
