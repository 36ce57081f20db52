#!/usr/bin/env python3
"""Run the benchmarks of a release build; write bench/results/*.json and print a table.

    bench/run.py BUILD_DIR [NAME…]        NAME: only those whose name contains it

Three kinds are found: the *_bench programs of the layers (Google Benchmark), those of bench/*_bench.cc (against a
yardstick), and bench/*.bench.mjs, which run the whole binary under load. The last two print one JSON object a line
for each figure:
  {"name", "value", "unit", "yardstick", "yardstick_value", "ratio", "target", "pass"}
of which all after `unit` may be absent ("wanted" and "met" are read as "target" and "pass"). A missed figure is shown, not an error; a program that fails is.
"""
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"


def has_own_main(name):
    """Tell whether a benchmark prints figures by itself; such ones know --tiny, the others are Google Benchmark's."""
    sources = [*ROOT.glob(f"bench/{name}.cc"), *ROOT.glob(f"src/*/{name}.cc")]
    return any("--tiny" in source.read_text(encoding="utf-8") for source in sources)


def find_programs(build, names):
    """Return [(name, path, whether it has a main of its own)] of what is to be run, small ones first."""
    found = [(path.name, path, has_own_main(path.name)) for folder in ("src", "bench")
             for path in sorted((build / folder).glob("**/*_bench")) if path.is_file() and os.access(path, os.X_OK)]
    return [one for one in found if not names or any(wanted in one[0] for wanted in names)]


def rate(count):
    """Return a count a second as people say it: 1.25 M/s."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g} {letter}"
    return f"{count:.3g} "


def figures_of_google(report):
    """Turn Google Benchmark's JSON into figures: what passes through where it says so, else its time."""
    for run in report["benchmarks"]:
        if run.get("run_type") == "aggregate":
            continue
        figure = {"name": run["name"], "value": run["real_time"], "unit": run["time_unit"]}
        if "items_per_second" in run:
            figure |= {"value": run["items_per_second"], "unit": "items/s"}
        elif "bytes_per_second" in run:
            figure |= {"value": run["bytes_per_second"], "unit": "B/s"}
        elif rates := [key for key in run if key.endswith("/s")]:  # a counter of the benchmark's own
            figure |= {"value": run[rates[0]], "unit": rates[0]}
        yield figure


def run_loaded(path, build):
    """Run a program with a main of its own; return its exit code and figures."""
    done = subprocess.run([path], stdout=subprocess.PIPE, text=True, check=False, cwd=ROOT,
                          env=os.environ | {"MILLRACE_BIN": str(build / "millrace")})
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def run_google(path):
    """Run a program of Google Benchmark; return its exit code and figures."""
    out = RESULTS / f"{path.name}.google.json"
    done = subprocess.run([path, f"--benchmark_out={out}", "--benchmark_out_format=json"],
                          stdout=subprocess.DEVNULL, check=False, cwd=ROOT)
    figures = list(figures_of_google(json.loads(out.read_text(encoding="utf-8")))) if done.returncode == 0 else []
    out.unlink(missing_ok=True)
    return done.returncode, figures


def shown(value, unit):
    return f"{rate(value)}{unit}" if unit.endswith("/s") else f"{value:.4g} {unit}"


def print_figure(figure):
    line = f"  {figure['name']:<58} {shown(figure['value'], figure['unit']):>16}"
    if "ratio" in figure:
        yardstick = shown(figure["yardstick_value"], figure["unit"])
        line += f"  {figure['ratio']:.2f} of {figure['yardstick']} ({yardstick})"
    wanted = figure.get("target", figure.get("wanted"))
    if wanted is not None:
        line += f"  wanted {wanted}{'' if figure.get('pass', figure.get('met', True)) else '  MISSED'}"
    print(line, flush=True)


def machine():
    model = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
                  if line.startswith("model name")), platform.machine())
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release()}


def main(arguments):
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 2
    build = Path(arguments[0]).resolve()
    programs = find_programs(build, arguments[1:])
    RESULTS.mkdir(parents=True, exist_ok=True)
    failed = 0
    for name, path, loaded in programs:
        print(name, flush=True)
        code, figures = run_loaded(path, build) if loaded else run_google(path)
        for figure in figures:
            print_figure(figure)
        if code != 0:
            failed += 1
            print(f"  FAILED with exit code {code}")
            continue
        result = {"name": name, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "machine": machine(),
                  "figures": figures}
        (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"{len(programs)} programs, {failed} failed; the figures are in bench/results")
    return 1 if failed or not programs else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
