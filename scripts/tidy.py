#!/usr/bin/env python3
"""Check what people forget: layer order, long functions, dead files, banned calls, documented paths
that do not exist, requirements without a test.

    scripts/tidy.py [--root DIR] [--report]

Prints one line for each finding and fails when there is one. --report adds what is worth knowing but
not wrong: long files, functions past the limit we aim at, requirements that wait for a test.
"""
import argparse
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path, PurePosixPath

import tidy_cpp

# A folder under src/ may include only itself and those before it.
LAYERS = ("base linalg net event log lake warehouse stream source model vector recommend workflow alert catalog "
          "server app").split()
FUNCTION_LINES = 60          # at most FUNCTIONS_LONG of all functions may be longer
FUNCTION_LINES_MAX = 100     # none may
FUNCTIONS_LONG = 0.02
FILE_LINES = 450
BEAST_FILES_MAX = 4
BEAST_LAYER = "net"
TEXT = {".cc", ".h", ".py", ".sh", ".mjs", ".ts", ".tsx", ".css", ".sql", ".yaml", ".md", ".cmake", ".txt", ".json", ""}
NAMED_KINDS = {".sql", ".yaml", ".sh", ".py", ".mjs", ".cmake", ".ts", ".tsx", ".css"}  # used when something names them
FOUND_BY_NAME = (".test.mjs", ".bench.mjs", ".test.ts", ".test.tsx", ".d.ts", "_test.py")  # tools look for these
SKIPPED_FOLDERS = {"build", "node_modules", ".git", "dist", "millrace-data"}

# What, how it looks in code, where it is allowed (prefixes of paths), and what to use instead.
BANNED = [
    ("output from a library", r"\bstd::(cout|cerr|clog)\b|\bfmt::print\w*\s*\(|\b(?<!::)f?printf\s*\(|\bputs\s*\(", ("src/app/", "bench/", "tests/"),
     "use base/logging.h, or return what is to be printed"),
    ("unbounded C string function", r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok)\s*\(", (), "use fmt or std::string"),
    ("C randomness", r"\b(?:std::)?s?rand\s*\(", (), "use Env's randomness, or a seeded generator"),
    ("true randomness outside Env", r"\bstd::random_device\b", ("src/base/env",), "use Env's randomness"),
    ("system clock outside Env",
     r"\bsystem_clock\b|\b(?:std::)?time\s*\(\s*(?:nullptr|NULL|0)\s*\)|\bgettimeofday\s*\(|\bCLOCK_REALTIME\b",
     ("src/base/env",), "use Env's clock"),
    ("C++20 text formatting", r"\bstd::(format|print|println)\s*\(", (), "g++ 12 has none; use fmt"),
]
MARKS = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
REQUIREMENT_IDS = ([f"N{n}" for n in range(1, 9)] + [f"E{n}" for n in range(1, 20)]
                   + [f"C{n}" for n in range(1, 14)] + [f"G{n}" for n in range(1, 6)])


class Project:
    """The files of the project, read once; paths are relative to the root, with slashes."""

    def __init__(self, root):
        self.root = Path(root).resolve()
        self.paths = sorted(path for path in self._list() if (self.root / path).is_file())
        self.texts = {path: (self.root / path).read_text(encoding="utf-8", errors="replace")
                      for path in self.paths if PurePosixPath(path).suffix in TEXT}
        self.includes = {path: tidy_cpp.includes(self.texts[path]) for path in self.cpp()}

    def _list(self):
        """List what git tracks or would track; every file where there is no git."""
        git = subprocess.run(["git", "-C", str(self.root), "ls-files", "-co", "--exclude-standard"],
                             capture_output=True, text=True, check=False)
        if git.returncode == 0 and git.stdout:
            return git.stdout.splitlines()
        files = (path.relative_to(self.root) for path in self.root.rglob("*"))
        return [path.as_posix() for path in files if not SKIPPED_FOLDERS & set(path.parts)]

    def cpp(self, folder=""):
        return [path for path in self.texts if path.startswith(folder) and path.endswith((".h", ".cc"))]

    def resolve(self, path, included):
        """Return the project's file that `path` means by `included`, or None."""
        beside = (PurePosixPath(path).parent / included).as_posix()
        for candidate in (f"src/{included}", beside, included):
            if candidate in self.texts:
                return candidate
        return None


def layer_of(path):
    parts = path.split("/")
    return parts[1] if len(parts) > 2 and parts[0] == "src" else None


def check_layers(project):
    """Every include goes to its own layer or an earlier one, and every folder is a known layer."""
    for path in project.cpp("src/"):
        layer = layer_of(path)
        if layer not in LAYERS:
            yield f"{path}: folder src/{layer} is no layer (scripts/tidy.py has the list)"
            continue
        for line, included, quoted in project.includes[path]:
            target = layer_of(project.resolve(path, included) or "") or included.split("/")[0]
            if quoted and target in LAYERS and LAYERS.index(target) > LAYERS.index(layer):
                yield f"{path}:{line}: layer {layer} may not include {included}: {target} comes after it"


def check_beast(project):
    """Boost.Beast is slow to compile: only in its layer, and in few .cc files, directly or by a header."""
    direct = {path for path in project.cpp()
              if any(included.startswith("boost/beast") for _, included, _ in project.includes[path])}
    for path in sorted(direct):
        if layer_of(path) != BEAST_LAYER:
            yield f"{path}: Boost.Beast stays in src/{BEAST_LAYER}"
    reached = set(direct)
    while more := {path for path in project.cpp() if path not in reached and any(
            project.resolve(path, included) in reached for _, included, _ in project.includes[path])}:
        reached |= more
    units = sorted(path for path in reached if path.endswith(".cc"))
    if len(units) > BEAST_FILES_MAX:
        yield f"{len(units)} .cc files compile Boost.Beast, at most {BEAST_FILES_MAX} may: {', '.join(units)}"


def measured_functions(project):
    return [(path, function) for path in project.cpp() for function in tidy_cpp.functions(project.texts[path])]


def check_functions(project):
    functions = measured_functions(project)
    long = [(path, function) for path, function in functions if function.lines > FUNCTION_LINES]
    for path, function in long:
        if function.lines > FUNCTION_LINES_MAX:
            yield (f"{path}:{function.line}: {function.name} has {function.lines} lines; "
                   f"at most {FUNCTION_LINES_MAX} are allowed, {FUNCTION_LINES} aimed at")
    if functions and len(long) > FUNCTIONS_LONG * len(functions):
        yield (f"{len(long)} of {len(functions)} functions have more than {FUNCTION_LINES} lines; at most "
               f"{FUNCTIONS_LONG:.0%} may (--report names them)")


TYPE = re.compile(r"^(?:namespace ([\w:]+) \{|(?:struct|class) ([A-Z]\w*)(?: final)? ?[:{])", re.M)


def check_type_names(project):
    """A namespace has one type of a name: the linker takes one of two for both, and says nothing."""
    seen = {}
    for path in project.cpp("src/"):
        if not path.endswith(".h"):
            continue
        namespace = ""
        for match in TYPE.finditer(project.texts[path]):
            if match[1]:
                namespace = match[1]
            elif other := seen.get((namespace, match[2])):
                yield f"{path}: {namespace}::{match[2]} is the name of a type of {other} too"
            else:
                seen[namespace, match[2]] = path


def check_headers(project):
    """A quoted include exists, or is made from its .in file; every header is included by something."""
    used = set()
    for path in project.cpp():
        for line, included, quoted in project.includes[path]:
            target = project.resolve(path, included)
            if target and target != path:
                used.add(target)
            elif quoted and layer_of(f"src/{included}") in LAYERS and f"src/{included}.in" not in project.paths:
                yield f"{path}:{line}: {included} does not exist"
    for path in project.cpp():
        if path.endswith(".h") and path not in used:
            yield f"{path}: no file includes this header"


def check_unused_files(project):
    """Scripts, statements, pages and test helpers are named by another file, or their whole folder is."""
    for path in project.paths:
        name = PurePosixPath(path)
        if path.startswith("examples/") or name.suffix not in NAMED_KINDS or path.endswith(FOUND_BY_NAME):
            continue
        whole_folder = rf"{re.escape(name.parent.name)}/\*|\*{re.escape(name.suffix)}\b"
        words = re.compile(rf"\b{re.escape(name.name)}|\b{re.escape(name.stem)}\b|{whole_folder}")
        likely = (text for other, text in project.texts.items()
                  if other != path and (name.stem in text or name.parent.name + "/*" in text or "*" + name.suffix in text))
        if not any(words.search(text) for text in likely):
            yield f"{path}: nothing names this file; is it still used?"


def check_banned(project):
    for path in project.cpp():
        code = tidy_cpp.code_only(project.texts[path])
        for what, pattern, allowed, instead in BANNED:
            if path.startswith(allowed) or (what.startswith("output") and path.endswith(("_bench.cc", "_test.cc"))):
                continue
            for found in re.finditer(pattern, code):
                yield f"{path}:{tidy_cpp.line_of(code, found.start())}: {what}: {found[0].strip()}; {instead}"
        if path.endswith(".h"):
            for found in re.finditer(r"\busing\s+namespace\b", code):
                yield f"{path}:{tidy_cpp.line_of(code, found.start())}: `using namespace` in a header"
            if "#pragma once" not in project.texts[path]:
                yield f"{path}: a header begins with #pragma once"


def check_marks(project):
    for path, text in project.texts.items():
        if path.endswith(("package-lock.json", ".svg")):
            continue
        for found in MARKS.finditer(text):
            yield f"{path}:{tidy_cpp.line_of(text, found.start())}: {found[0]}: do it, or open an issue"


PATH_IN_TEXT = re.compile(r"(?<![\w./$-])((?:src|ui|tests|bench|docs|scripts|examples|deploy|cmake|\.ci)/[\w./{},*@-]*[\w/}*])")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
GENERATED = ("bench/results", "ui/dist", "ui/node_modules", "tests/clients/node_modules")


def expand(path):
    """Expand `a/{b,c}` to `a/b` and `a/c`."""
    if found := re.search(r"\{([^{}]*)\}", path):
        for choice in found[1].split(","):
            yield from expand(path[:found.start()] + choice + path[found.end():])
    else:
        yield path


def exists(project, path):
    path = path.rstrip("/").rstrip(".,")
    if path.startswith(GENERATED) or "*" in path and any(project.root.glob(path)):
        return True
    return (project.root / path).exists() or any(known.startswith(path + ".") for known in project.paths)


def check_documented_paths(project):
    """Paths that documents name, and documents that code names, exist."""
    for path, text in project.texts.items():
        if path.endswith(".md"):
            named = [(found.start(), found[1]) for found in PATH_IN_TEXT.finditer(text)]
            links = [(found.start(), found[1]) for found in LINK.finditer(text) if "://" not in found[1]]
        else:
            named = [(found.start(), found[0]) for found in re.finditer(r"(?<![\w./-])docs/[\w/-]+\.md\b", text)]
            links = []
        if path == "scripts/tidy_test.py":  # its fixtures name files that must not exist
            continue
        wanted = [(at, one) for at, name in named for one in expand(name) if "NNN" not in one]
        folder = PurePosixPath(path).parent
        wanted += [(at, str((folder / link))) for at, link in links if not link.startswith("mailto:")]
        for at, one in wanted:
            if not exists(project, one) and not exists(project, str(folder / one)):
                yield f"{path}:{tidy_cpp.line_of(text, at)}: {one} does not exist"


REQUIREMENTS = "docs/REQUIREMENTS.md"
ROW = re.compile(r"^\|\s*([NECG]\d+)\s*\|(.*)\|\s*$", re.MULTILINE)


def known_tests(project):
    """Return the names of all GoogleTest cases, and the suites."""
    names = set()
    for path in project.cpp():
        for found in re.finditer(r"\bTEST(?:_F|_P)?\(\s*(\w+)\s*,\s*(\w+)\s*\)", project.texts[path]):
            names.add(f"{found[1]}.{found[2]}")
    return names, {name.split(".")[0] for name in names}


def test_exists(project, name, cases, suites):
    if "/" in name:
        return name.split("#")[0] in project.paths
    if name.endswith(".*"):
        return name[:-2] in suites
    return name in cases


def requirement_rows(project):
    """Return {id: [text of its last column]}: where tests are named or `open` is written."""
    rows = defaultdict(list)
    for found in ROW.finditer(project.texts.get(REQUIREMENTS, "")):
        rows[found[1]].append(found[2].split("|")[-1].strip())
    return rows


def check_requirements(project):
    """Every id has a row; its last column names tests that exist, or says `open`."""
    if REQUIREMENTS not in project.texts:
        yield f"{REQUIREMENTS} is missing"
        return
    rows = requirement_rows(project)
    cases, suites = known_tests(project)
    for wanted in REQUIREMENT_IDS:
        if wanted not in rows:
            yield f"{REQUIREMENTS}: {wanted} has no row"
    for requirement, proofs in rows.items():
        for proof in proofs:
            tests = re.findall(r"`([^`]+)`", proof)
            if not tests and not re.search(r"\b(open|through)\b", proof):
                yield f"{REQUIREMENTS}: {requirement} names no test and does not say `open`"
            for test in tests:
                if not test_exists(project, test, cases, suites):
                    yield f"{REQUIREMENTS}: {requirement}: test {test} does not exist"


CHECKS = [check_layers, check_beast, check_functions, check_headers, check_type_names, check_unused_files, check_banned,
          check_marks, check_documented_paths, check_requirements]


def without_test(project):
    """Return the ids whose rows name no test at all."""
    return [requirement for requirement, proofs in requirement_rows(project).items()
            if not any("`" in proof for proof in proofs) and not requirement.startswith("G")]


def print_report(project):
    functions = measured_functions(project)
    lengths = sorted(function.lines for _, function in functions) or [0]
    long = [(path, function) for path, function in functions if function.lines > FUNCTION_LINES]
    print(f"{len(functions)} functions, median {lengths[len(lengths) // 2]} lines, 95 % at most "
          f"{lengths[int(len(lengths) * 0.95)]}, {len(long)} longer than {FUNCTION_LINES}:")
    for path, function in sorted(long, key=lambda one: -one[1].lines):
        print(f"  {function.lines:4d}  {path}:{function.line} {function.name}")
    files = [(text.count("\n"), path) for path, text in project.texts.items()
             if path.endswith((".cc", ".h", ".ts", ".tsx", ".mjs", ".py")) and text.count("\n") > FILE_LINES]
    print(f"{len(files)} files longer than {FILE_LINES} lines:")
    for lines, path in sorted(files, reverse=True):
        print(f"  {lines:4d}  {path}")


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--root", default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args(arguments)
    project = Project(options.root)
    findings = list(dict.fromkeys((check.__name__, finding) for check in CHECKS for finding in check(project)))
    for check, finding in findings:
        print(f"{finding}  [{check.removeprefix('check_')}]")
    if options.report:
        print_report(project)
    print(f"requirements without a test: {' '.join(without_test(project)) or 'none'}")
    print(f"tidy: {len(project.paths)} files, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
