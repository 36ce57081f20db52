"""Tests of tidy: each makes a small project with one fault and expects the one finding."""
import tempfile
import unittest
from pathlib import Path

import tidy
import tidy_cpp


class TidyCase(unittest.TestCase):
    """Makes projects of a few files in a folder of its own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def project(self, files):
        for path, text in files.items():
            file = self.root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        return tidy.Project(self.root)

    def findings(self, check, files):
        return list(check(self.project(files)))

    def assert_clean(self, check, files):
        self.assertEqual(self.findings(check, files), [])

    def assert_finding(self, check, files, *words):
        found = self.findings(check, files)
        self.assertEqual(len(found), 1, found)
        for word in words:
            self.assertIn(word, found[0])


class TypeNames(TidyCase):
    def test_two_types_of_a_name_in_a_namespace_are_found(self):
        self.assert_finding(tidy.check_type_names, {"src/log/a.h": "namespace m {\nstruct One {\n", "src/net/b.h": "namespace m {\nclass One : X {\n"},
                            "m::One", "src/log/a.h")

    def test_not_where_the_namespaces_differ_or_it_is_only_named(self):
        self.assert_clean(tidy.check_type_names, {"src/log/a.h": "namespace m {\nstruct One {\n", "src/net/b.h": "namespace m {\nclass One;\n",
                                                  "src/net/c.h": "namespace m::n {\nclass One final {\n"})


def function_of(lines):
    """A function of so many lines."""
    return "int f() {\n" + "  g();\n" * (lines - 2) + "}\n"


class Layers(TidyCase):
    def test_an_earlier_layer_may_be_included(self):
        self.assert_clean(tidy.check_layers, {"src/log/a.cc": '#include "base/b.h"\n', "src/base/b.h": ""})

    def test_a_later_layer_may_not(self):
        self.assert_finding(tidy.check_layers, {"src/base/a.cc": '\n#include "log/b.h"\n', "src/log/b.h": ""},
                            "src/base/a.cc:2", "layer base", "log/b.h")

    def test_not_even_when_the_header_is_missing(self):
        self.assert_finding(tidy.check_layers, {"src/base/a.cc": '#include "server/gone.h"\n'}, "server/gone.h")

    def test_a_commented_include_is_none(self):
        self.assert_clean(tidy.check_layers, {"src/base/a.cc": '/*\n#include "log/b.h"\n*/\n// #include "log/c.h"\n'})

    def test_an_unknown_folder_is_no_layer(self):
        self.assert_finding(tidy.check_layers, {"src/util/a.cc": ""}, "src/util")


class Beast(TidyCase):
    USER = "#include <boost/beast/http.hpp>\n"

    def test_four_files_of_net_may(self):
        self.assert_clean(tidy.check_beast, {f"src/net/{n}.cc": self.USER for n in range(4)})

    def test_a_fifth_may_not(self):
        self.assert_finding(tidy.check_beast, {f"src/net/{n}.cc": self.USER for n in range(5)}, "5 .cc files")

    def test_no_other_layer_may(self):
        self.assert_finding(tidy.check_beast, {"src/server/a.cc": self.USER}, "src/server/a.cc")

    def test_a_header_carries_it_on(self):
        files = {"src/net/beast.h": self.USER, "src/net/more.h": '#include "net/beast.h"\n'}
        files |= {f"src/net/{n}.cc": '#include "net/more.h"\n' for n in range(5)}
        self.assert_finding(tidy.check_beast, files, "5 .cc files")


class Functions(TidyCase):
    def lengths(self, text):
        return [(found.name, found.line, found.lines) for found in tidy_cpp.functions(text)]

    def test_free_functions_methods_and_tests_are_found(self):
        text = """namespace millrace {
struct S : Base<int> {
 public:
  explicit S(int x) : a_{x}, b_(x) {
  }
  int get() const noexcept { return a_; }
  std::vector<int> list = {1, 2};
};
template <typename T>
auto S::make(const T& t) -> std::unique_ptr<S> {
  if (t) { return {}; }
  auto inner = [&](int y) {
    return y;
  };
}
TEST(Suite, Case) {
}
}  // namespace millrace
"""
        self.assertEqual(self.lengths(text), [
            ("S", 4, 2), ("get", 6, 1), ("S::make", 9, 7), ("Suite.Case", 16, 2)])

    def test_braces_in_strings_and_comments_do_not_count(self):
        text = 'int f() {\n  a("}");  // }\n  b(\'}\');\n  c(R"x(}}}")x");\n  d(1\'000);\n}\nint g() {\n}\n'
        self.assertEqual(self.lengths(text), [("f", 1, 6), ("g", 7, 2)])

    def test_arrays_enums_and_lambdas_outside_are_no_functions(self):
        self.assertEqual(self.lengths("enum class E : int { kA };\nconst int kList[] = {1, 2};\n"
                                      "constexpr auto kF = [](int a) {\n  return a;\n};\n"), [])

    def test_a_very_long_function_is_refused(self):
        short = "".join(function_of(3) for _ in range(60))
        self.assert_finding(tidy.check_functions, {"src/base/a.cc": short + function_of(101)}, "a.cc:181", "101 lines")

    def test_a_few_long_ones_are_allowed(self):
        short = "".join(function_of(3) for _ in range(49))
        self.assert_clean(tidy.check_functions, {"src/base/a.cc": short + function_of(61)})

    def test_many_are_refused(self):
        short = "".join(function_of(3) for _ in range(48))
        self.assert_finding(tidy.check_functions, {"src/base/a.cc": short + function_of(61)}, "1 of 49 functions")


class DeadFiles(TidyCase):
    def test_a_header_that_nobody_includes(self):
        self.assert_finding(tidy.check_headers, {"src/base/a.h": "", "src/base/a.cc": ""}, "src/base/a.h")

    def test_a_header_that_does_not_exist(self):
        self.assert_finding(tidy.check_headers, {"src/base/a.cc": '#include "base/gone.h"\n'}, "base/gone.h does not exist")

    def test_a_header_that_the_build_makes(self):
        self.assert_clean(tidy.check_headers, {"src/base/a.cc": '#include "base/made.h"\n', "src/base/made.h.in": ""})

    def test_a_script_that_nothing_names(self):
        self.assert_finding(tidy.check_unused_files, {"scripts/old.sh": "", "Makefile": "new.sh"}, "scripts/old.sh")

    def test_a_script_that_the_makefile_names(self):
        self.assert_clean(tidy.check_unused_files, {"scripts/new.sh": "", "Makefile": "\t@scripts/new.sh\n"})


class Banned(TidyCase):
    def test_each_banned_call_is_found(self):
        for call in ["std::cout << 1;", "strcpy(a, b);", "int n = rand();", "std::chrono::system_clock::now();",
                     "time(nullptr);", "gettimeofday(&t, 0);", "std::format(x);", "std::random_device d;"]:
            with self.subTest(call=call):
                self.assert_finding(tidy.check_banned, {"src/log/a.cc": f"void f() {{ {call} }}\n"}, "a.cc:1")

    def test_the_seam_may_use_the_clock_and_commands_may_print(self):
        self.assert_clean(tidy.check_banned, {"src/base/env.cc": "auto n = std::chrono::system_clock::now();\n",
                                              "src/app/main.cc": "void f() { std::cout << 1; }\n"})

    def test_words_that_only_look_like_it_pass(self):
        self.assert_clean(tidy.check_banned, {"src/log/a.cc": '// rand()\nint x = operand(1) + event_time(2);\nauto s = "time(nullptr)";\n'})

    def test_using_namespace_in_a_header(self):
        self.assert_finding(tidy.check_banned, {"src/log/a.h": "#pragma once\nusing namespace std;\n"}, "a.h:2")

    def test_a_header_without_pragma_once(self):
        self.assert_finding(tidy.check_banned, {"src/log/a.h": "int f();\n"}, "#pragma once")

    def test_marks_of_unfinished_work(self):
        self.assert_finding(tidy.check_marks, {"src/log/a.cc": "// TO" "DO: later\n"}, "a.cc:1")


class Documents(TidyCase):
    def test_a_path_that_is_gone(self):
        self.assert_finding(tidy.check_documented_paths, {"README.md": "see\n`src/base/gone.h`.\n"}, "README.md:2")

    def test_paths_that_are_there(self):
        self.assert_clean(tidy.check_documented_paths, {
            "README.md": "`src/base/{a,b}.h`, src/base/, tests/*.mjs, [more](docs/more.md#part), build/release/x, deploy/a@.service",
            "deploy/a@.service": "", "src/base/a.h": "", "src/base/b.h": "", "tests/x.mjs": "", "docs/more.md": "[back](../README.md)"})

    def test_a_path_may_be_seen_from_its_document(self):
        self.assert_clean(tidy.check_documented_paths, {"ui/README.md": "`src/lib/a.ts`", "ui/src/lib/a.ts": ""})

    def test_a_link_that_is_broken(self):
        self.assert_finding(tidy.check_documented_paths, {"docs/a.md": "[more](more.md)"}, "docs/more.md")

    def test_a_document_that_code_names(self):
        self.assert_finding(tidy.check_documented_paths, {"src/log/a.h": "/// docs/" "formats/gone.md\n"}, "a.h:1")


class Requirements(TidyCase):
    def rows(self, replace):
        rows = {requirement: "open (later)" for requirement in tidy.REQUIREMENT_IDS} | replace
        return "".join(f"| {key} | what | {value} |\n" for key, value in rows.items() if value)

    def test_every_id_has_a_row(self):
        self.assert_finding(tidy.check_requirements, {tidy.REQUIREMENTS: self.rows({"E7": None})}, "E7 has no row")

    def test_named_tests_exist(self):
        text = self.rows({"C1": "`Visits.Decodes`", "C2": "`Visits.*`, `tests/e2e/a.test.mjs`"})
        files = {tidy.REQUIREMENTS: text, "tests/e2e/a.test.mjs": "",
                 "src/event/a_test.cc": "TEST(Visits, Decodes) {}\n"}
        self.assert_clean(tidy.check_requirements, files)
        self.assertNotIn("C1", tidy.without_test(self.project(files)))
        self.assertIn("C3", tidy.without_test(self.project(files)))

    def test_a_test_that_is_gone(self):
        self.assert_finding(tidy.check_requirements, {tidy.REQUIREMENTS: self.rows({"C1": "`Gone.Test`"})},
                            "C1", "Gone.Test does not exist")

    def test_a_row_without_any_proof(self):
        self.assert_finding(tidy.check_requirements, {tidy.REQUIREMENTS: self.rows({"C1": "surely"})}, "C1 names no test")


if __name__ == "__main__":
    unittest.main()
