"""Tests of setup.sh against faults: a changed download, no network, a full disk, no rights, an
interruption. The package tools are stand-ins that do what the case asks; scripts/try_in_chroot.sh
runs the real ones.
"""
import base64
import hashlib
import io
import os
import platform
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
import unittest
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent
# `npm pack` copies the file that its last argument names; the case may make it fail.
NPM = """#!/bin/sh
echo "npm $*" >> "$CASE/calls"
[ -z "$NPM_SLEEPS" ] || sleep "$NPM_SLEEPS"
[ -z "$NPM_SAYS" ] || { echo "npm error $NPM_SAYS" >&2; exit 1; }
while [ $# -gt 2 ]; do [ "$1" = --pack-destination ] && into=$2; shift; done
cp "$CASE/packages/$2.tgz" "$into/" || cp "$CASE/packages/$1.tgz" "$into/"
"""
ALL_INSTALLED = "#!/bin/sh\nprintf 'ii '\n"
NONE_INSTALLED = "#!/bin/sh\nexit 1\n"
PACKAGES = {
    "node": ("node-linux@1", {"bin/node": "#!/bin/sh\necho v22\n"}),
    "npm": ("npm@1", {"bin/npm-cli.js": NPM, "bin/npx-cli.js": "#!/bin/sh\n"}),
    "duckdb": ("duckdb-library@1", {"libduckdb.so": "library", "LICENSE": "MIT"}),
    "duckdb-header": ("duckdb@1", {"src/duckdb/src/include/duckdb.h": "header"}),
}


def tar_gz(files):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path, text in files.items():
            entry = tarfile.TarInfo(f"package/{path}")
            entry.size, entry.mode = len(text), 0o755
            archive.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


class SetupCase(unittest.TestCase):
    """A project of its own with the real scripts, in a folder that holds the stand-ins too."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.case = Path(folder.name)
        self.project = self.case / "project"
        self.deps = self.project / "build" / "deps"
        for path in ("project/scripts", "bin", "packages"):
            (self.case / path).mkdir(parents=True)
        for script in ("setup.sh", "setup_run.sh"):
            shutil.copy(SCRIPTS / script, self.project / "scripts")
        self.tool("npm", NPM)
        self.tool("dpkg-query", ALL_INSTALLED)
        self.tool("dpkg", "#!/bin/sh\n")
        lock = []
        for name, (spec, files) in PACKAGES.items():
            content = tar_gz(files)
            (self.case / "packages" / f"{spec}.tgz").write_bytes(content)
            integrity = base64.b64encode(hashlib.sha512(content).digest()).decode()
            lock.append(f"{name} {platform.machine()} {spec} sha512-{integrity}\n")
        (self.project / "scripts" / "setup.lock").write_text("".join(lock), encoding="utf-8")

    def tool(self, name, script):
        file = self.case / "bin" / name
        file.write_text(script, encoding="utf-8")
        file.chmod(0o755)

    def environment(self, **settings):
        return os.environ | {"PATH": f"{self.case}/bin:{os.environ['PATH']}", "CASE": str(self.case)} | settings

    def setup(self, *purposes, **settings):
        settings.setdefault("MILLRACE_DEPS", "build/deps")
        return subprocess.run([self.project / "scripts/setup.sh", *purposes], env=self.environment(**settings),
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)

    def calls(self):
        file = self.case / "calls"
        return file.read_text(encoding="utf-8").count("npm pack") if file.exists() else 0

    def assert_complete(self):
        self.assertEqual((self.deps / "duckdb/include/duckdb.h").read_text(encoding="utf-8"), "header")
        self.assertEqual((self.deps / "duckdb/lib/libduckdb.so").read_text(encoding="utf-8"), "library")
        self.assertTrue(os.access(self.deps / "node/bin/node", os.X_OK))
        self.assertTrue(os.access(self.deps / "node/bin/npm", os.X_OK))
        self.assertFalse((self.deps / "tmp").exists())


class GoodRuns(SetupCase):
    def test_puts_everything_in_place(self):
        done = self.setup("build")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_complete()

    def test_the_second_run_does_nothing_and_is_quick(self):
        self.setup("build")
        calls, started = self.calls(), time.monotonic()
        done = self.setup("build")
        seconds = time.monotonic() - started
        self.assertEqual((done.returncode, done.stdout, self.calls()), (0, "", calls))
        self.assertLess(seconds, 0.5)  # 0.011 s measured; the rest is for a busy machine

    def test_a_changed_description_looks_again_but_fetches_only_what_changed(self):
        self.setup("build")
        calls = self.calls()
        with open(self.project / "scripts/setup.lock", "a", encoding="utf-8") as lock:
            lock.write("# a remark\n")
        done = self.setup("build")
        self.assertIn("set-up for build is complete", done.stdout)
        self.assertEqual(self.calls(), calls)

    def test_a_file_that_is_right_already_is_left_alone(self):
        header = self.deps / "duckdb/include/duckdb.h"
        header.parent.mkdir(parents=True)
        header.write_text("header", encoding="utf-8")
        inode = header.stat().st_ino
        self.assertEqual(self.setup("build").returncode, 0)
        self.assertEqual(header.stat().st_ino, inode)

    def test_the_list_says_what_and_why(self):
        done = self.setup("--list")
        self.assertRegex(done.stdout, r"build +libsimdjson-dev +reads events")

    def test_an_unknown_purpose_is_wrong_usage(self):
        done = self.setup("everything")
        self.assertEqual(done.returncode, 2)
        self.assertIn("unknown purpose 'everything'", done.stderr)


class Faults(SetupCase):
    def assert_refused(self, done, *words):
        self.assertEqual(done.returncode, 1, done.stdout)
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertFalse((self.deps / "stamp-build").exists())

    def test_a_changed_download_is_refused(self):
        (self.case / "packages/duckdb-library@1.tgz").write_bytes(tar_gz({"libduckdb.so": "evil"}))
        self.assert_refused(self.setup("build"), "duckdb-library@1 is not the file that", "do not use it")
        self.assertFalse((self.deps / "duckdb/lib/libduckdb.so").exists())

    def test_no_network(self):
        self.assert_refused(self.setup("build", NPM_SAYS="code EAI_AGAIN"), "npm_here pack", "check the connection")

    def test_a_full_disk(self):
        self.assert_refused(self.setup("build", NPM_SAYS="ENOSPC"), "The disk is full")

    def test_too_little_space_is_said_before_anything_is_done(self):
        self.tool("df", "#!/bin/sh\nprintf 'x\\nx 1 1 200 1 /\\n'\n")
        self.assert_refused(self.setup("build"), "only 200 MB are free")
        self.assertEqual(self.calls(), 0)

    def test_a_failed_installation_names_the_command(self):
        self.tool("dpkg-query", NONE_INSTALLED)
        self.tool("id", "#!/bin/sh\necho 0\n")
        self.tool("apt-get", "#!/bin/sh\necho \"E: Unable to locate package $5\"\nexit 100\n")
        done = self.setup("build")
        self.assert_refused(done, "apt-get -q", "install -y", "Debian 12 (bookworm)")
        self.assertIn("libboost1.81-dev", done.stdout)

    def test_without_root_and_sudo_it_says_what_to_ask_for(self):
        self.tool("dpkg-query", NONE_INSTALLED)
        self.tool("id", "#!/bin/sh\necho 1000\n")
        self.tool("apt-get", "#!/bin/sh\n")
        # A PATH without sudo: everything else that the script calls, linked into one folder.
        for name in "bash sh cat sha256sum cut uname awk sed sort xargs mkdir dirname df flock grep tr tail".split():
            os.symlink(shutil.which(name), self.case / "bin" / name)
        done = self.setup("build", PATH=f"{self.case}/bin")
        self.assert_refused(done, "no sudo here", "apt-get install --no-install-recommends ccache cmake")

    def test_an_interrupted_run_goes_on_where_it_stopped(self):
        with subprocess.Popen([self.project / "scripts/setup.sh", "build"], env=self.environment(NPM_SLEEPS="30"),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
            while self.calls() == 0:
                time.sleep(0.01)
            running.send_signal(signal.SIGTERM)
            _, said = running.communicate(timeout=20)
        self.assertEqual(running.returncode, 130)
        self.assertIn("run it again", said)
        self.assertFalse((self.deps / "stamp-build").exists())
        self.assertEqual(self.setup("build").returncode, 0)
        self.assert_complete()


if __name__ == "__main__":
    unittest.main()
